"""Paper: a page of digits as a camera would see it, made from single digits, for the demo and the tests.

Each digit is laid out in rows with a little disorder, inked onto tinted paper, ruled or not, turned, unevenly lit, and
given noise; where each one lies is known. Made, not photographed: it shows that the reader works, not how well it does
on other people's photos.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from quintet.errors import StudyError

_PAPER, _BOARD = np.array((246, 241, 228.0)), np.array((38, 60, 50.0))
_INK, _CHALK = np.array((38, 44, 92.0)), np.array((232, 232, 224.0))
_RULE = np.array((140, 165, 205.0))


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperSettings:
    """How the page is made: sizes in pixels, the turn in degrees (clockwise), `spacing` in digit heights.

    `light` is how much darker the darkest corner is (0 to 1), `noise` the standard deviation in grey levels, `pen` the
    change of stroke width in pixels.
    """

    columns: int = 8
    digit_height: int = 48
    spacing: float = 1.5
    turn_degrees: float = 0.0
    rules: bool = False
    light: float = 0.35
    noise: float = 5.0
    pen: int = 0
    dark_on_light: bool = True


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Paper:
    """A made page: `image` uint8 `(height, width, 3)` RGB, and for each digit given its `boxes` row x, y, width, height.

    `boxes` is float `(n, 4)`, upright, in pixels of the image.
    """

    image: np.ndarray
    boxes: np.ndarray


def make_page(images: Sequence[np.ndarray], rng: np.random.Generator, settings: PaperSettings | None = None) -> Paper:
    """Lay out `images`, each uint8 `(height, width)` or `(height, width, 1)`, white on black, on a page.

    A 28x28 image is taken as MNIST's, with its digit in 20x20; any other fills its frame. Raises StudyError where there
    is no image, or one without ink.
    """
    settings = settings or PaperSettings()
    if not len(images):
        raise StudyError("a page of no digits was asked for, expected at least one image; give some")
    glyphs = [_glyph(np.asarray(image), settings) for image in images]
    pitch = settings.digit_height * settings.spacing
    rows = -(-len(glyphs) // settings.columns)
    margin = 1.4 * settings.digit_height
    width = round(settings.columns * pitch + 2 * margin)
    height = round(rows * 1.35 * max(pitch, 1.3 * settings.digit_height) + 2 * margin)
    ink = np.zeros((height, width), np.float32)
    boxes = []
    for i, glyph in enumerate(glyphs):
        row, column = divmod(i, settings.columns)
        shift = rng.uniform(-0.06, 0.06, 2) * settings.digit_height
        middle_x = margin + (column + 0.5) * pitch + shift[0]
        middle_y = margin + (row + 0.5) * (height - 2 * margin) / rows + shift[1]
        x, y = round(middle_x - glyph.shape[1] / 2), round(middle_y - glyph.shape[0] / 2)
        place = ink[y : y + glyph.shape[0], x : x + glyph.shape[1]]
        np.maximum(place, glyph, out=place)
        boxes.append((x, y, glyph.shape[1], glyph.shape[0]))
    ruled = np.zeros_like(ink)
    if settings.rules:
        step = (height - 2 * margin) / rows
        for y in np.arange(margin + 0.5 * step + 0.5 * settings.digit_height, height, step / 2):
            ruled[round(y) : round(y) + max(1, settings.digit_height // 32), :] = 1
    return _photographed(ink, ruled, np.array(boxes, dtype=float), rng, settings)


def _glyph(image: np.ndarray, settings: PaperSettings) -> np.ndarray:
    """The digit at the page's scale, trimmed, float32 ink from 0 to 1."""
    image = image.reshape(image.shape[:2])
    frame = 20 if image.shape == (28, 28) else max(image.shape)
    factor = settings.digit_height / frame
    large = cv2.resize(
        np.pad(image, 2), None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC if factor > 1 else cv2.INTER_AREA
    )
    if settings.pen:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (abs(settings.pen) + 1, abs(settings.pen) + 1))
        large = cv2.dilate(large, disc) if settings.pen > 0 else cv2.erode(large, disc)
    inked = np.clip((large.astype(np.float32) - 70) / 90, 0, 1)  # the edge of a pen is sharper than an enlarged pixel
    ys, xs = np.flatnonzero((inked > 0.5).any(axis=1)), np.flatnonzero((inked > 0.5).any(axis=0))
    if not len(ys):
        raise StudyError("an image has no ink that can be drawn, expected white on black; check its values")
    return inked[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]


def _photographed(
    ink: np.ndarray, ruled: np.ndarray, boxes: np.ndarray, rng: np.random.Generator, settings: PaperSettings
) -> Paper:
    height, width = ink.shape
    ground, pen = (_PAPER, _INK) if settings.dark_on_light else (_BOARD, _CHALK)
    page = np.broadcast_to(ground, (height, width, 3)).astype(np.float32)
    line = _RULE if settings.dark_on_light else (ground + pen) / 2
    page = page + 0.8 * ruled[..., None] * (line - page)
    page = page + 0.92 * ink[..., None] * (pen - page)
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -settings.turn_degrees, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    size = (int(width * cosine + height * sine), int(height * cosine + width * sine))
    matrix[:, 2] += ((size[0] - width) / 2, (size[1] - height) / 2)
    page = cv2.warpAffine(page, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
    towards = rng.uniform(0, 2 * np.pi)
    slope = (np.cos(towards) * x + np.sin(towards) * y) / np.sqrt(2)
    lit = page * (1 - settings.light * (slope + 1) / 2)[..., None]
    lit = cv2.GaussianBlur(lit, (0, 0), 0.7) + rng.normal(0, settings.noise, lit.shape)
    corners = np.stack(
        [boxes[:, [0, 1]], boxes[:, [0, 1]] + boxes[:, [2, 3]] * (1, 0), boxes[:, [0, 1]] + boxes[:, [2, 3]],
         boxes[:, [0, 1]] + boxes[:, [2, 3]] * (0, 1)], axis=1
    )  # fmt: skip
    corners = corners @ matrix[:, :2].T + matrix[:, 2]
    low, high = corners.min(axis=1), corners.max(axis=1)
    return Paper(image=np.clip(np.rint(lit), 0, 255).astype(np.uint8), boxes=np.hstack([low, high - low]))
