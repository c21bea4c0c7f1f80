"""Finding files: the folders in QUINTET_DATA, the user's cache, then a download (QUINTET_DATA's URLs, official source).

A URL in QUINTET_DATA is a mirror with the layout of a data folder. What was downloaded once is taken from the cache,
whatever mirror it came from: the checksum is the same. A download is checked and then renamed into place, so the cache
never holds half a file. Not for parsing, nor for judging a file that was found: its reader checks it.
"""

import hashlib
import os
import re
from pathlib import Path

from quintet.datasets.record import Source, SourceFile
from quintet.errors import DataError
from quintet.machine import cache_folder

_TIMEOUT_S = 30


def data_folders() -> tuple[Path, ...]:
    """Return the folders named in QUINTET_DATA. Raises DataError where one is not there."""
    folders = tuple(Path(entry).expanduser() for entry in _entries() if not _is_url(entry))
    for folder in folders:
        if not folder.is_dir():
            raise DataError(
                f"QUINTET_DATA names {folder}, expected a folder that exists; correct it, or unset QUINTET_DATA"
            )
    return folders


def mirrors() -> tuple[str, ...]:
    """Return the URLs named in QUINTET_DATA, each ending in a slash."""
    return tuple(entry.rstrip("/") + "/" for entry in _entries() if _is_url(entry))


def find(source: Source, file: SourceFile) -> Path | None:
    """Return where the file lies, unchecked, or None. Never downloads."""
    places = [folder / sub / file.name for folder in data_folders() for sub in source.folders]
    places.append(cache_folder() / source.folders[0] / file.name)
    return next((place for place in places if place.is_file()), None)


def fetch(source: Source, file: SourceFile) -> Path:
    """Download the file into the cache, from the first address that gives it whole, and return where it lies.

    Raises DataError, in one line, where no address does, or the cache cannot be written.
    """
    import pooch

    folder = cache_folder() / source.folders[0]
    urls = [f"{mirror}{source.folders[0]}/{file.name}" for mirror in mirrors()]
    urls += [f"{url}{file.name}" for url in source.urls]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make the cache folder {folder} ({error.strerror}); set QUINTET_CACHE") from None
    failures = []
    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel("ERROR")
    try:
        for url in urls:
            try:
                pooch.retrieve(
                    url=url,
                    known_hash=f"sha256:{file.sha256}",
                    fname=file.name,
                    path=folder,
                    downloader=pooch.HTTPDownloader(timeout=_TIMEOUT_S),  # type: ignore[arg-type]  # its own protocol
                )
                return folder / file.name
            except (OSError, ValueError) as error:  # requests' errors are OSErrors; a wrong checksum is a ValueError
                failures.append(f"{url} ({_cause(error)})")
    finally:
        logger.setLevel(level)
    raise DataError(
        f"{file.name} was not found here and cannot be downloaded: {'; '.join(failures)}; "
        f"connect to the network, or set QUINTET_DATA to a folder that has {source.folders[0]}/{file.name}"
    )


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _cause(error: Exception) -> str:
    if isinstance(error, ValueError) and "hash" in str(error):
        return "wrong checksum"
    response = getattr(error, "response", None)
    if response is not None:
        return f"HTTP {response.status_code}"
    reason = getattr(error, "strerror", None)
    return f"{type(error).__name__}: {reason}" if reason else type(error).__name__


def _is_url(entry: str) -> bool:
    return entry.startswith(("http://", "https://"))


def _entries() -> list[str]:
    """Split QUINTET_DATA. On POSIX the separator is the colon, which URLs hold too: after the scheme, before a port."""
    value = os.environ.get("QUINTET_DATA", "")
    entry = r"https?://[^/:]*(?::\d+)?(?:/[^:]*)?|[^:]+" if os.pathsep == ":" else r"[^;]+"
    pieces = re.findall(entry, value)
    return [piece.strip() for piece in pieces if piece.strip()]
