"""Ed25519 keys (RFC 8032): made once, kept outside of every bundle, told apart by their fingerprints.

Rules
* A private key is a PEM file (PKCS #8) that only its owner may read; one that others may read is refused.
* It is never logged, printed or part of a message, and an existing one is never overwritten.
* A public key is a PEM file beside it, `NAME.pub`: what a device needs to trust its owner.
"""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quintet import machine
from quintet.errors import BundleError, StoreError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

MAX_KEY_BYTES = 4096  # a PEM file of an Ed25519 key has about 120


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key: 32 bytes."""

    raw: bytes

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the 32 bytes, in hexadecimal."""
        return hashlib.sha256(self.raw).hexdigest()

    def fits(self, signature: bytes, message: bytes) -> bool:
        """Tell whether `signature` is this key's over `message`."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def pem(self) -> bytes:
        """Return the key as a PEM file, which openssl reads too."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        key = Ed25519PublicKey.from_public_bytes(self.raw)
        return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


class PrivateKey:
    """A private key, which signs and does not show itself."""

    __slots__ = ("_key", "public")

    def __init__(self, key: "Ed25519PrivateKey") -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self._key = key
        self.public = PublicKey(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def __repr__(self) -> str:
        return f"PrivateKey(fingerprint={self.public.fingerprint})"

    def sign(self, message: bytes) -> bytes:
        """Return the signature of `message`, 64 bytes; the same each time."""
        return self._key.sign(message)


def default_key() -> Path:
    """Return where this user's private key is or will be; QUINTET_CONFIG moves it."""
    return machine.config_folder() / "signing-key.pem"


def public_path(path: Path) -> Path:
    """Return where the public half of the private key at `path` is kept."""
    return path.with_name(path.stem + ".pub")


def make_key(path: Path) -> PrivateKey:
    """Return the private key at `path`, made now where there is none, and write its public half beside it.

    Raises:
        BundleError: what is there is not a private key that only its owner may read.
        StoreError: the folder cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from quintet.job import write_whole

    if not path.exists():
        key = Ed25519PrivateKey.generate()
        _write_secret(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    private = read_private_key(path)
    write_whole(public_path(path), private.public.pem())
    return private


def read_private_key(path: Path) -> PrivateKey:
    """Return the private key at `path`.

    Raises:
        BundleError: it is missing, damaged, of another kind, or others may read it.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    content = _read(path, "a private key", "quintet bundle key FILE makes one")
    mode = path.stat().st_mode & 0o777
    if os.name == "posix" and mode & 0o077:
        raise BundleError(
            f"received {path}, which others may read (mode {mode:o}), expected a private key of mode 600;"
            f" type: chmod 600 {path}, or make another where others may have copied it"
        )
    try:
        key = load_pem_private_key(content, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise BundleError(f"received {path}, expected an Ed25519 private key in PEM without a password; make another")
    return PrivateKey(key)


def read_public_key(path: Path) -> PublicKey:
    """Return the public key in the PEM file at `path`.

    Raises:
        BundleError: it is missing, damaged or of another kind.
    """
    return public_key(_read(path, "a public key", "quintet bundle key writes one, FILE.pub"), str(path))


def public_key(key: PublicKey | bytes, name: str = "a key") -> PublicKey:
    """Return `key`, which may be its 32 bytes or its PEM form, as a PublicKey.

    Raises:
        BundleError: it is no Ed25519 public key.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    if isinstance(key, PublicKey):
        return key
    if len(key) == 32:
        return PublicKey(bytes(key))
    try:
        loaded = load_pem_public_key(key)
    except (ValueError, UnsupportedAlgorithm):
        loaded = None
    if not isinstance(loaded, Ed25519PublicKey):
        raise BundleError(
            f"received {name}, expected an Ed25519 public key in PEM, as `quintet bundle key` writes it to FILE.pub"
        )
    return PublicKey(loaded.public_bytes(Encoding.Raw, PublicFormat.Raw))


def public_keys(trusted: Sequence[PublicKey | bytes]) -> list[PublicKey]:
    """Return the keys in `trusted`; at least one.

    Raises:
        BundleError: there is none, or one is no Ed25519 public key.
    """
    if not trusted:
        raise BundleError("received no key to trust, expected at least one public key; name it: --trust FILE.pub")
    return [public_key(key) for key in trusted]


def _read(path: Path, what: str, hint: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_KEY_BYTES)
    except OSError as error:
        raise BundleError(f"received {path} ({error.strerror}), expected {what}; {hint}") from None


def _write_secret(path: Path, content: bytes) -> None:
    """Write `content` so that it is there whole or not at all, for its owner only, and never over another file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary.unlink(missing_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):  # someone else was first: theirs is the key
                os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(
            f"received {error.strerror} while writing the key {path}, expected a folder with room that this user may"
            " write and that has hard links; choose another: quintet bundle key FILE"
        ) from None
