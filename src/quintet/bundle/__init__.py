"""A trained model as a folder, and whom to believe that it is the one that was trained; see docs/bundles.md.

Each name is loaded when it is first used: a board that verifies and copies a bundle needs neither numpy nor networks.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quintet.bundle.folder import VERSION, Bundle, read_bundle, write_bundle
    from quintet.bundle.keys import PrivateKey, PublicKey, default_key, make_key, read_private_key, read_public_key
    from quintet.bundle.manifest import Manifest, ManifestEntry
    from quintet.bundle.model_card import write_card
    from quintet.bundle.signing import copy_verified, sign, verify

__all__ = [
    "VERSION",
    "Bundle",
    "Manifest",
    "ManifestEntry",
    "PrivateKey",
    "PublicKey",
    "copy_verified",
    "default_key",
    "make_key",
    "read_bundle",
    "read_private_key",
    "read_public_key",
    "sign",
    "verify",
    "write_bundle",
    "write_card",
]

_HOMES = {
    "folder": ("VERSION", "Bundle", "read_bundle", "write_bundle"),
    "keys": ("PrivateKey", "PublicKey", "default_key", "make_key", "read_private_key", "read_public_key"),
    "manifest": ("Manifest", "ManifestEntry"),
    "model_card": ("write_card",),
    "signing": ("copy_verified", "sign", "verify"),
}
_MODULE_OF = {name: f"quintet.bundle.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'quintet.bundle' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value
