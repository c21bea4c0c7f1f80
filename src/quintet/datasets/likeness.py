"""Which pictures show the same: a perceptual hash, and groups of near-duplicates, mirrored ones among them.

The hash is pHash's idea (Zauner 2010): the signs of the 64 lowest cosine coefficients of the grey picture, the mean left
out, against their median. Two pictures are alike where few bits differ and their thumbnails do too, for a hash
alone takes two plain skies for one.
"""

import numpy as np

BITS = 6  # of 64 that may differ
GREY = 8.0  # mean absolute difference of the thumbnails, after their mean and contrast are made equal
_THUMBNAIL = 16
_PAIRS = 1 << 24  # compared at a time: 128 MiB


def hashes(grey: np.ndarray) -> np.ndarray:
    """Return the perceptual hash `(n,)` `uint64` of grey pictures `(n, height, width)`, at least 9x9."""
    from scipy.fft import dctn

    low = np.asarray(dctn(grey.astype(np.float32), axes=(1, 2), norm="ortho"))[:, :8, :9].reshape(-1, 72)[:, 1:65]
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(np.uint64)[:, 0]


def groups(pictures: np.ndarray) -> np.ndarray:
    """Return each picture's group `(n,)` `int64`: the index of the first picture that it is alike to, else its own.

    Args:
        pictures: `uint8` `(n, height, width, channels)`.
    """
    thumbnails, straight = _thumbnails(pictures), _hashes(pictures)
    mirrored = _hashes(pictures[:, :, ::-1])
    parent = np.arange(len(pictures))
    rows = max(1, _PAIRS // max(1, len(pictures)))
    for first in range(0, len(pictures), rows):
        for other, flip in ((straight, False), (mirrored, True)):
            apart = np.bitwise_count(straight[first : first + rows, None] ^ other[None, first:])
            for row, column in zip(*np.nonzero(apart <= BITS), strict=True):
                a, b = first + int(row), first + int(column)
                if a < b and _alike(thumbnails[a], thumbnails[b][:, ::-1] if flip else thumbnails[b]):
                    _join(parent, a, b)
    return np.array([_root(parent, i) for i in range(len(parent))])


def _hashes(pictures: np.ndarray) -> np.ndarray:
    pieces = [hashes(pictures[i : i + 4096].mean(-1)) for i in range(0, len(pictures), 4096)]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.uint64)


def _thumbnails(pictures: np.ndarray) -> np.ndarray:
    """Return `(n, 16, 16)` `float32`, each with mean 0 and deviation 50 unless it is flat."""
    height, width = pictures.shape[1:3]
    rows, columns = (np.arange(_THUMBNAIL) * size // _THUMBNAIL for size in (height, width))
    small = np.empty((len(pictures), _THUMBNAIL, _THUMBNAIL), np.float32)
    for i in range(0, len(pictures), 4096):
        grey = pictures[i : i + 4096].mean(-1, dtype=np.float32)
        summed = np.add.reduceat(np.add.reduceat(grey, rows, axis=1), columns, axis=2)
        small[i : i + 4096] = summed / np.outer(np.diff(rows, append=height), np.diff(columns, append=width))
    small -= small.mean((1, 2), keepdims=True)
    return small * (50 / np.maximum(small.std((1, 2), keepdims=True), 5))


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    return float(np.abs(one - other).mean()) <= GREY


def _root(parent: np.ndarray, i: int) -> int:
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = int(parent[i])
    return i


def _join(parent: np.ndarray, a: int, b: int) -> None:
    a, b = _root(parent, a), _root(parent, b)
    parent[max(a, b)] = min(a, b)
