"""Images from files that nobody vouches for: decoded within limits, or refused with one line that says why.

Rules
* The size in the header is judged before a pixel is decoded, so a decompression bomb costs nothing; a JPEG's scans are
  counted first, as thousands of them in a small file take minutes.
* One picture comes out whatever went in: upright by its EXIF orientation, the first frame of an animation, RGB.
* A model's input is the whole picture squashed to the model's size; every part of Quintet does it here and so alike.
"""

import io
import os
import stat
import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from quintet.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_BYTES = 32 << 20
MAX_PIXELS = 25_000_000
MAX_PIXELS_OF = {"WEBP": 12_500_000}  # its decoder holds four copies
MAX_SIDE = 20_000
MAX_SCANS = 100  # a progressive JPEG has about ten; each costs a pass over all pixels
STRIP = 128
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif")
_JPEG, _SCAN = b"\xff\xd8", b"\xff\xda"
_BROKEN = (OSError, SyntaxError, ValueError, TypeError, EOFError, KeyError, IndexError, ArithmeticError, MemoryError,
           RuntimeError, AttributeError, AssertionError, struct.error,
           zlib.error)  # fmt: skip  # what Pillow's readers let through


def read_image(source: Path | bytes, shape: tuple[int, int, int] | None = None) -> np.ndarray:
    """Return a picture as `uint8` `(height, width, 3)`, or squashed to `shape`, whose channels may be 3 or 1 (grey).

    Raises:
        DataError: it is not a whole picture of one of FORMATS within MAX_BYTES, MAX_PIXELS and MAX_SIDE.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own limits are laxer than these; its remarks on tags help nobody
            return _decode(_content(source), shape)
    except _Refused as refusal:
        raise DataError(f"{_name(source)}: received {refusal}") from None
    except _BROKEN as error:
        raise DataError(
            f"{_name(source)}: received a damaged or cut-off picture ({type(error).__name__}: {str(error)[:100]}),"
            " expected one that decodes; replace it"
        ) from None


def fit(image: "Image", shape: tuple[int, int, int]) -> np.ndarray:
    """Return a Pillow picture squashed to `shape`, `uint8` `(height, width, channels)`: antialiased by Hamming's window."""
    from PIL import Image as pillow

    height, width, channels = shape
    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    if image.size != (width, height):
        image = image.resize((width, height), pillow.Resampling.HAMMING)
    return np.asarray(image, np.uint8).reshape(shape)


class _Refused(Exception):
    """What was received and what was expected."""


def _content(source: Path | bytes) -> bytes:
    if isinstance(source, bytes):
        content = source
        size = len(content)
    else:
        with open(source, "rb", opener=_without_waiting) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _Refused("no regular file, expected a picture; name one")
            content = file.read(MAX_BYTES + 1)
        size = status.st_size
    if len(content) > MAX_BYTES:
        raise _Refused(f"{size:,} bytes, expected at most {MAX_BYTES:,}; make the picture smaller")
    if not content:
        raise _Refused("an empty file, expected a picture; replace it")
    return content


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe called .jpg must not hold us


def _decode(content: bytes, shape: tuple[int, int, int] | None) -> np.ndarray:
    from PIL import Image as pillow
    from PIL import ImageOps, UnidentifiedImageError

    try:
        image = pillow.open(io.BytesIO(content), formats=FORMATS)
    except pillow.DecompressionBombError:
        least = 2 * (pillow.MAX_IMAGE_PIXELS or 0)
        raise _Refused(
            f"more than {least:,} pixels, expected at most {MAX_PIXELS:,}; make the picture smaller"
        ) from None
    except UnidentifiedImageError:
        raise _Refused(f"something else than a picture, expected one of {', '.join(FORMATS)}; convert it") from None
    with image:
        width, height = image.size
        pixels = MAX_PIXELS_OF.get(image.format or "", MAX_PIXELS)
        if width * height > pixels or max(width, height) > MAX_SIDE:
            raise _Refused(
                f"{width:,}x{height:,} pixels, expected at most {pixels:,} in all and {MAX_SIDE:,} a side;"
                " make the picture smaller"
            )
        if content.startswith(_JPEG) and (scans := content.count(_SCAN)) > MAX_SCANS:
            raise _Refused(f"a JPEG of {scans:,} scans, expected at most {MAX_SCANS}; save it anew")
        if shape:
            image.draft("RGB", (2 * shape[1], 2 * shape[0]))  # a large JPEG is decoded at a half, quarter or eighth
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        upright: Image = image
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            upright = _on_white(image)
        elif image.mode.startswith("I;16"):
            upright = pillow.fromarray((np.asarray(image, np.uint16) >> 8).astype(np.uint8))
        return fit(upright, shape or (upright.height, upright.width, 3))


def _on_white(image: "Image") -> "Image":
    """Lay a picture with transparency on white, strip by strip: whole, it would take four times its memory."""
    from PIL import Image as pillow

    width, height = image.size
    white = pillow.new("RGB", image.size)
    for top in range(0, height, STRIP):
        bottom = min(top + STRIP, height)
        strip = image.crop((0, top, width, bottom)).convert("RGBA")
        white.paste(pillow.alpha_composite(pillow.new("RGBA", strip.size, "white"), strip).convert("RGB"), (0, top))
    return white


def _name(source: Path | bytes) -> str:
    return "picture" if isinstance(source, bytes) else str(source)
