"""Somebody's labelled photos as arrays in three splits: decoded, the broken set aside, near-duplicates kept together.

The split follows from the photos' content alone: within each label the groups of near-duplicates are taken in the order of
their smallest SHA-256, first for the test set, then for validation; the rest is for training. So it is the same on
every machine, whatever the files are called, and no picture has its like on the other side. A group with two labels
is told and trained on, never tested on.
"""

import contextlib
import hashlib
import io
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quintet.datasets import likeness
from quintet.datasets.photos import Photo, PhotoReader, digest, find_photos
from quintet.errors import DataError, StoreError
from quintet.images import read_image
from quintet.job import write_whole
from quintet.machine import cache_folder

VERSION = 2  # of what is kept in the cache
PARTS = ("train", "validation", "test")
OnPhoto = Callable[[int, int], None]
Decoded = tuple[np.ndarray, list[str], np.ndarray, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Album:
    """Decoded photos and what there is to say of them.

    Args:
        x: `uint8` `(n, height, width, channels)`; y: `int64` `(n,)`, an index into `labels`.
        names, sha256: of the n photos' files.
        group: `int64` `(n,)`, see likeness.groups.
        part: `int64` `(n,)`, an index into PARTS.
        broken: name and reason of each photo that was set aside.
    """

    x: np.ndarray
    y: np.ndarray
    labels: tuple[str, ...]
    names: tuple[str, ...]
    sha256: tuple[str, ...]
    group: np.ndarray
    part: np.ndarray
    broken: tuple[tuple[str, str], ...]

    def arrays(self) -> dict[str, np.ndarray]:
        """Return "train_x", "train_y", "validation_x" and so on."""
        chosen = {part: self.part == i for i, part in enumerate(PARTS)}
        return {f"{part}_{k}": v[chosen[part]] for part in PARTS for k, v in (("x", self.x), ("y", self.y))}

    def alike(self) -> tuple[tuple[str, ...], ...]:
        """Return the names of each group of near-duplicates."""
        return tuple(tuple(self.names[i] for i in members) for members in _members(self.group) if len(members) > 1)

    def conflicts(self) -> tuple[tuple[str, ...], ...]:
        """Return the names of each group of near-duplicates whose labels differ."""
        found = (members for members in _members(self.group) if len(set(self.y[members].tolist())) > 1)
        return tuple(tuple(self.names[i] for i in members) for members in found)

    @property
    def digest(self) -> str:
        """SHA-256 of the photos, their labels and the split: what a figure on this album stands on."""
        lines = sorted(
            f"{s} {self.labels[y]} {PARTS[p]}" for s, y, p in zip(self.sha256, self.y, self.part, strict=True)
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read_album(
    place: Path,
    shape: tuple[int, int, int],
    *,
    test: float = 0.1,
    validation: float = 0.1,
    held_out: Collection[str] = (),
    on_photo: OnPhoto | None = None,
) -> Album:
    """Return the photos of a folder, a zip or a CSV, squashed to `shape` and split.

    Args:
        test, validation: shares of each label's photos.
        held_out: names of photos that belong to the test set, and their near-duplicates with them.
        on_photo: told how many photos of how many are decoded.

    Raises:
        DataError: see find_photos; or too few of the photos can be decoded.
    """
    photos = find_photos(place)
    pixels, hashes, group, broken = _decoded(photos, shape, on_photo)
    kept = [photo for photo, sha in zip(photos, hashes, strict=True) if sha]
    labels = tuple(sorted({photo.label for photo in photos}))
    y = np.array([labels.index(photo.label) for photo in kept], np.int64)
    counts = np.bincount(y, minlength=len(labels))
    if counts.min() < 3:
        least = labels[int(counts.argmin())]
        raise DataError(
            f"received {place}, where {counts.min()} photos of {least} can be decoded, expected at least 3; the first that"
            f" cannot: {broken[0][0]}: {broken[0][1]}"
        )
    names, sha256 = tuple(photo.name for photo in kept), tuple(sha for sha in hashes if sha)
    part = split_by_content(y, sha256, group, test, validation, [name in held_out for name in names])
    return Album(x=pixels, y=y, labels=labels, names=names, sha256=sha256, group=group, part=part, broken=broken)


def split_by_content(
    y: np.ndarray,
    sha256: Sequence[str],
    group: np.ndarray,
    test: float,
    validation: float,
    held_out: Sequence[bool],
) -> np.ndarray:
    """Return each photo's part `int64` `(n,)`, an index into PARTS; each label keeps its share to one photo, if groups allow."""
    part = np.full(len(y), PARTS.index("train"), np.int64)
    by_label: dict[int, list[tuple[bool, str, list[int]]]] = {}
    for members in _members(group):
        if len(set(y[members].tolist())) == 1:
            first = not any(held_out[i] for i in members)
            by_label.setdefault(int(y[members[0]]), []).append((first, min(sha256[i] for i in members), members))
    for label, ordered in by_label.items():
        count = int((y == label).sum())
        for name, share in (("test", test), ("validation", validation)):
            room = max(1, round(share * count))
            for entry in sorted(ordered):
                if len(entry[2]) <= room:
                    part[entry[2]] = PARTS.index(name)
                    room -= len(entry[2])
                    ordered.remove(entry)
                if not room:
                    break
    return part


def _members(group: np.ndarray) -> Iterator[list[int]]:
    order = np.argsort(group, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(group[order])) + 1):
        yield members.tolist()


def _decoded(photos: Sequence[Photo], shape: tuple[int, int, int], on_photo: OnPhoto | None) -> Decoded:
    """Return the whole photos' pixels, every photo's SHA-256 ("" where broken), the whole ones' groups, and the broken."""
    key = hashlib.sha256(f"{VERSION} {shape} {digest(tuple(photos))}".encode()).hexdigest()[:24]
    kept = cache_folder() / "albums" / f"{key}.npz"
    if (found := _from_cache(kept)) is not None:
        return found
    pixels = np.empty((len(photos), *shape), np.uint8)
    hashes, broken = [""] * len(photos), []

    def decode(i: int) -> str | None:
        try:
            content = reader.read(photos[i])
            pixels[i] = read_image(content, shape)
        except DataError as error:
            return str(error).removeprefix("picture: ")
        hashes[i] = hashlib.sha256(content).hexdigest()
        return None

    with PhotoReader() as reader, ThreadPoolExecutor(os.cpu_count()) as pool:
        for i, why in enumerate(pool.map(decode, range(len(photos)))):
            if why is not None:
                broken.append((photos[i].name, why))
            if on_photo:
                on_photo(i + 1, len(photos))
    pixels = pixels[[bool(sha) for sha in hashes]]
    decoded = pixels, hashes, likeness.groups(pixels), tuple(broken)
    _to_cache(kept, decoded)
    return decoded


def _from_cache(path: Path) -> Decoded | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            notes = json.loads(bytes(kept["notes"]))
            broken = tuple((name, why) for name, why in notes["broken"])
            return kept["pixels"], notes["sha256"], kept["group"], broken
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        return None


def _to_cache(path: Path, decoded: Decoded) -> None:
    """Keep what was decoded; a full or read-only cache only means that the next time decodes again."""
    pixels, hashes, group, broken = decoded
    notes = np.frombuffer(json.dumps({"sha256": hashes, "broken": broken}).encode(), np.uint8)
    content = io.BytesIO()
    np.savez(content, pixels=pixels, group=group, notes=notes)
    with contextlib.suppress(StoreError):
        write_whole(path, content.getvalue())
