"""Who and what a detector or an embedder learns from, and what it is judged on: fixed by names and content."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from quintet_systems.faces.data.lfw import Lfw, Pair, person

PARTS = ("train", "validation", "test")


def share(text: str | bytes) -> float:
    """Return a number from 0 to 1 that follows from `text` alone."""
    content = text.encode() if isinstance(text, str) else text
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") / 2**64


def people_for(part: str, names: Sequence[str]) -> list[str]:
    """Return those of LFW's pictures whose person is of the part: "train" (60 %), "validation" (10 %), "test" (30 %)."""
    return [name for name in names if part_of(person(name)) == part]


def some_for(part: str, names: Sequence[str], count: int, seed: int = 1) -> list[str]:
    """Return at most `count` pictures of people_for, drawn by `seed`, in order."""
    own = people_for(part, names)
    return [own[i] for i in np.sort(np.random.default_rng(seed).permutation(len(own))[:count])]


def scenes_for(part: str, scenes: Sequence[tuple[str, np.ndarray]]) -> list[np.ndarray]:
    """Return those scenes that are of the part, by content."""
    return [picture for _, picture in scenes if part_of(picture.tobytes()) == part]


def part_of(text: str | bytes) -> str:
    """Return the part that `text` falls in."""
    at = share(text)
    return "train" if at < 0.6 else "validation" if at < 0.7 else "test"


def fold_of(name: str) -> int | None:
    """Return the fold that a model trained on the data `name` may be tested on; None: the data are others.

    >>> fold_of("lfw-fold3"), fold_of("mine")
    (3, None)
    """
    found = re.fullmatch(r"lfw-fold(\d)", name)
    return int(found[1]) if found else None


def parts_of(lfw: Lfw, fold: int) -> np.ndarray:
    """Return the part of each of LFW's pictures `(13233,)`: one of PARTS, or "" where its person may not be learnt from."""
    allowed = people_of(lfw.pairs(), without=fold)
    people = [person(name) for name in lfw.names()]
    counts = Counter(people)
    return np.array([_part(one, counts[one]) if one in allowed else "" for one in people])


def people_of(pairs: Sequence[Pair], without: int) -> set[str]:
    """Return the people of all folds but `without`; whoever is in that one too is left out."""
    tested = {one for pair in pairs if pair.fold == without for one in pair.people()}
    return {one for pair in pairs for one in pair.people()} - tested


def _part(one: str, pictures: int) -> str:
    at = share(one)
    if pictures < 2 or at < 0.8:
        return "train"
    return "validation" if at < 0.9 else "test"
