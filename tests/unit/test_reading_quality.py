"""How well pages are read: MNIST's test digits on made paper, among letters, scribbles and shapes.

The predictor is the density model itself, as a classifier: no network, so the figures are a floor for one. Pages are
made, not photographed; the bounds hold for them, and say nothing of other people's photos.
"""

import cv2
import numpy as np
import pytest
from scipy.interpolate import CubicSpline

from quintet import datasets
from quintet.decision import fit_temperature
from quintet_systems.digits.confidence import Predictor
from quintet_systems.digits.familiarity import learn
from quintet_systems.digits.paper import Paper, PaperSettings, make_page
from quintet_systems.digits.reading import PageReading, ReaderSettings, read_page

pytestmark = pytest.mark.data

NOT_DIGITS = "AEFHKMNPRWXhkmnpwx"  # printed letters that no digit looks like, turned or not


@pytest.fixture(scope="module")
def data() -> datasets.Dataset:
    return datasets.load("mnist")


@pytest.fixture(scope="module")
def reader(data) -> tuple[Predictor, ReaderSettings]:
    known = learn(data.train_x, data.train_y)

    def predict(images: np.ndarray) -> np.ndarray:
        return -known.distances(images) / 2

    held = slice(50_000, 52_000)
    heat = fit_temperature(predict(data.train_x[held]), data.train_y[held])
    return predict, ReaderSettings(familiarity=known, temperature=heat)


def trimmed_square(image: np.ndarray) -> np.ndarray:
    ys, xs = np.nonzero(image > 127)
    crop = image[ys.min() : ys.max() + 1, xs.min() : xs.max() + 1]
    side = max(crop.shape)
    down, right = (side - crop.shape[0]) // 2, (side - crop.shape[1]) // 2
    return np.pad(crop, ((down, down), (right, right)))


def stranger(rng: np.random.Generator) -> np.ndarray:
    """One mark that is no digit: a letter, a scribble, a cross, a star, a polygon, a disc or a spiral."""
    image = np.zeros((140, 140), np.uint8)
    pen = int(rng.integers(6, 11))
    kind = rng.choice(["letter", "letter", "letter", "scribble", "scribble", "cross", "star", "polygon", "spiral"])
    if kind == "letter":
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_TRIPLEX]))
        cv2.putText(image, str(rng.choice(list(NOT_DIGITS))), (30, 100), font, 3, 255, pen, cv2.LINE_AA)
    elif kind == "scribble":
        count = int(rng.integers(8, 15))
        path = CubicSpline(np.arange(count), rng.integers(20, 120, (count, 2)))(np.linspace(0, count - 1, 400))
        cv2.polylines(image, [path.clip(8, 132).astype(np.int32)], False, 255, pen, cv2.LINE_AA)
    elif kind in ("cross", "star"):
        arms = 2 if kind == "cross" else 3
        for arm in range(arms):
            angle = np.pi * arm / arms + rng.uniform(-0.15, 0.15)
            reach = 50 * np.array([np.cos(angle), np.sin(angle)])
            ends = (70 - reach).astype(int).tolist(), (70 + reach).astype(int).tolist()
            cv2.line(image, *ends, 255, pen, cv2.LINE_AA)
    elif kind == "polygon":
        corners = int(rng.integers(3, 5))
        angles = 2 * np.pi * np.arange(corners) / corners + rng.uniform(0, np.pi)
        points = 70 + 55 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        cv2.polylines(image, [points.astype(np.int32)], True, 255, pen, cv2.LINE_AA)
    else:
        turn = np.linspace(0, rng.uniform(4, 6) * np.pi, 300)
        spiral = 70 + (55 * turn / turn[-1] * np.stack([np.cos(turn), np.sin(turn)])).T
        cv2.polylines(image, [spiral.astype(np.int32)], False, 255, 6, cv2.LINE_AA)
    return trimmed_square(image)


def read_at(paper: Paper, reading: PageReading) -> list[tuple[bool, int | None]]:
    """For each image on the page: was a mark found there (boxes share half of both), and what was read."""
    answers: list[tuple[bool, int | None]] = []
    for x, y, width, height in paper.boxes:
        best, digit = 0.0, None
        for mark in reading.digits:
            box = mark.box
            across = min(x + width, box.x + box.width) - max(x, box.x)
            down = min(y + height, box.y + box.height) - max(y, box.y)
            if across > 0 and down > 0:
                common = across * down
                share = common / (width * height + box.width * box.height - common)
                if share > best:
                    best, digit = share, mark.digit
        answers.append((best > 0.5, digit))
    return answers


CONDITIONS = (
    PaperSettings(),
    PaperSettings(turn_degrees=12, pen=2),
    PaperSettings(turn_degrees=-12, rules=True),
    PaperSettings(turn_degrees=5, rules=True, light=0.6, noise=9, pen=-1),
    PaperSettings(turn_degrees=-6, dark_on_light=False),
    PaperSettings(digit_height=28, spacing=1.2),
)


def test_digits_are_found_and_read(data, reader, record_property):
    predict, settings = reader
    rng = np.random.default_rng(20)
    found = read = right = total = 0
    for condition in CONDITIONS:
        chosen = rng.choice(len(data.test_y), 48, replace=False)
        paper = make_page(list(data.test_x[chosen]), rng, condition)
        for (seen, digit), truth in zip(
            read_at(paper, read_page(paper.image, predict, settings)), data.test_y[chosen], strict=True
        ):
            total += 1
            found += seen
            read += digit is not None
            right += digit == truth
    figures = {"found": found / total, "read": read / total, "right_of_read": right / read}
    for name, value in figures.items():
        record_property(name, value)
    print(figures)
    assert figures["found"] >= 0.98
    assert figures["read"] >= 0.90
    assert figures["right_of_read"] >= 0.98


def test_what_is_no_digit_is_refused(data, reader, record_property):
    predict, settings = reader
    rng = np.random.default_rng(21)
    accepted = unguarded = 0
    strangers = 0
    trusting = ReaderSettings(temperature=settings.temperature)
    for page in range(4):
        others = [stranger(rng) for _ in range(30)]
        digits = list(data.test_x[rng.choice(len(data.test_y), 18, replace=False)])
        paper = make_page(others + digits, rng, PaperSettings(turn_degrees=rng.uniform(-12, 12), rules=page % 2 == 1))
        strangers += len(others)
        accepted += sum(
            digit is not None for _, digit in read_at(paper, read_page(paper.image, predict, settings))[:30]
        )
        unguarded += sum(
            digit is not None for _, digit in read_at(paper, read_page(paper.image, predict, trusting))[:30]
        )
    record_property("false_accept_rate", accepted / strangers)
    print({"false_accept_rate": accepted / strangers, "without_familiarity": unguarded / strangers})
    assert accepted / strangers <= 0.12
    assert accepted < unguarded / 2  # the density is what refuses them
