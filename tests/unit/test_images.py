"""Pictures that nobody vouches for: decoded alike, within limits, or refused in one line."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from quintet import images
from quintet.errors import DataError
from quintet.images import read_image


def encoded(image: Image.Image, kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def colours(mode: str = "RGB", size: tuple[int, int] = (300, 200)) -> Image.Image:
    rng = np.random.default_rng(1)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 4), dtype=np.uint8), "RGBA")
    return small.resize(size, Image.Resampling.BICUBIC).convert(mode)


def test_a_picture_with_transparency_lies_on_white_as_pillow_lays_it():
    image = colours("RGBA")
    whole = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    assert np.array_equal(read_image(encoded(image, "PNG")), np.asarray(whole))
    clear = Image.new("RGBA", (9, 300), (0, 0, 0, 0))
    assert (read_image(encoded(clear, "PNG")) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_set_upright(orientation):
    image = colours()
    exif = Image.Exif()
    exif[0x112] = orientation
    turned = read_image(encoded(image, "PNG", exif=exif))
    assert turned.shape == ((200, 300, 3) if orientation < 5 else (300, 200, 3))
    undo = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
            5: lambda a: a.transpose(1, 0, 2), 6: lambda a: np.rot90(a, 1), 7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
            8: lambda a: np.rot90(a, -1)}  # fmt: skip
    assert np.array_equal(undo[orientation](turned), np.asarray(image))


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA", "RGBA", "I;16"])
def test_every_mode_becomes_rgb_of_the_shape(mode):
    kind = "JPEG" if mode == "CMYK" else "PNG"
    image = Image.fromarray(np.full((20, 30), 40_000, np.uint16)) if mode == "I;16" else colours(mode)
    assert read_image(encoded(image, kind), (50, 40, 3)).shape == (50, 40, 3)
    assert read_image(encoded(image, kind), (50, 40, 1)).shape == (50, 40, 1)


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("RGB", (10, 10), colour) for colour in ("red", "lime", "blue")]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert read_image(content)[5, 5].tolist() == [255, 0, 0]


def png_of(width: int, height: int) -> bytes:
    """Return a PNG of a few bytes that claims a size."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(30_000, 30_000), (1, 200_000), (2**31 - 1, 2**31 - 1), (6000, 6000)])
def test_a_huge_size_in_the_header_is_refused(size):
    with pytest.raises(DataError, match=r"pixels, expected at most"):
        read_image(png_of(*size), (50, 50, 3))


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_decoded():
    """Such a file of 180 kB took a minute: each scan is a pass over all pixels."""
    content = encoded(Image.new("L", (400, 400)), "JPEG", progressive=True)
    scan = content[content.rfind(b"\xff\xda") : -2]
    few = content[:-2] + scan * 20 + content[-2:]
    assert read_image(few, (50, 50, 3)).shape == (50, 50, 3)
    many = content[:-2] + scan * (images.MAX_SCANS + 1) + content[-2:]
    with pytest.raises(DataError, match="scans"):
        read_image(many, (50, 50, 3))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xd8",
        b"GIF89a",
        b"BM",
        b"%PDF-1.4",
        b"<svg/>",
        b"\x89PNG\r\n\x1a\n",
        b"RIFF\0\0\0\0WEBP",
        bytes(5000),
    ],
)
def test_what_is_no_picture_is_refused(content):
    with pytest.raises(DataError, match="expected"):
        read_image(content, (50, 50, 3))


def test_a_file_that_ends_early_is_refused():
    content = encoded(colours(), "PNG")
    with pytest.raises(DataError, match="damaged or cut-off"):
        read_image(content[: len(content) // 2])


def test_a_pipe_a_folder_and_nothing_are_refused_and_do_not_hold_us(tmp_path):
    pipe = tmp_path / "pipe.jpg"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path, tmp_path / "none.jpg"):
        with pytest.raises(DataError):
            read_image(path, (50, 50, 3))
