"""Pictures of a data set that lie in one zip, read by name without unpacking it."""

import zipfile
from pathlib import Path

import numpy as np

from quintet.datasets.locate import data_folders, sha256
from quintet.errors import DataError
from quintet.images import read_image
from quintet.machine import cache_folder


class Archive:
    """One zip whose members' names the caller knows."""

    def __init__(self, file: Path) -> None:
        try:
            self._zip = zipfile.ZipFile(file)
        except (OSError, zipfile.BadZipFile) as error:
            raise DataError(f"{file}: received a damaged zip ({error}), expected a whole one; get it again") from None
        self.names = tuple(name for name in self._zip.namelist() if not name.endswith("/"))

    def read(self, name: str) -> np.ndarray:
        """Return a picture, `uint8` `(height, width, 3)`."""
        return read_image(self.raw(name))

    def raw(self, name: str) -> bytes:
        """Return a member's bytes."""
        try:
            return self._zip.read(name)
        except (KeyError, zipfile.BadZipFile, NotImplementedError, OSError) as error:
            raise DataError(f"{self._zip.filename}: {name} cannot be read ({error}); get the zip again") from None


def find(folder: str, name: str, checksum: str, data: Path | None = None, source: str = "") -> Path:
    """Return where a data set's file lies: in `data` or QUINTET_DATA, or in the cache; its SHA-256 is checked.

    Raises:
        DataError: it is nowhere, or damaged.
    """
    bases = [data] if data else [*data_folders(), cache_folder()]
    place = next((p for base in bases for p in (base / folder / name, base / name) if p.is_file()), None)
    if place is None:
        raise DataError(
            f"received no {folder}/{name}, expected it in {' or '.join(map(str, bases))}; name the folder that has it with"
            f" --data, or set QUINTET_DATA{f' (it comes from {source})' if source else ''}"
        )
    received = sha256(place)
    if received != checksum:
        raise DataError(f"{place}: received SHA-256 {received}, expected {checksum}; get the file again")
    return place
