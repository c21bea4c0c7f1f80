"""A small JPEG of a picture, for the status page."""

import io
from pathlib import Path

import numpy as np

from quintet.errors import DataError
from quintet.images import read_image

SIDE = 320


def thumbnail(picture: Path | bytes | np.ndarray) -> bytes | None:
    """Return a JPEG of at most SIDE pixels a side, or None where the picture is gone."""
    from PIL import Image

    try:
        pixels = picture if isinstance(picture, np.ndarray) else read_image(picture)
    except DataError:
        return None
    image = Image.fromarray(pixels)
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
