"""Pictures as a hostile or failing world makes them: generated, broken in many ways, the same for the same seed."""

import io
import struct
import zlib
from collections.abc import Iterator
from functools import cache

import numpy as np
from PIL import Image

KINDS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
SEED_PICTURES = 24
MOST_PIXELS = 25_000_000


@cache
def originals() -> tuple[bytes, ...]:
    """Return small whole pictures of every kind, mode and oddity."""
    rng = np.random.default_rng(11)
    found = []
    for n in range(SEED_PICTURES):
        width, height = (int(v) for v in rng.integers(1, 300, 2))
        small = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)).resize((width, height))
        for kind, mode, options in (
            ("JPEG", "RGB", {"progressive": bool(n % 2), "exif": exif(1 + n % 8)}),
            ("JPEG", "CMYK", {}),
            ("JPEG", "L", {"quality": 5 + 4 * n}),
            ("PNG", "RGBA", {"exif": exif(1 + n % 8)}),
            ("PNG", "P", {}),
            ("PNG", "1", {}),
            ("WEBP", "RGB", {"lossless": bool(n % 2)}),
            ("BMP", "RGB", {}),
            ("GIF", "P", {"save_all": True, "append_images": [small.convert("P").rotate(90)] * (n % 4)}),
            ("WEBP", "RGBA", {"save_all": True, "append_images": [small.convert("RGBA").rotate(9)] * (n % 3)}),
            ("TIFF", "RGB", {}),
        ):
            buffer = io.BytesIO()
            small.convert(mode).save(buffer, kind, **options)
            found.append(buffer.getvalue())
    return tuple(found)


def exif(orientation: int) -> Image.Exif:
    record = Image.Exif()
    record[0x112] = orientation
    record[0x9286] = b"a comment"
    return record


@cache
def bombs() -> tuple[bytes, ...]:
    """Return small files that claim, or are, very large pictures."""
    side = int(MOST_PIXELS**0.5)
    found = [png(side, side, kind, bits) for kind, bits in ((0, 1), (0, 16), (2, 8), (6, 8), (3, 8), (4, 16))]
    found += [png(width, height, 2, 8) for width, height in ((100_000, 100_000), (2**31 - 1, 1), (1, 2**31 - 1))]
    gray = Image.new("L", (side, side), 77)
    for kind, image, options in (
        ("JPEG", gray, {"progressive": True}),
        ("JPEG", gray.convert("RGB"), {"progressive": True, "subsampling": 0}),
        ("JPEG", gray.convert("CMYK"), {}),
        ("WEBP", gray.resize((3400, 3400)).convert("RGBA"), {"lossless": True, "method": 0}),
        ("WEBP", gray.convert("RGB"), {"quality": 1, "method": 0}),
        ("GIF", gray.convert("P"), {}),
        ("PNG", gray.convert("RGB"), {"exif": exif(6)}),
    ):
        buffer = io.BytesIO()
        image.save(buffer, kind, **options)
        found.append(buffer.getvalue())
    progressive = found[-7]
    scan = progressive[progressive.rfind(b"\xff\xda") : -2]
    found.append(progressive[:-2] + scan * 5000 + progressive[-2:])
    for width, height in ((65_535, 65_535), (0, 0), (65_535, 1)):
        content = bytearray(originals()[0])
        place = next(i for i in range(len(content)) if content[i] == 0xFF and content[i + 1] in (0xC0, 0xC2))
        content[place + 5 : place + 9] = struct.pack(">HH", height, width)
        found.append(bytes(content))
    return tuple(found)


def png(width: int, height: int, kind: int, bits: int) -> bytes:
    """Return a PNG of the size whose pixels are all zero, if there are not too many of them."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind]
    row = 1 + (width * samples * bits + 7) // 8
    rows = bytes(min(row * height, 200_000_000)) if width * height <= MOST_PIXELS else bytes(1000)
    palette = chunk(b"PLTE", bytes(768)) + chunk(b"tRNS", bytes(256)) if kind == 3 else b""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + palette + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")


def mutated(n: int, seed: int, bomb_every: int = 100) -> Iterator[bytes]:
    """Yield `n` files: cut off, flipped, shuffled, of the wrong type, with foreign tails, and now and then a bomb."""
    rng = np.random.default_rng(seed)
    for i in range(n):
        if i % bomb_every == bomb_every - 1:
            yield bombs()[i // bomb_every % len(bombs())]
            continue
        content = bytearray(originals()[int(rng.integers(len(originals())))])
        for _ in range(int(rng.integers(1, 4))):
            _break(content, rng)
        yield bytes(content)


def _break(content: bytearray, rng: np.random.Generator) -> None:
    size = len(content)
    if not size:
        return
    head = min(size, 200)
    match int(rng.integers(9)):
        case 0:  # cut off
            del content[int(rng.integers(size)) :]
        case 1:  # a few bits anywhere
            for place in rng.integers(0, size, int(rng.integers(1, 30))):
                content[place] ^= 1 << int(rng.integers(8))
        case 2:  # a few bytes of the header, where sizes and modes are
            for place in rng.integers(0, head, int(rng.integers(1, 6))):
                content[place] = int(rng.integers(256))
        case 3:  # a length or a size becomes huge, or nothing
            place = int(rng.integers(head))
            content[place : place + 4] = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff")[int(rng.integers(3))]
        case 4:  # a piece is missing
            place = int(rng.integers(size))
            del content[place : place + int(rng.integers(1, 100))]
        case 5:  # a piece twice
            place = int(rng.integers(size))
            content[place:place] = content[place : place + int(rng.integers(1, 2000))]
        case 6:  # another picture's end
            other = originals()[int(rng.integers(len(originals())))]
            content[int(rng.integers(size)) :] = other[len(other) // 2 :]
        case 7:  # noise from somewhere on
            place = int(rng.integers(size))
            content[place:] = rng.bytes(min(size - place, 5000))
        case _:  # whole, as it was
            pass
