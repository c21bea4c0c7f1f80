"""Drawing a reading onto its page: digits in blue full lines, refusals in orange dashed ones with a question mark."""

import cv2
import numpy as np

from quintet_systems.digits.reading import DigitReading, PageReading

READ, REFUSED = (0, 90, 200), (215, 95, 0)  # RGB; told apart by all kinds of colour vision, and by the line


def draw_reading(image: np.ndarray, reading: PageReading) -> np.ndarray:
    """Return a copy of `image`, uint8 `(height, width, 3)` RGB or `(height, width)` grey, as RGB with the reading."""
    page = cv2.cvtColor(image, cv2.COLOR_GRAY2RGB) if image.ndim == 2 else image.copy()
    thick = max(1, round(max(page.shape[:2]) / 900))
    for digit in reading.digits:
        colour = READ if digit.digit is not None else REFUSED
        corners = np.array(digit.corners)
        outward = corners - corners.mean(axis=0)
        corners = corners + 3 * thick * outward / np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-9)
        for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if digit.digit is not None:
                _line(page, start, end, colour, thick)
            else:
                _dashes(page, start, end, colour, thick)
        _label(page, digit, corners, colour, thick)
    return page


def _line(page: np.ndarray, start: np.ndarray, end: np.ndarray, colour: tuple[int, int, int], thick: int) -> None:
    first, second = (tuple(int(v) for v in np.rint(point)) for point in (start, end))
    cv2.line(page, first, second, colour, thick, cv2.LINE_AA)


def _dashes(page: np.ndarray, start: np.ndarray, end: np.ndarray, colour: tuple[int, int, int], thick: int) -> None:
    length = float(np.linalg.norm(end - start))
    count = max(1, round(length / (6 * thick)))
    for i in range(0, count, 2):
        _line(page, start + (end - start) * i / count, start + (end - start) * (i + 1) / count, colour, thick)


def _label(
    page: np.ndarray, digit: DigitReading, corners: np.ndarray, colour: tuple[int, int, int], thick: int
) -> None:
    text = "?" if digit.digit is None else str(digit.digit)
    size = float(np.clip(digit.box.height / 60, 0.4, 0.6 + 0.5 * thick))
    x, y = (int(v) for v in np.rint(corners[0]))
    place = (x, max(y - 2 * thick, round(22 * size)))
    cv2.putText(page, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, (255, 255, 255), 3 * thick + 1, cv2.LINE_AA)
    cv2.putText(page, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, colour, thick + 1, cv2.LINE_AA)
    if digit.digit is not None and digit.probability is not None:
        below = (int(np.rint(corners[3][0])), int(np.rint(corners[3][1] + 16 * size)))
        sure = f"{100 * digit.probability:.0f}%"
        cv2.putText(page, sure, below, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * size + 0.1, colour, thick, cv2.LINE_AA)
