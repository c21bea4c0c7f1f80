"""Reading a page: find the marks, straighten, read each, say how sure, refuse what is not a digit.

Order: light and paper out, skew out, rules out, marks, parts of touching digits, lines, opinions, verdicts. The
predictor is an argument: any callable from normalised images to logits. Boxes are in pixels of the image given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from quintet.errors import DataError
from quintet_systems.digits.confidence import Opinion, Predictor, opinions
from quintet_systems.digits.familiarity import Familiarity
from quintet_systems.digits.ink import find_ink
from quintet_systems.digits.lines import in_lines
from quintet_systems.digits.marks import Mark, find_marks
from quintet_systems.digits.rules import without_rules
from quintet_systems.digits.shape import not_a_digit
from quintet_systems.digits.straighten import page_skew, turn_matrix
from quintet_systems.digits.touching import partitions

_SMALLEST_SIDE, _LARGEST_SIDE = 900, 2200  # the long side of the copy that is worked on
_MOST_ENLARGED = 4.0
_PARTED_SURER = 0.1  # how much surer the parts of a mark must be than the whole, where that could be a digit
_MOST_MARKS = 2000  # a page of text, a texture: not a page of digits


@dataclass(frozen=True, kw_only=True, slots=True)
class ReaderSettings:
    """How the page is read: the predictor's image size (28 or 8) and temperature, and when to refuse.

    Without a `familiarity`, letters and scribbles that the network takes for digits pass.
    """

    size: int = 28
    temperature: float = 1.0
    familiarity: Familiarity | None = None
    least_probability: float = 0.75
    least_agreement: float = 0.8


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """An upright box in pixels of the image: its left top corner, width and height."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DigitReading:
    """One mark: where, on which line (from 0), which digit (None: refused), how sure, and why it was refused.

    `corners` are the four corners of its box on the straightened page, in the image's pixels, clockwise from left top.
    `probability` belongs to `guess`, the most probable digit, also where it was refused; both are None where the shape
    alone was refused.
    """

    box: Box
    corners: tuple[tuple[float, float], ...]
    line: int
    digit: int | None
    guess: int | None
    probability: float | None
    agreement: float | None
    reason: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class PageReading:
    """What was read on a page, in reading order, and how the page lay."""

    width: int
    height: int
    skew_degrees: float
    dark_on_light: bool | None
    digits: tuple[DigitReading, ...]

    @property
    def lines(self) -> tuple[str, ...]:
        """The text, line by line, "?" for what was refused."""
        count = 1 + max((digit.line for digit in self.digits), default=-1)
        texts = [""] * count
        for reading in self.digits:
            texts[reading.line] += "?" if reading.digit is None else str(reading.digit)
        return tuple(texts)


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class _Verdict:
    """What became of one mark; without an opinion where its shape alone was refused."""

    mark: Mark
    opinion: Opinion | None
    reason: str | None


def read_page(image: np.ndarray, predict: Predictor, settings: ReaderSettings | None = None) -> PageReading:
    """Read the digits on `image`, uint8 `(height, width, 3)` RGB or `(height, width)` grey.

    Raises DataError for an image of another form, or one with so many marks that it is no page of digits.
    """
    settings = settings or ReaderSettings()
    layout = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not layout or min(image.shape[:2]) < 8:
        raise DataError(
            f"the image is {image.dtype} {image.shape}, expected uint8 (height, width, 3) of at least 8 x 8 pixels"
        )
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    height, width = grey.shape
    work, scale = _working_copy(grey)
    ink = find_ink(work)
    if ink is None:
        return PageReading(width=width, height=height, skew_degrees=0.0, dark_on_light=None, digits=())
    skew = page_skew(ink.strength > ink.threshold)
    matrix, canvas = turn_matrix(work.shape, skew)  # type: ignore[arg-type]
    straight = cv2.warpAffine(ink.strength, matrix, canvas, flags=cv2.INTER_LINEAR)
    inside = cv2.warpAffine(np.ones_like(work), matrix, canvas, flags=cv2.INTER_NEAREST) > 0
    found = find_marks(without_rules(straight > ink.threshold))
    if len(found.marks) > _MOST_MARKS:
        raise DataError(
            f"the image has {len(found.marks)} separate marks, expected at most {_MOST_MARKS} on a page of digits; "
            "cut out the part with the digits"
        )
    marks = [mark for mark in found.marks if not _is_border(mark, inside, found.typical_height)]
    verdicts = _read_marks(marks, found.typical_height, predict, settings, inside)
    back = cv2.invertAffineTransform(matrix)
    digits = tuple(
        _reading(verdicts[i], line=line, back=back, scale=scale, shape=(height, width))
        for line, members in enumerate(in_lines([verdict.mark for verdict in verdicts], found.typical_height))
        for i in members
    )
    return PageReading(width=width, height=height, skew_degrees=skew, dark_on_light=ink.dark_on_light, digits=digits)


def _working_copy(grey: np.ndarray) -> tuple[np.ndarray, float]:
    side = max(grey.shape)
    scale = min(_MOST_ENLARGED, _SMALLEST_SIDE / side) if side < _SMALLEST_SIDE else min(1.0, _LARGEST_SIDE / side)
    if scale == 1.0:
        return grey, scale
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), scale


def _touches_edge(mark: Mark, inside: np.ndarray) -> bool:
    y, x = max(0, mark.y - 2), max(0, mark.x - 2)
    around = inside[y : mark.y + mark.height + 2, x : mark.x + mark.width + 2]
    if around.shape < (mark.height + 4, mark.width + 4) or not around.all():
        near = np.zeros((mark.height + 4, mark.width + 4), np.uint8)
        near[: around.shape[0], : around.shape[1]] = around
        outside = cv2.dilate(1 - near, np.ones((5, 5), np.uint8)) > 0
        return bool((outside[2:-2, 2:-2] & (mark.ink > 0)).any())
    return False


def _is_border(mark: Mark, inside: np.ndarray, typical: float) -> bool:
    """The edge of the paper, a frame, the table beyond: long, and at the edge of the image or about half as large."""
    if max(mark.height, mark.width) <= 3 * typical:
        return False
    framing = mark.height > inside.shape[0] / 2 or mark.width > inside.shape[1] / 2
    return framing or _touches_edge(mark, inside)


def _read_marks(
    marks: Sequence[Mark], typical: float, predict: Predictor, settings: ReaderSettings, inside: np.ndarray
) -> list[_Verdict]:
    """Judge each mark whole, and where it may be touching digits, parted; parts count only if none is refused."""
    ways = [[(mark,), *_parted(mark, typical)] for mark in marks]
    answers = iter(
        opinions(
            [part.ink for options in ways for way in options for part in way],
            predict,
            settings.size,
            settings.temperature,
        )
    )
    verdicts: list[_Verdict] = []
    for mark, options in zip(marks, ways, strict=True):
        whole, *others = [[_judged(part, next(answers), typical, settings) for part in way] for way in options]
        alone = whole[0]
        if alone.reason is None and len(marks) > 1 and _touches_edge(mark, inside):
            alone = _Verdict(mark=mark, opinion=None, reason="cut off by the edge of the image")
        best = max(others, key=_certainty, default=[])
        sure = best and _certainty(best) > (0.0 if alone.reason else _certainty(whole) + _PARTED_SURER)
        verdicts += best if sure else [alone]
    return verdicts


def _parted(mark: Mark, typical: float) -> list[tuple[Mark, ...]]:
    small_enough = mark.height <= 2 * typical and mark.width <= 5 * typical
    return partitions(mark) if small_enough else []


def _certainty(way: Sequence[_Verdict]) -> float:
    """The certainty of the least certain part, 0 where a part is refused."""
    return min(v.opinion.probability * v.opinion.agreement if v.opinion and not v.reason else 0.0 for v in way)


def _judged(mark: Mark, opinion: Opinion, typical: float, settings: ReaderSettings) -> _Verdict:
    shape = not_a_digit(mark, typical)
    if shape:
        return _Verdict(mark=mark, opinion=None, reason=shape)
    return _Verdict(mark=mark, opinion=opinion, reason=_refusal(opinion, settings))


def _refusal(opinion: Opinion, settings: ReaderSettings) -> str | None:
    first, second = (int(i) for i in opinion.probabilities.argsort()[::-1][:2])
    if opinion.probability < settings.least_probability:
        return f"uncertain: {first} or {second}"
    if opinion.agreement < settings.least_agreement:
        return "read differently when turned a little"
    if settings.familiarity is not None:
        strange = settings.familiarity.strangeness(opinion.shown[None], np.array([opinion.digit]))
        if strange[0] > 0:
            return f"unlike any {opinion.digit} that was learnt"
    return None


def _reading(verdict: _Verdict, *, line: int, back: np.ndarray, scale: float, shape: tuple[int, int]) -> DigitReading:
    mark, opinion = verdict.mark, verdict.opinion
    right, bottom = mark.x + mark.width, mark.y + mark.height
    straight = np.array([(mark.x, mark.y), (right, mark.y), (right, bottom), (mark.x, bottom)], dtype=float)
    corners = (straight @ back[:, :2].T + back[:, 2]) / scale
    low = np.clip(np.floor(corners.min(axis=0)), 0, (shape[1] - 1, shape[0] - 1)).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)), low + 1, (shape[1], shape[0])).astype(int)
    return DigitReading(
        box=Box(x=int(low[0]), y=int(low[1]), width=int(high[0] - low[0]), height=int(high[1] - low[1])),
        corners=tuple((float(x), float(y)) for x, y in corners),
        line=line,
        digit=opinion.digit if opinion and not verdict.reason else None,
        guess=opinion.digit if opinion else None,
        probability=opinion.probability if opinion else None,
        agreement=opinion.agreement if opinion else None,
        reason=verdict.reason,
    )
