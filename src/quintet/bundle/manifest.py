"""The list of a bundle's files with their sizes and hashes, and the check that a folder holds these and nothing else.

Rules
* Paths are relative, with "/", of letters, digits, ".", "_" and "-"; no "..", no link, nothing but files and folders.
* A size is compared before a byte is read, and no more than that many bytes are read, so a huge file costs nothing.
* No link is followed below the folder, not even one that is put there while it is being read.
Not for whom to believe: see signing.py.
"""

import contextlib
import errno
import hashlib
import hmac
import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from quintet.errors import BundleError, NotVerified

VERSION = 1
MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MAX_MANIFEST_BYTES = 1 << 20
MAX_FILES = 1000
SUFFIXES = (".json", ".safetensors", ".npz", ".md", ".onnx", ".tflite", ".xml", ".bin")  # data only, nothing that runs
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MOST_PARTS = 4
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestEntry:
    """One file: its path in the bundle, its size in bytes and its SHA-256 in hexadecimal."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What was signed: the model's name and version, and every file but the manifest and its signature."""

    name: str
    model_version: int
    files: tuple[ManifestEntry, ...]

    @property
    def size_bytes(self) -> int:
        """The files' bytes together."""
        return sum(entry.size for entry in self.files)

    def to_bytes(self) -> bytes:
        """Return manifest.json's content; equal manifests give equal bytes."""
        record = {"format": "quintet-manifest", "version": VERSION, **asdict(self)}
        return json.dumps(record, indent=1, sort_keys=True).encode()


def parse(content: bytes) -> Manifest:
    """Return the manifest that `content` is.

    Raises:
        BundleError: it is none, of another version, or names a file that no bundle may have.
    """
    try:
        record = json.loads(content)
        form = (record["format"], record["version"])
        if form != ("quintet-manifest", VERSION):
            raise BundleError(
                f"received a manifest of format {form[0]!r}, version {form[1]!r}, expected quintet-manifest, version"
                f" {VERSION}; update Quintet here, or sign the bundle with this version"
            )
        entries = tuple(_entry(**item) for item in record["files"])
        manifest = Manifest(name=str(record["name"]), model_version=_count(record["model_version"]), files=entries)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BundleError(
            f"received a manifest that cannot be read ({shown(str(error))}), expected one of Quintet's; sign the bundle again"
        ) from None
    _check_paths([entry.path for entry in entries])
    return manifest


def make_manifest(folder: Path, name: str, model_version: int) -> Manifest:
    """Return the manifest of what is in `folder` now.

    Raises:
        BundleError: a file is a link, of a kind that no bundle holds, oddly named, or a private key.
    """
    sizes = files_in(folder)
    paths = sorted(path for path in sizes if path not in (MANIFEST, SIGNATURE))
    _check_paths(paths)
    entries = []
    for path in paths:
        if not path.endswith(SUFFIXES):
            raise BundleError(
                f"received {folder} with {path}, expected only {', '.join(SUFFIXES)}: nothing that runs, is pickled or is"
                " half-written; move it out of the bundle"
            )
        sha, size = hashlib.sha256(), 0
        with opened(folder, path) as file:
            while piece := read_piece(folder, path, file, _CHUNK):
                if b"PRIVATE KEY-----" in piece:
                    raise BundleError(
                        f"received {folder} with a private key in {path}, expected none in a bundle; move it out"
                    )
                sha.update(piece)
                size += len(piece)
        entries.append(ManifestEntry(path=path, size=size, sha256=sha.hexdigest()))
    return Manifest(name=name, model_version=model_version, files=tuple(entries))


def check_listing(folder: Path, manifest: Manifest) -> None:
    """Hold the names and sizes in `folder` to the manifest, without reading a file.

    Raises:
        NotVerified: a file is missing, not listed, truncated, too long, or a link.
    """
    sizes = files_in(folder)
    listed = {entry.path for entry in manifest.files}
    for path in sorted(sizes.keys() - listed - {MANIFEST, SIGNATURE}):
        raise refusal(
            folder,
            "unlisted",
            path,
            "not listed {file}",
            "only the files that were signed; remove it, or sign the bundle anew if it is yours",
        )
    for entry in manifest.files:
        if entry.path not in sizes:
            raise _missing(folder, entry.path)
        _check_size(folder, entry, sizes[entry.path])


def read_checked(folder: Path, entry: ManifestEntry, sink: Callable[[bytes], Any] | None = None) -> None:
    """Hold one file's bytes to the manifest; hand the very bytes that are hashed to `sink`.

    Raises:
        NotVerified: the file is missing, a link, of another size, or of another hash. `sink` may have had bytes by then.
    """
    sha, left = hashlib.sha256(), entry.size
    with opened(folder, entry.path) as file:
        _check_size(folder, entry, os.fstat(file.fileno()).st_size)
        while left and (piece := read_piece(folder, entry.path, file, min(_CHUNK, left))):
            sha.update(piece)
            left -= len(piece)
            if sink:
                sink(piece)
    if left:
        _check_size(folder, entry, entry.size - left)
    if not hmac.compare_digest(sha.hexdigest(), entry.sha256):
        what = "its SHA-256 is not the signed one, expected the file as it was signed; copy the bundle again"
        raise refusal(folder, "tampered", entry.path, "tampered file {file}", what, joint=": ")


def files_in(folder: Path) -> dict[str, int]:
    """Return each file below `folder`, by its path with "/", with its size.

    Raises:
        NotVerified: something is neither a file nor a folder with files, or there are more than MAX_FILES.
        BundleError: the folder cannot be read.
    """
    sizes: dict[str, int] = {}
    try:
        _walk(folder, folder, "", sizes)
    except OSError as error:
        raise BundleError(
            f"received {folder} ({error.strerror}), expected a bundle's folder that this user may read; check the path"
        ) from None
    return sizes


@contextlib.contextmanager
def opened(folder: Path, path: str) -> Iterator[BinaryIO]:
    """Open the file `path` in `folder`, to read its bytes, without following a link below the folder.

    Raises:
        NotVerified: it is missing, or something else than a file.
        BundleError: it cannot be read.
    """
    try:
        descriptor = _open(folder, path.split("/"))
    except FileNotFoundError:
        raise _missing(folder, path) from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EMLINK, errno.ENOTDIR, errno.ENXIO):
            raise _unsafe(folder, path) from None
        raise _unreadable(folder, path, error) from None
    file: BinaryIO
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _unsafe(folder, path)
        yield file


def read_piece(folder: Path, path: str, file: BinaryIO, most: int) -> bytes:
    """Return up to `most` bytes of an `opened` file. Raises BundleError where the disk does not give them."""
    try:
        return file.read(most)
    except OSError as error:
        raise _unreadable(folder, path, error) from None


def refusal(folder: Path, reason: str, file: str, what: str, wanted: str, joint: str = ", expected ") -> NotVerified:
    """Return the error for a bundle that fails verification, in one line."""
    clause = what.replace("{file}", shown(file))
    return NotVerified(f"received {folder} with {clause}{joint}{wanted}", reason=reason, file=file)


def shown(text: str) -> str:
    """Return a stranger's text fit for one line."""
    return text[:200] if text.isprintable() else ascii(text[:200])


def _walk(folder: Path, place: Path, prefix: str, sizes: dict[str, int]) -> None:
    with os.scandir(place) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    if prefix and not entries:
        raise refusal(folder, "unlisted", prefix, "not listed {file}", "no empty folder; remove it")
    for entry in entries:
        path = prefix + entry.name
        status = entry.stat(follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode) and path.count("/") < _MOST_PARTS - 1:
            _walk(folder, place / entry.name, f"{path}/", sizes)
        elif stat.S_ISREG(status.st_mode):
            # Windows tells a file's size in a listing only as of its last closing.
            sizes[path] = status.st_size if os.name == "posix" else os.lstat(entry.path).st_size
        else:
            raise _unsafe(folder, path)
        if len(sizes) > MAX_FILES:
            raise refusal(
                folder, "unlisted", path, "too many files", f"at most {MAX_FILES}; remove what is no part of it"
            )


def _open(folder: Path, parts: list[str]) -> int:
    flags = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    no_link = getattr(os, "O_NOFOLLOW", 0)
    if os.open not in os.supports_dir_fd:  # Windows
        place = folder
        for part in parts:
            place /= part
            if place.is_symlink():
                raise OSError(errno.ELOOP, "a link")
        return os.open(place, flags)
    here = os.open(folder, flags | os.O_DIRECTORY)
    try:
        for part in parts[:-1]:
            inner = os.open(part, flags | os.O_DIRECTORY | no_link, dir_fd=here)
            os.close(here)
            here = inner
        return os.open(parts[-1], flags | no_link | os.O_NONBLOCK, dir_fd=here)  # a pipe must not make us wait
    finally:
        os.close(here)


def _check_paths(paths: list[str]) -> None:
    seen: set[str] = set()
    for path in paths:
        parts = path.split("/")
        if len(parts) > _MOST_PARTS or not all(_PART.fullmatch(part) for part in parts):
            raise BundleError(
                f'received a bundle with {shown(path)}, expected names of letters, digits, ".", "_" and "-", at most'
                f" {_MOST_PARTS} deep; rename it"
            )
        if path.casefold() in seen or path in (MANIFEST, SIGNATURE):
            raise BundleError(
                f"received a bundle with {path} twice, expected names that differ on every system; rename it"
            )
        seen.add(path.casefold())
    if len(paths) > MAX_FILES:
        raise BundleError(f"received a bundle of {len(paths)} files, expected at most {MAX_FILES}; take some out")


def _check_size(folder: Path, entry: ManifestEntry, size: int) -> None:
    if size < entry.size:
        what = f"truncated {{file}} ({size} of {entry.size} bytes)"
        raise refusal(folder, "truncated", entry.path, what, "the whole file; copy the bundle again")
    if size > entry.size:
        what = f"tampered file {{file}} ({size} bytes)"
        raise refusal(folder, "tampered", entry.path, what, f"the {entry.size} that were signed; copy the bundle again")


def _entry(path: Any, size: Any, sha256: Any) -> ManifestEntry:
    if not isinstance(path, str) or not isinstance(sha256, str) or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError(f"entry {path!r}")
    return ManifestEntry(path=path, size=_count(size), sha256=sha256)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no count")
    return value


def _missing(folder: Path, path: str) -> NotVerified:
    return refusal(folder, "missing", path, "missing {file}", "every file that was signed; copy the bundle again")


def _unsafe(folder: Path, path: str) -> NotVerified:
    return refusal(
        folder, "unsafe", path, "{file}, which is a link or no file", "files and folders only; copy it as files"
    )


def _unreadable(folder: Path, path: str, error: OSError) -> BundleError:
    return BundleError(
        f"received {folder} with {shown(path)}, which cannot be read ({error.strerror}), expected a readable file;"
        " copy the bundle again"
    )
