"""Reading a page with a scripted predictor: boxes, lines, refusals and words, with no learning in the way."""

import cv2
import numpy as np
import pytest

from quintet import datasets
from quintet.errors import DataError, StudyError
from quintet_systems.digits.drawing import READ, REFUSED, draw_reading
from quintet_systems.digits.paper import PaperSettings, make_page
from quintet_systems.digits.reading import PageReading, ReaderSettings, read_page


def bar(images: np.ndarray) -> np.ndarray:
    """A scripted predictor: narrow marks are a one, wide ones a zero, surely."""
    logits = np.zeros((len(images), 10))
    narrow = (images[..., 0] > 60).any(axis=1).sum(axis=1) < images.shape[2] / 2.4
    logits[narrow, 1] = logits[~narrow, 0] = 20
    return logits


def undecided(images: np.ndarray) -> np.ndarray:
    logits = np.zeros((len(images), 10))
    logits[:, [4, 9]] = 8, 7.9
    return logits


def fickle(images: np.ndarray) -> np.ndarray:
    """Sure each time, of another digit: five views of one mark, two of them elsewhere."""
    logits = np.zeros((len(images), 10))
    logits[:, 3] = 5
    logits[1::5, 7] = logits[2::5, 7] = 9
    return logits


def glyphs(text: str) -> list[np.ndarray]:
    images = []
    for character in text:
        image = np.zeros((28, 28), np.uint8)
        if character == "1":
            image[4:24, 12:16] = 255
        else:
            cv2.ellipse(image, (14, 14), (7, 9), 0, 0, 360, 255, 3)
        images.append(image)
    return images


TEXT = ("0110", "1001", "1101")


def page(**settings):
    return make_page(
        glyphs("".join(TEXT)), np.random.default_rng(0), PaperSettings(**{"columns": 4, "spacing": 2.0, **settings})
    )


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"rules": True},
        {"turn_degrees": 12.0},
        {"turn_degrees": -9.0, "rules": True},
        {"dark_on_light": False, "turn_degrees": 5.0},
        {"digit_height": 20},
        {"digit_height": 160, "noise": 10.0},
        {"light": 0.7},
    ],
)
def test_lines_and_boxes_are_those_of_the_page(settings):
    paper = page(**settings)
    reading = read_page(paper.image, bar)
    assert reading.lines == TEXT
    assert (reading.height, reading.width) == paper.image.shape[:2]
    assert reading.dark_on_light == settings.get("dark_on_light", True)
    assert reading.skew_degrees == pytest.approx(settings.get("turn_degrees", 0.0), abs=1.5)
    for digit, (x, y, width, height) in zip(reading.digits, paper.boxes, strict=True):
        allowed = 2 + 0.12 * height
        assert digit.box.x == pytest.approx(x, abs=allowed)
        assert digit.box.y == pytest.approx(y, abs=allowed)
        assert digit.box.x + digit.box.width == pytest.approx(x + width, abs=allowed)
        assert digit.box.y + digit.box.height == pytest.approx(y + height, abs=allowed)
        assert digit.reason is None
        assert digit.probability is not None
        assert digit.probability > 0.99


def test_what_is_uncertain_is_refused_with_both_candidates():
    for digit in read_page(page().image, undecided).digits:
        assert digit.digit is None
        assert digit.guess == 4
        assert digit.reason == "uncertain: 4 or 9"
    bold = ReaderSettings(least_probability=0.4, least_agreement=0.0)
    assert {digit.digit for digit in read_page(page().image, undecided, bold).digits} == {4}


def test_what_changes_when_turned_is_refused():
    settings = ReaderSettings(least_probability=0.5)
    reasons = {digit.reason for digit in read_page(page().image, fickle, settings).digits}
    assert reasons == {"read differently when turned a little"}


def test_shapes_are_refused_whatever_the_predictor_says():
    image = page(noise=0.0).image.copy()
    cv2.line(image, (20, 30), (110, 30), (38, 44, 92), 5)
    lines = read_page(image, bar)
    refused = [digit for digit in lines.digits if digit.digit is None]
    assert [digit.reason for digit in refused] == ["far smaller than the other marks"]
    assert refused[0].probability is None
    assert "".join(line.replace("?", "") for line in lines.lines) == "".join(TEXT)


def test_a_mark_cut_off_by_the_edge_is_refused():
    paper = page()
    left = int(paper.boxes[:, 0].min())
    cut = read_page(paper.image[:, left + 8 :], bar)
    assert "cut off by the edge of the image" in {digit.reason for digit in cut.digits}


def test_a_page_on_a_dark_table_is_read():
    paper = page().image
    height, width = paper.shape[:2]
    table = np.full((height + 160, width + 200, 3), (60, 45, 30), np.uint8)
    table[80 : 80 + height, 100 : 100 + width] = paper
    reading = read_page(table, bar)
    assert reading.lines == TEXT
    assert reading.dark_on_light is True


def test_grey_and_colour_read_the_same():
    image = page().image
    assert read_page(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), bar) == read_page(image, bar)


def test_an_empty_page_reads_empty():
    reading = read_page(np.full((300, 200, 3), 240, np.uint8), bar)
    assert reading.digits == ()
    assert reading.lines == ()
    assert reading.dark_on_light is None
    assert np.array_equal(draw_reading(np.full((300, 200), 240, np.uint8), reading)[..., 0], np.full((300, 200), 240))


def test_what_cannot_be_read_is_refused_in_one_line():
    dots = np.full((1200, 1200), 220, np.uint8)
    for row in range(6):
        for column in range(6):
            dots[row + 5 :: 20, column + 5 :: 20] = 30
    cases = [
        (np.zeros((50, 50, 3), np.float32), "expected uint8"),
        (np.zeros((50, 50, 4), np.uint8), "expected uint8"),
        (np.zeros((4, 50), np.uint8), "8 x 8"),
        (dots, "3600 separate marks"),
    ]
    for image, words in cases:
        with pytest.raises(DataError, match=words) as error:
            read_page(image, bar)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("answer", [np.zeros((3, 10)), np.full((60, 10), np.nan), np.zeros((60, 9))])
def test_a_predictor_that_answers_otherwise_is_refused(answer):
    with pytest.raises(DataError, match="predictor answered"):
        read_page(page().image, lambda images: answer)


def test_the_drawing_tells_read_from_refused_by_colour_and_line():
    image = page(noise=0.0, light=0.0).image

    def painted(reading: PageReading, colour: tuple[int, int, int]) -> int:
        drawn = draw_reading(image, reading)
        assert drawn.shape == image.shape
        return int((np.abs(drawn.astype(int) - colour).sum(axis=2) < 12).sum())

    read, refused = read_page(image, bar), read_page(image, undecided)
    assert painted(read, READ) > 12 * 60
    assert painted(read, REFUSED) == 0
    assert painted(refused, READ) == 0
    outline = sum(2 * (digit.box.width + digit.box.height) for digit in refused.digits)
    assert 0.2 * outline < painted(refused, REFUSED)
    assert np.array_equal(image, page(noise=0.0, light=0.0).image)  # the page itself is not drawn on


def test_the_embedded_digits_make_a_page_that_an_8x8_predictor_can_read():
    digits = datasets.load("digits8x8")
    chosen = np.arange(24)
    paper = make_page(list(digits.test_x[chosen]), np.random.default_rng(0), PaperSettings(columns=6, turn_degrees=6))
    train = digits.train_x.reshape(-1, 64).astype(float)

    def nearest(images: np.ndarray) -> np.ndarray:
        distance = ((images.reshape(-1, 1, 64) - train[None]) ** 2).sum(axis=2)
        return np.stack([-distance[:, digits.train_y == k].min(axis=1) for k in range(10)], axis=1) / 4000

    reading = read_page(paper.image, nearest, ReaderSettings(size=8))
    assert [len(line) for line in reading.lines] == [6, 6, 6, 6]
    pairs = [
        (d.digit, int(t)) for d, t in zip(reading.digits, digits.test_y[chosen], strict=True) if d.digit is not None
    ]
    assert len(pairs) >= 16
    assert sum(d != t for d, t in pairs) <= 1


def test_a_page_of_nothing_cannot_be_made():
    with pytest.raises(StudyError, match="no digits"):
        make_page([], np.random.default_rng(0))
    with pytest.raises(StudyError, match="no ink"):
        make_page([np.zeros((28, 28), np.uint8)], np.random.default_rng(0))
