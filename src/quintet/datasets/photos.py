"""Labelled photos as their owner keeps them: a folder, a zip or a CSV; each is a name, a label and where its bytes are.

Labels
* CSV: a column of paths (relative to the CSV) and one of labels, by the names in its first line.
* Photos in two or more folders: the name of the folder that holds the photo.
* All in one folder: the name up to its first dot, space, dash, underscore or digit: cat.17.jpg is a cat.
Nothing is decoded here, and nothing of a zip is unpacked to the disk.
"""

import csv
import hashlib
import re
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from quintet.errors import DataError, nearest
from quintet.images import MAX_BYTES, SUFFIXES

MAX_PHOTOS = 1_000_000
PATH_COLUMNS = ("path", "file", "filename", "file_name", "image", "name")
LABEL_COLUMNS = ("label", "class", "category", "target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """One photo: its name within the collection, its label, and the file or the zip that holds it.

    `stamp` changes when the file does: size and time, or the zip's own checksum.
    """

    name: str
    label: str
    place: Path
    member: str | None
    stamp: str


class PhotoReader:
    """Reads photos' bytes, from many threads too; a zip is opened once. A context manager."""

    def __init__(self) -> None:
        self._archives: dict[Path, zipfile.ZipFile] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> "PhotoReader":
        return self

    def __exit__(self, *_: object) -> None:
        for archive in self._archives.values():
            archive.close()

    def read(self, photo: Photo) -> bytes:
        """Return the file's bytes, one more than MAX_BYTES of a file that is larger than any picture may be.

        Raises:
            DataError: it cannot be read.
        """
        try:
            if photo.member is None:
                with photo.place.open("rb") as file:
                    return file.read(MAX_BYTES + 1)
            with self._archive(photo.place).open(photo.member) as file:
                return file.read(MAX_BYTES + 1)
        except (OSError, zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, NotImplementedError) as error:
            raise DataError(f"{photo.name}: cannot be read ({error}); replace it") from None

    def _archive(self, place: Path) -> zipfile.ZipFile:
        with self._lock:
            if place not in self._archives:
                self._archives[place] = zipfile.ZipFile(place)
            return self._archives[place]


def find_photos(place: Path) -> tuple[Photo, ...]:
    """Return the photos of a folder, a zip or a CSV, in the order of their names.

    Raises:
        DataError: there is no such place, or its photos have fewer than two labels.
    """
    if not place.exists():
        raise DataError(
            f"received {place}, expected a folder, a zip or a CSV of labelled photos; there is none: mend the path"
        )
    if place.is_dir():
        found = _labelled(list(_in_folder(place)))
    elif place.suffix.lower() == ".csv":
        found = list(_in_csv(place))
    elif zipfile.is_zipfile(place):
        found = _labelled(list(_in_zip(place)))
    else:
        raise DataError(f"received {place}, expected a folder, a zip or a CSV of labelled photos; name one")
    if len(found) > MAX_PHOTOS:
        raise DataError(
            f"received {len(found):,} photos in {place}, expected at most {MAX_PHOTOS:,}; take a part of them"
        )
    counts = Counter(photo.label for photo in found)
    if len(counts) < 2 or min(counts.values()) < 3:
        shown = (
            ", ".join(f"{n} of {label or 'no label, all in one folder'}" for label, n in sorted(counts.items())[:8])
            or "none"
        )
        raise DataError(
            f"received {place} with {shown}, expected at least two labels with three photos each;"
            " put each label's photos into a folder named after it"
        )
    return tuple(sorted(found, key=lambda photo: photo.name))


def digest(photos: tuple[Photo, ...]) -> str:
    """Return what changes when a photo is added, removed, renamed, relabelled or replaced."""
    lines = (f"{photo.name}\t{photo.label}\t{photo.stamp}" for photo in photos)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _in_folder(place: Path) -> Iterator[Photo]:
    for path in place.rglob("*"):
        if path.suffix.lower() in SUFFIXES and path.is_file():
            name = path.relative_to(place).as_posix()
            if not _hidden(name):
                yield Photo(name=name, label="", place=path, member=None, stamp=_stamp(path))


def _in_zip(place: Path) -> Iterator[Photo]:
    with zipfile.ZipFile(place) as archive:
        for info in archive.infolist():
            if PurePosixPath(info.filename).suffix.lower() in SUFFIXES and not _hidden(info.filename):
                stamp = f"{info.file_size} {info.CRC:08x}"
                yield Photo(name=info.filename, label="", place=place, member=info.filename, stamp=stamp)


def _in_csv(place: Path) -> Iterator[Photo]:
    try:
        with place.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            columns = [name.strip().lower() for name in rows.fieldnames or ()]
            rows.fieldnames = columns
            path_column, label_column = _column(place, columns, PATH_COLUMNS), _column(place, columns, LABEL_COLUMNS)
            for row in rows:
                name, label = (row[path_column] or "").strip(), (row[label_column] or "").strip()
                if not name or not label:
                    raise DataError(
                        f"{place}, line {rows.line_num}: received no path or no label, expected both; mend it"
                    )
                path = place.parent / name
                yield Photo(name=name, label=label, place=path, member=None, stamp=_stamp(path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"received {place}, expected a CSV in UTF-8 ({error}); mend or convert it") from None


def _column(place: Path, columns: list[str], wanted: tuple[str, ...]) -> str:
    found = next((name for name in wanted if name in columns), None)
    if found is None:
        raise DataError(
            f"{place}: received the columns {', '.join(columns) or 'none'}, expected one called {wanted[0]};"
            f" {nearest(wanted[0], columns or wanted)}"
        )
    return found


def _stamp(path: Path) -> str:
    try:
        state = path.stat()
    except OSError:
        return "missing"
    return f"{state.st_size} {state.st_mtime_ns}"


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)


def _labelled(photos: list[Photo]) -> list[Photo]:
    folders = {PurePosixPath(photo.name).parent.name for photo in photos}
    by_folder = len(folders) > 1
    return [
        Photo(
            name=photo.name,
            label=path.parent.name if by_folder else re.split(r"[.\s\-_\d]", path.name)[0],
            place=photo.place,
            member=photo.member,
            stamp=photo.stamp,
        )
        for photo, path in ((photo, PurePosixPath(photo.name)) for photo in photos)
    ]
