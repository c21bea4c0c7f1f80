"""IDX, the format of MNIST: magic (0, 0, type, rank), big-endian sizes, then the values in C order.

Strict: a wrong checksum, broken gzip, unknown magic, unexpected shape, truncation and trailing bytes are each a
DataError; nothing half-read is ever returned. The bytes that are checked are the bytes that are parsed.
Source: LeCun, Cortes, Burges, "The MNIST database of handwritten digits", section "file formats".
"""

import gzip
import hashlib
import io
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from quintet.errors import DataError

_UNSIGNED_BYTE = 0x08
_LARGEST_BYTES = 1 << 30  # no file we read comes near; a damaged header must not ask for all memory


def read_idx(path: Path, *, shape: tuple[int | None, ...], sha256: str | None, remedy: str) -> np.ndarray:
    """Return the unsigned bytes of a gzip-compressed IDX file, uint8 of the expected `shape` (None: any size).

    `sha256` is that of the compressed file (None: not checked); `remedy` ends each message: what to do next.
    Raises DataError naming the file, what was received and what was expected.
    """
    try:
        packed = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}), expected a readable file; {remedy}") from None
    if sha256 is not None:
        received = hashlib.sha256(packed).hexdigest()
        if received != sha256:
            raise DataError(
                f"{path}: SHA-256 is {received} ({len(packed)} bytes), expected {sha256}: "
                f"the file is damaged or another; {remedy}"
            )
    return _parse(packed, path, shape, remedy)


def _parse(packed: bytes, path: Path, shape: tuple[int | None, ...], remedy: str) -> np.ndarray:
    def wrong(received: str, expected: str) -> DataError:
        return DataError(f"{path}: {received}, expected {expected}; {remedy}")

    try:
        with gzip.open(io.BytesIO(packed)) as stream:
            magic = stream.read(4)
            rank = len(shape)
            if magic != bytes((0, 0, _UNSIGNED_BYTE, rank)):
                raise wrong(f"IDX magic is 0x{magic.hex() or '(nothing)'}", f"0x0000{_UNSIGNED_BYTE:02x}{rank:02x}")
            header = stream.read(4 * rank)
            if len(header) < 4 * rank:
                raise wrong(f"the header ends after {4 + len(header)} bytes", f"{4 + 4 * rank}")
            sizes = struct.unpack(f">{rank}I", header)
            if any(want is not None and size != want for size, want in zip(sizes, shape, strict=True)):
                raise wrong(f"sizes are {sizes}", f"({', '.join('any' if n is None else str(n) for n in shape)})")
            count = math.prod(sizes)
            if count > _LARGEST_BYTES:
                raise wrong(f"sizes {sizes} ask for {count} bytes", f"at most {_LARGEST_BYTES}")
            values = stream.read(count)
            if len(values) < count:
                raise wrong(f"truncated: {len(values)} values", f"{count}")
            if stream.read(1):
                raise wrong(f"there is more after the {count} values", "the end of the file")
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise wrong(f"broken gzip ({str(error).rstrip('.')}) in {len(packed)} bytes", "a whole gzip file") from None
    return np.frombuffer(values, dtype=np.uint8).reshape(sizes).copy()
