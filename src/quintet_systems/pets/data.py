"""The pets system's photos: the Kaggle cats and dogs with the originals held out, or anybody's own labelled photos."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from quintet.datasets.album import PARTS, Album, OnPhoto, read_album
from quintet.errors import DataError
from quintet.system import Prepared

SHAPE = (50, 50, 3)
NAME = "dogs-vs-cats"
PICTURES, ORIGINALS, HELD_OUT = (
    "dogs-vs-cats-train-64x64-q88.zip",
    "dogs-vs-cats-originals-300.zip",
    "originals-300.txt",
)
LICENCE = "Kaggle competition rules, research use; the photos are not openly licensed"
CITATION = (
    "J. Elson, J. R. Douceur, J. Howell, J. Saul: Asirra: a CAPTCHA that exploits interest-aligned manual image"
    " categorization. CCS 2007"
)


def find(data: str | None) -> Path:
    """Return the folder, zip or CSV that `data` names; None: the cats and dogs, from a folder of QUINTET_DATA.

    Raises:
        DataError: there is none; the message says what to type.
    """
    from quintet.datasets.locate import data_folders

    if data and (place := Path(data)).exists():
        return place
    for folder in data_folders():
        if data in (None, "", NAME) and (folder / NAME / PICTURES).is_file():
            return folder / NAME
    received = f"{data!r}, which is no folder, zip or CSV here" if data else "no data"
    raise DataError(
        f"received {received}, expected labelled photos (of those that a bundle learnt from, it keeps only the name); name a"
        " folder, a zip or a CSV, after --data where the command has it, or set QUINTET_DATA to a folder that has"
        f" {NAME}/{PICTURES}"
    )


def read(data: str | None, on_photo: OnPhoto | None = None) -> Album:
    """Return the photos, decoded and split; see quintet.datasets.album."""
    place = find(data)
    if not is_known(place):
        return read_album(place, SHAPE, on_photo=on_photo)
    return read_album(place / PICTURES, SHAPE, held_out=held_out(place / HELD_OUT), on_photo=on_photo)


def is_known(place: Path) -> bool:
    """Tell the folder of the cats and dogs from anybody's own."""
    return place.is_dir() and (place / PICTURES).is_file()


def prepare(data: str | None, on_photo: OnPhoto | None = None) -> Prepared:
    """Return the photos as arrays in three splits."""
    place, album = find(data), read(data, on_photo)
    known = is_known(place)
    return Prepared(
        name=NAME if known else f"{place.stem}-{album.digest[:8]}",
        arrays=album.arrays(),
        labels=album.labels,
        provenance=provenance(album, known),
    )


def prepare_test(data: str | None, trained_on: str | None) -> Prepared:
    """Return the test split of the photos that a model was trained on (their Prepared.sha256 is `trained_on`); of others, all."""
    prepared = prepare(data)
    if prepared.sha256() == trained_on or is_known(find(data)):
        return prepared
    everything = {k: np.concatenate([prepared.arrays[f"{part}_{k}"] for part in PARTS]) for k in ("x", "y")}
    arrays = {
        f"{part}_{k}": everything[k][len(everything[k]) * (part != "test") :] for part in PARTS for k in ("x", "y")
    }
    return replace(prepared, arrays=arrays)


def held_out(names: Path) -> set[str]:
    """Return the names, in the large zip, of the photos whose originals are kept apart for testing."""
    return {f"train/{line.split()[0]}" for line in names.read_text().splitlines() if line.strip()}


def provenance(album: Album, known: bool) -> dict[str, Any]:
    """Return what a report and a model card say of the data."""
    sizes = {part: int((album.part == i).sum()) for i, part in enumerate(PARTS)}
    return {
        "source": "https://www.kaggle.com/c/dogs-vs-cats" if known else "the user's own photos",
        "licence": LICENCE if known else "unknown to Quintet",
        **({"citation": CITATION} if known else {}),
        "sha256": album.digest,
        "split": f"by content: {', '.join(f'{n} {part}' for part, n in sizes.items())}",
        "set aside as broken": len(album.broken),
        "groups of near-duplicates, kept on one side": len(album.alike()),
        "of these with different labels, kept out of the test set": len(album.conflicts()),
    }
