"""The records: what a data set is, where it comes from, and the state of each of its files.

Images are uint8 `(n, height, width, channels)`, labels int64 `(n,)`. A `Dataset` whose arrays do not fit together
cannot be made. Not for reading files: see `locate.py` and the file of each data set.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from quintet.errors import DataError


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceFile:
    """One file of a data set: its name, SHA-256 as published bytes, and size in bytes."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """Where a data set comes from, and how its files become a `Dataset`.

    `folders` are the places, relative to a data folder or a mirror, where its files may lie; the first one is the
    layout of the cache. `urls` are the official addresses of the folder that holds the files. A set carried by an
    installed package has no files, and `embedded` says where it lies (None: that package is missing).
    """

    name: str
    title: str
    home: str
    licence: str
    citation: str
    files: tuple[SourceFile, ...] = ()
    folders: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    embedded: Callable[[], Path | None] | None = None
    read: Callable[[Mapping[str, Path]], "Dataset"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FileStatus:
    """What `check` found out about one file; `path` is None where it is missing."""

    name: str
    state: Literal["ok", "missing", "corrupt"]
    path: Path | None
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Where the arrays come from: the home page, licence and citation, and each file's SHA-256 and place."""

    source: str
    licence: str
    citation: str
    sha256: Mapping[str, str]
    found: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Dataset:
    """Images and labels, in the official split.

    `train_x`, `test_x`: uint8 `(n, height, width, channels)`; `train_y`, `test_y`: int64 `(n,)`, an index into
    `labels`. Raises DataError where they do not fit together.
    """

    name: str
    train_x: np.ndarray
    train_y: np.ndarray
    test_x: np.ndarray
    test_y: np.ndarray
    labels: tuple[str, ...]
    provenance: Provenance

    def __post_init__(self) -> None:
        for part, images, labels in (("train", self.train_x, self.train_y), ("test", self.test_x, self.test_y)):
            if images.dtype != np.uint8 or images.ndim != 4:
                raise DataError(
                    f"{self.name}: {part} images are {images.dtype} {images.shape}, "
                    "expected uint8 (n, height, width, channels); fix the data set's reader"
                )
            if labels.dtype != np.int64 or labels.shape != images.shape[:1]:
                raise DataError(
                    f"{self.name}: {part} labels are {labels.dtype} {labels.shape}, "
                    f"expected int64 ({len(images)},); the image and label files do not belong together"
                )
            if len(labels) and not (labels.min() >= 0 and labels.max() < len(self.labels)):
                raise DataError(
                    f"{self.name}: {part} labels reach from {labels.min()} to {labels.max()}, "
                    f"expected 0 to {len(self.labels) - 1}; the label file is damaged, delete it and fetch it again"
                )
        if self.train_x.shape[1:] != self.test_x.shape[1:]:
            raise DataError(
                f"{self.name}: train images are {self.train_x.shape[1:]}, test images {self.test_x.shape[1:]}, "
                "expected the same shape; the files do not belong together"
            )
