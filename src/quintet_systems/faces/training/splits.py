"""Which pictures a detector learns from and which it is judged on: fixed by names and content, for whoever trains."""

import hashlib
from collections.abc import Sequence

import numpy as np

from quintet_systems.faces.data.lfw import person


def share(text: str | bytes) -> float:
    """Return a number from 0 to 1 that follows from `text` alone."""
    content = text.encode() if isinstance(text, str) else text
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") / 2**64


def people_for(part: str, names: Sequence[str]) -> list[str]:
    """Return those of LFW's pictures whose person is of the part: "train" (60 %), "validation" (10 %), "test" (30 %)."""
    return [name for name in names if part_of(person(name)) == part]


def scenes_for(part: str, scenes: Sequence[tuple[str, np.ndarray]]) -> list[np.ndarray]:
    """Return those scenes that are of the part, by content."""
    return [picture for _, picture in scenes if part_of(picture.tobytes()) == part]


def part_of(text: str | bytes) -> str:
    """Return the part that `text` falls in."""
    at = share(text)
    return "train" if at < 0.6 else "validation" if at < 0.7 else "test"
