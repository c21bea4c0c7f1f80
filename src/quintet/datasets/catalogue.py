"""The catalogue: every data set by name, and what can be done with one.

`load` finds, fetches where it must, checks and parses; the others look and never download, but for `get`.
"""

from pathlib import Path

from quintet.datasets import digits8x8, locate, mnist
from quintet.datasets.record import Dataset, FileStatus, Source, SourceFile
from quintet.errors import DataError, nearest

_SOURCES: dict[str, Source] = {module.SOURCE.name: module.SOURCE for module in (digits8x8, mnist)}


def names() -> tuple[str, ...]:
    """Return the names of all data sets, in alphabetical order."""
    return tuple(sorted(_SOURCES))


def source(name: str) -> Source:
    """Return where a data set comes from. Raises DataError, with the nearest name, for an unknown one."""
    if name not in _SOURCES:
        raise DataError(f'there is no data set "{name}"; {nearest(name, _SOURCES)}')
    return _SOURCES[name]


def where(name: str) -> Path | None:
    """Return the folder (embedded: the file) where the whole set was found, unchecked, or None. Never downloads."""
    origin = source(name)
    if origin.embedded:
        return origin.embedded()
    paths = [locate.find(origin, file) for file in origin.files]
    return None if None in paths or paths[0] is None else paths[0].parent


def available(name: str) -> bool:
    """Return whether the set can be loaded here without a download."""
    return where(name) is not None


def load(name: str) -> Dataset:
    """Return the data set, found or downloaded, its checksums verified.

    Raises DataError for an unknown name, a file that is missing and cannot be fetched, or one that is damaged.
    """
    origin = source(name)
    return origin.read(_paths(origin))


def get(name: str) -> Path | None:
    """Fetch every file that is not found here yet, check all, and return the folder where they lie."""
    load(name)
    return where(name)


def check(name: str) -> tuple[FileStatus, ...]:
    """Return the state of each file (embedded: of the whole set): ok, missing or corrupt. Never downloads."""
    origin = source(name)
    if origin.embedded:
        return (_embedded_status(origin, origin.embedded()),)
    return tuple(_status(file, locate.find(origin, file)) for file in origin.files)


def _paths(origin: Source) -> dict[str, Path]:
    if origin.embedded:
        place = origin.embedded()
        return {} if place is None else {place.name: place}
    return {file.name: locate.find(origin, file) or locate.fetch(origin, file) for file in origin.files}


def _status(file: SourceFile, path: Path | None) -> FileStatus:
    if path is None:
        return FileStatus(name=file.name, state="missing", path=None, reason="not in QUINTET_DATA or the cache")
    try:
        received = locate.sha256(path)
    except OSError as error:
        return FileStatus(name=file.name, state="corrupt", path=path, reason=f"cannot be read: {error.strerror}")
    if received != file.sha256:
        reason = f"SHA-256 is {received} ({path.stat().st_size} bytes), expected {file.sha256} ({file.size_bytes})"
        return FileStatus(name=file.name, state="corrupt", path=path, reason=reason)
    return FileStatus(name=file.name, state="ok", path=path, reason=None)


def _embedded_status(origin: Source, path: Path | None) -> FileStatus:
    if path is None:
        return FileStatus(name=origin.name, state="missing", path=None, reason="its package is not installed")
    try:
        origin.read({path.name: path})
    except DataError as error:
        return FileStatus(name=origin.name, state="corrupt", path=path, reason=str(error))
    return FileStatus(name=origin.name, state="ok", path=path, reason=None)
