"""Whether a bundle is, byte for byte, what its manifest lists, and, with a trusted key, what its maker signed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from quintet.errors import BundleError, EnvironmentUnavailable

if TYPE_CHECKING:
    from quintet.bundle import PublicKey


def check(folder: Path, trusted: Sequence[Path] = (), *, required: bool = True) -> None:
    """Hold `folder` to its manifest.

    Args:
        trusted: public keys; with one the signature is checked as well.
        required: a bundle without a manifest is refused also where no key is given.

    Raises:
        BundleError: what is wrong, by name.
        EnvironmentUnavailable: a key cannot be read, of which the bundle knows nothing.
    """
    if trusted:
        from quintet.bundle import verify

        verify(folder, read_keys(trusted))
        return
    from quintet.bundle.manifest import MANIFEST, MAX_MANIFEST_BYTES, check_listing, parse, read_checked

    path = folder / MANIFEST
    if not path.exists():
        if required:
            raise BundleError(f"received {folder} without {MANIFEST}, expected a signed bundle; copy it again")
        return
    with path.open("rb") as file:
        manifest = parse(file.read(MAX_MANIFEST_BYTES))
    check_listing(folder, manifest)
    for entry in manifest.files:
        read_checked(folder, entry)


def read_keys(paths: Sequence[Path]) -> "list[PublicKey]":
    """Return the public keys. Raises EnvironmentUnavailable where one cannot be read."""
    from quintet.bundle import read_public_key

    try:
        return [read_public_key(path) for path in paths]
    except BundleError as error:
        raise EnvironmentUnavailable(str(error)) from None
