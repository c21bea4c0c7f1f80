"""A bundle run for real on an emulated 64-bit Arm board, its answers held against this machine's; see docs/profile.md."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quintet.emulation.arm import Agreement, compare_on_arm64
    from quintet.emulation.boards import EMULATED
    from quintet.emulation.root import Root, arm64_root

__all__ = ["EMULATED", "Agreement", "Root", "arm64_root", "compare_on_arm64"]

_HOMES = {"arm": ("Agreement", "compare_on_arm64"), "boards": ("EMULATED",), "root": ("Root", "arm64_root")}
_MODULE_OF = {name: f"quintet.emulation.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # the guest imports this package on a machine that has little more than numpy
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'quintet.emulation' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)
