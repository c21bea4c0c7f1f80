"""Whether a bundle is, byte for byte, what its manifest lists, and, with a trusted key, what its maker signed."""

from collections.abc import Sequence
from pathlib import Path

from quintet.errors import BundleError


def check(folder: Path, trusted: Sequence[Path] = (), *, required: bool = True) -> None:
    """Hold `folder` to its manifest.

    Args:
        trusted: public keys; with one the signature is checked as well.
        required: a bundle without a manifest is refused also where no key is given.

    Raises:
        BundleError: what is wrong, by name.
    """
    if trusted:
        from quintet.bundle import read_public_key, verify

        verify(folder, [read_public_key(path) for path in trusted])
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
