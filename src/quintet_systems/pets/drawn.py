"""Drawn photos: discs and squares on blurred grounds, for trying the whole way without a photo at hand. Not for any figure."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

LABELS = ("disc", "square")


def draw(label: str, seed: int) -> "Image":
    """Return a picture of 96x72 pixels that a small net learns in seconds: a light disc or a dark square, somewhere."""
    from PIL import Image, ImageDraw

    rng = np.random.default_rng(seed)
    ground = rng.integers(60, 180, (9, 12, 3)).astype(np.uint8)
    picture = Image.fromarray(ground).resize((96, 72), Image.Resampling.BICUBIC)
    left, top = (int(v) for v in rng.integers(5, 30, 2))
    pen, box = ImageDraw.Draw(picture), (left, top, left + 36, top + 36)
    if label == LABELS[0]:
        pen.ellipse(box, fill=(240, 240, 235))
    else:
        pen.rectangle(box, fill=(12, 10, 15))
    return picture


def draw_folder(place: Path, each: int, first_seed: int = 0) -> Path:
    """Write `each` pictures of both labels into folders named after them below `place`; return `place`."""
    for number, label in enumerate(LABELS):
        (place / label).mkdir(parents=True, exist_ok=True)
        for i in range(each):
            draw(label, first_seed + 2 * i + number).save(place / label / f"{i}.jpg", quality=90)
    return place
