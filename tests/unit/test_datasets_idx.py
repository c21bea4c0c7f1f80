"""The IDX parser: what was written is read back, and no damage passes."""

import gzip
import hashlib
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.datasets.idx import read_idx
from quintet.errors import DataError

REMEDY = "delete it and fetch it again"


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 3), dtype=np.uint8)
WHOLE = gzip.compress(idx(IMAGES), mtime=0)


def read(tmp_path, packed: bytes, shape=(5, 4, 3), sha256=None) -> np.ndarray:
    path = tmp_path / "images.gz"
    path.write_bytes(packed)
    return read_idx(path, shape=shape, sha256=sha256, remedy=REMEDY)


def test_what_was_written_is_read_back(tmp_path):
    for shape in ((5, 4, 3), (None, 4, 3), (None, None, None)):
        received = read(tmp_path, WHOLE, shape, hashlib.sha256(WHOLE).hexdigest())
        assert received.dtype == np.uint8
        assert np.array_equal(received, IMAGES)


@pytest.mark.parametrize(
    ("packed", "words"),
    [
        (b"", "broken gzip|magic"),
        (b"plainly not gzip", "broken gzip"),
        (WHOLE[:-9], "broken gzip|truncated"),
        (WHOLE[:40], "broken gzip|truncated"),
        (WHOLE[:-8] + bytes(8), "broken gzip"),  # the checksum inside gzip
        (gzip.compress(b"\0\0\x08\x01" + idx(IMAGES)[4:]), "magic is 0x00000801, expected 0x00000803"),
        (gzip.compress(b"\0\0\x0d\x03" + idx(IMAGES)[4:]), "magic is 0x00000d03"),
        (gzip.compress(b""), "magic is 0x\\(nothing\\)"),
        (gzip.compress(idx(IMAGES)[:9]), "header ends after 9 bytes, expected 16"),
        (gzip.compress(idx(IMAGES)[:-1]), "truncated: 59 values, expected 60"),
        (gzip.compress(idx(IMAGES) + b"x"), "more after the 60 values"),
        (gzip.compress(idx(IMAGES[:4])), r"sizes are \(4, 4, 3\), expected \(5, 4, 3\)"),
    ],
)
def test_each_damage_is_one_line_with_file_and_remedy(tmp_path, packed, words):
    with pytest.raises(DataError, match=words) as error:
        read(tmp_path, packed)
    message = str(error.value)
    assert "\n" not in message
    assert "images.gz" in message
    assert message.endswith(REMEDY)


def test_a_header_that_asks_for_all_memory_is_refused(tmp_path):
    huge = gzip.compress(struct.pack(">4B3I", 0, 0, 8, 3, 2**31, 2**31, 4))
    with pytest.raises(DataError, match="at most"):
        read(tmp_path, huge, (None, None, None))


def test_an_unreadable_file_is_one_line(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path / "gone.gz", shape=(None,), sha256=None, remedy=REMEDY)
    with pytest.raises(DataError, match="cannot be read"):
        read_idx(tmp_path, shape=(None,), sha256=None, remedy=REMEDY)


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
def test_no_flipped_bit_changes_what_is_read(tmp_path_factory, place, bit):
    """Law: one flipped bit is either found out or (in gzip's name and time fields) leaves the values as they were."""
    damaged = bytearray(WHOLE)
    damaged[place] ^= 1 << bit
    try:
        received = read(tmp_path_factory.getbasetemp(), bytes(damaged))
    except DataError:
        return
    assert np.array_equal(received, IMAGES)
