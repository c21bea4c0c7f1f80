"""One stored result in a segment: magic, length, CRC-32, sequence, then JSON.

Rules
* The CRC covers length, sequence and content, so a torn or rotten record is never taken for a result.
* Each commit starts on a block of its own: a block that was acknowledged is never written again.
* Sequences only grow. A segment that is used again holds old records after the new ones; they end the reading.

Format history
    QR1   2026-11: `<4s magic, u32 length, u32 crc, u64 sequence>`, little-endian, then UTF-8 JSON.
"""

import struct
import zlib
from dataclasses import dataclass

BLOCK = 4096
MAX_CONTENT = 16 << 10
_HEADER = struct.Struct("<4sIIQ")
_COVERED = struct.Struct("<IQ")
_MAGIC = b"QR1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A result with its number; `content` is JSON in UTF-8."""

    sequence: int
    content: bytes


def encode(record: Stored) -> bytes:
    """Return a record's bytes.

    >>> len(encode(Stored(sequence=1, content=b"{}")))
    22
    """
    length = len(record.content)
    if length > MAX_CONTENT:
        raise ValueError(
            f"received a result of {length:,} bytes, expected at most {MAX_CONTENT:,}; leave something out"
        )
    return _HEADER.pack(_MAGIC, length, _crc(record.sequence, record.content), record.sequence) + record.content


def padded(size: int) -> int:
    """Return `size` bytes in whole blocks.

    >>> padded(1), padded(4096), padded(4097)
    (4096, 4096, 8192)
    """
    return -(-size // BLOCK) * BLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """What a segment holds: its records, the offset behind the last one, and how many damaged places were passed."""

    records: list[Stored]
    end: int
    damaged: int


def scan(content: bytes, first: int) -> Scan:
    """Return the records of a segment whose first sequence is `first`, in order.

    Where a record cannot be read the search goes on at the next magic; what no readable record follows is a torn tail.
    """
    records: list[Stored] = []
    position = end = damaged = 0
    expected = first
    while 0 <= position <= len(content) - _HEADER.size:
        found = _read(content, position)
        if found is None:
            position = content.find(_MAGIC, position + 1)
            continue
        if found.sequence < expected:
            break  # of the segment's earlier life: everything new has been read
        damaged += bool(content[end:position].strip(b"\0"))  # between commits there are only zeros
        records.append(found)
        expected = found.sequence + 1
        position = end = position + _HEADER.size + len(found.content)
    return Scan(records=records, end=end, damaged=damaged)


def _read(content: bytes, position: int) -> Stored | None:
    magic, length, crc, sequence = _HEADER.unpack_from(content, position)
    start = position + _HEADER.size
    if magic != _MAGIC or length > MAX_CONTENT or start + length > len(content):
        return None
    body = content[start : start + length]
    return Stored(sequence=sequence, content=body) if _crc(sequence, body) == crc else None


def _crc(sequence: int, content: bytes) -> int:
    return zlib.crc32(content, zlib.crc32(_COVERED.pack(len(content), sequence)))
