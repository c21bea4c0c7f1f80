"""A trained model as a folder, and whom to believe that it is the one that was trained; see docs/bundles.md."""

from quintet.bundle.folder import VERSION, Bundle, read_bundle, write_bundle
from quintet.bundle.keys import (
    PrivateKey,
    PublicKey,
    default_key,
    make_key,
    read_private_key,
    read_public_key,
)
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
