"""The page: a photo or scan as an RGB image, loaded safely, and written back.

The size is known from the header before anything is decoded; a damaged or cut-off image is an error, not a half-grey
page. The camera's EXIF orientation is applied, and transparency becomes white paper. PNG and JPEG are what is tested.
"""

import os
import tempfile
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from quintet.errors import DataError

LARGEST_PIXELS = 100_000_000  # two thirds of a full A4 page at 1200 dpi; 300 MB once decoded


def load_page(path: Path, *, largest_pixels: int = LARGEST_PIXELS) -> np.ndarray:
    """Return the image at `path` as uint8 `(height, width, 3)`, RGB.

    Raises DataError, in one line, where it is missing, unreadable, not an image, damaged, or has too many pixels.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # our own limit is checked next
            with Image.open(path) as image:
                if image.width * image.height > largest_pixels:
                    raise _too_large(path, f"{image.width} x {image.height} pixels", largest_pixels)
                return _rgb(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        raise _too_large(path, "far too many pixels", largest_pixels) from None
    except UnidentifiedImageError:
        raise DataError(f"{path}: not an image, expected a PNG or JPEG photo or scan; give another file") from None
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}), expected a PNG or JPEG file; check it") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what Pillow's decoders raise on damage
        raise DataError(
            f"{path}: damaged image ({' '.join(str(error).split())}), expected a whole PNG or JPEG; copy it again"
        ) from None


def save_page(path: Path, image: np.ndarray) -> None:
    """Write uint8 `(height, width, 3)` RGB to `path`, by way of a temporary name. The suffix chooses the format.

    Raises DataError where the suffix is unknown or the folder cannot be written.
    """
    known = Image.registered_extensions()
    if path.suffix.lower() not in known:
        raise DataError(f'{path}: the suffix "{path.suffix}" names no image format, expected .png or .jpg; change it')
    try:
        handle, partial = tempfile.mkstemp(dir=path.parent, suffix=path.suffix)
        try:
            with os.fdopen(handle, "wb") as stream:
                Image.fromarray(image).save(stream, format=known[path.suffix.lower()])
            os.replace(partial, path)
        except BaseException:
            Path(partial).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror}), expected a folder to write in") from None


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        drawn = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", drawn.size, "white"), drawn)
    elif image.mode.startswith("I"):  # 16 bits a pixel: Pillow would clip, not scale
        image = Image.fromarray((np.asarray(image).clip(0, 65535) / 257).astype(np.uint8))
    return np.array(image.convert("RGB"))


def _too_large(path: Path, received: str, largest: int) -> DataError:
    return DataError(f"{path}: {received}, expected at most {largest}; make the image smaller")
