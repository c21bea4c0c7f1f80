"""What a bundle costs on this machine, measured, and on a small board, predicted; see docs/profile.md."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quintet.profiling.boards import BOARDS, Prediction, predict
    from quintet.profiling.measuring import Profile, profile
    from quintet.profiling.work import Work, work_of

__all__ = ["BOARDS", "Prediction", "Profile", "Work", "predict", "profile", "work_of"]

_HOMES = {
    "boards": ("BOARDS", "Prediction", "predict"),
    "measuring": ("Profile", "profile"),
    "work": ("Work", "work_of"),
}
_MODULE_OF = {name: f"quintet.profiling.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:  # the probe lives in this package, and its imports are part of what is timed
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'quintet.profiling' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)
