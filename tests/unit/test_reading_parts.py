"""The steps of reading a page, each by itself: ink, skew, rules, marks, lines, normal form, familiarity."""

import cv2
import numpy as np
import pytest

from quintet import datasets
from quintet.decision import fit_temperature
from quintet.errors import BundleError, StudyError
from quintet_systems.digits.confidence import VIEWS, views
from quintet_systems.digits.familiarity import learn, load_familiarity, save_familiarity
from quintet_systems.digits.ink import find_ink
from quintet_systems.digits.lines import in_lines
from quintet_systems.digits.marks import Mark, find_marks
from quintet_systems.digits.normalise import normalise, stroke_width
from quintet_systems.digits.rules import without_rules
from quintet_systems.digits.shape import not_a_digit
from quintet_systems.digits.straighten import page_skew, shear, slant, turn_matrix
from quintet_systems.digits.touching import partitions


def bars(degrees: float = 0.0) -> np.ndarray:
    """A page of two rows of upright bars, turned clockwise."""
    mask = np.zeros((400, 600), np.uint8)
    for row in (120, 240):
        for column in range(100, 500, 50):
            mask[row : row + 40, column : column + 8] = 1
    matrix, canvas = turn_matrix(mask.shape, -degrees)
    return cv2.warpAffine(mask, matrix, canvas) > 0


def mark(x: int, y: int, width: int = 20, height: int = 40) -> Mark:
    return Mark(x=x, y=y, ink=np.full((height, width), 255, np.uint8))


@pytest.mark.parametrize("dark_on_light", [True, False])
def test_ink_is_found_in_uneven_light_whichever_way_round(dark_on_light):
    light = np.linspace(90, 250, 300)[None, :] * np.ones((200, 1))
    truth = np.zeros((200, 300), bool)
    truth[60:140, 40:46] = truth[60:140, 240:246] = True
    page = np.where(truth, 0.3 * light, light)
    if not dark_on_light:
        page = 255 - page
    ink = find_ink(np.clip(page, 0, 255).astype(np.uint8))
    assert ink is not None
    assert ink.dark_on_light == dark_on_light
    found = ink.strength > ink.threshold
    assert found[truth].all()
    assert found[~cv2.dilate(truth.astype(np.uint8), np.ones((5, 5))).astype(bool)].sum() == 0


def test_paper_alone_has_no_ink():
    rng = np.random.default_rng(0)
    assert find_ink(np.full((100, 100), 128, np.uint8)) is None
    assert find_ink(np.clip(rng.normal(200, 8, (300, 300)), 0, 255).astype(np.uint8)) is None


@pytest.mark.parametrize("degrees", [-18.0, -7.5, -1.0, 0.0, 3.0, 12.0, 20.0])
def test_skew_is_found_from_rows_and_from_rules(degrees):
    assert page_skew(bars(degrees)) == pytest.approx(degrees, abs=0.7)
    ruled = np.zeros((400, 600), np.uint8)
    ruled[100::60] = 1
    matrix, canvas = turn_matrix(ruled.shape, -degrees)
    assert page_skew(cv2.warpAffine(ruled, matrix, canvas) > 0) == pytest.approx(degrees, abs=0.4)


def test_one_mark_shows_no_skew():
    alone = np.zeros((100, 100), bool)
    alone[20:80, 40:50] = True
    assert page_skew(alone) == 0.0
    assert page_skew(np.zeros((100, 100), bool)) == 0.0


@pytest.mark.parametrize("lean", [-0.5, -0.2, 0.0, 0.3, 0.6])
def test_slant_is_measured_and_undone(lean):
    upright = np.zeros((80, 40), np.uint8)
    upright[10:70, 17:23] = 255
    leaning = shear(upright, -lean)
    assert slant(leaning) == pytest.approx(lean, abs=0.03)
    assert slant(shear(leaning, slant(leaning))) == pytest.approx(0.0, abs=0.05)


def test_rules_go_and_strokes_that_cross_them_stay():
    page = np.zeros((300, 500), bool)
    page[100:160, 200:206] = True
    page[130:133] = True
    page[:, 350:352] = True  # squared paper
    clean = without_rules(page)
    assert clean[100:160, 200:206].all()
    clean[95:165, 195:211] = False
    assert not clean.any()
    assert np.array_equal(without_rules(bars()), bars())


def test_parts_of_one_digit_are_joined_and_specks_dropped():
    page = np.zeros((200, 300), bool)
    page[50:90, 40:44] = page[50:90, 100:104] = page[50:90, 160:164] = True
    page[58:90, 220:224] = True  # a five, its flag apart
    page[50:54, 222:240] = True
    page[120:123, 50:53] = True
    found = find_marks(page)
    assert sorted((m.x, m.y, m.width, m.height) for m in found.marks) == [
        (40, 50, 4, 40), (100, 50, 4, 40), (160, 50, 4, 40), (220, 50, 20, 40),
    ]  # fmt: skip
    assert found.typical_height == 40
    assert find_marks(np.zeros((20, 20), bool)).marks == ()


def test_lines_are_read_as_one_reads():
    marks = [mark(200, 104), mark(10, 100), mark(100, 96), mark(12, 200), mark(210, 190), mark(100, 197, height=25)]
    assert in_lines(marks, 40) == [[1, 2, 0], [3, 5, 4]]
    assert in_lines([], 40) == []


def test_wide_marks_have_partitions_and_narrow_ones_none():
    pair = np.zeros((40, 60), np.uint8)
    cv2.circle(pair, (14, 20), 13, 255, 3)
    cv2.circle(pair, (44, 20), 13, 255, 3)
    pair[19:21, 27:31] = 255  # they touch
    ways = partitions(Mark(x=5, y=7, ink=pair))
    assert any(len(way) == 2 and abs(way[1].x - (5 + 29)) <= 3 for way in ways)
    assert partitions(mark(0, 0)) == []


def test_shapes_that_no_digit_has():
    filled, ring = np.full((40, 36), 255, np.uint8), np.zeros((40, 40), np.uint8)
    cv2.circle(ring, (20, 20), 17, 255, 4)
    lattice = np.zeros((41, 41), np.uint8)
    lattice[::10] = lattice[:, ::10] = 255
    lattice = cv2.dilate(lattice, np.ones((3, 3), np.uint8))
    assert not_a_digit(Mark(x=0, y=0, ink=ring), 40) is None
    assert not_a_digit(Mark(x=0, y=0, ink=filled), 40) == "a filled shape"
    assert not_a_digit(Mark(x=0, y=0, ink=lattice), 40) == "more holes than a digit has"
    assert not_a_digit(mark(0, 0, 100, 20), 30) == "too wide for a digit"
    assert not_a_digit(Mark(x=0, y=0, ink=ring), 10) == "far larger than the other marks"
    assert not_a_digit(Mark(x=0, y=0, ink=ring), 200) == "far smaller than the other marks"


@pytest.mark.parametrize("scale", [0.5, 1, 3, 7])
def test_mnist_form_is_20_in_28_and_centred_by_mass(scale):
    crop = np.zeros((round(80 * scale), round(60 * scale)), np.uint8)
    crop[round(10 * scale) : round(70 * scale), round(10 * scale) : round(18 * scale)] = 255
    crop[round(62 * scale) : round(70 * scale), round(10 * scale) : round(50 * scale)] = 255  # an L
    image = normalise(crop, 28)
    assert image.shape == (28, 28, 1)
    assert image.dtype == np.uint8
    rows = np.flatnonzero((image[..., 0] > 60).any(axis=1))
    assert 19 <= np.ptp(rows) + 1 <= 21
    weight = image[..., 0].astype(float)
    rows, columns = np.mgrid[:28, :28]
    assert (rows * weight).sum() / weight.sum() == pytest.approx(13.5, abs=0.6)
    assert (columns * weight).sum() / weight.sum() == pytest.approx(13.5, abs=0.6)


@pytest.mark.parametrize("pen", [1, 4, 12])
def test_every_pen_comes_out_with_a_usual_stroke(pen):
    crop = np.zeros((100, 100), np.uint8)
    cv2.circle(crop, (50, 50), 40, 255, pen)
    image = normalise(crop, 28)[..., 0]
    assert 1.2 <= stroke_width(cv2.resize(image, None, fx=4, fy=4)) / 4 <= 3.6


def test_optical_form_counts_4x4_blocks():
    crop = np.zeros((64, 64), np.uint8)
    crop[:, 24:32] = 255
    crop[:8, 8:56] = 255
    crop[56:, 8:56] = 255
    image = normalise(crop, 8)
    assert image.shape == (8, 8, 1)
    assert set(np.unique(image)) <= set(np.rint(np.arange(17) * 255 / 16).astype(int))
    assert image[0].max() == 255
    assert image[-1].max() == 255


def test_nothing_gives_nothing_and_another_size_is_refused():
    assert not normalise(np.zeros((10, 10), np.uint8), 28).any()
    assert views(np.zeros((10, 10), np.uint8), 8).shape == (VIEWS, 8, 8, 1)
    with pytest.raises(StudyError, match="expected 28"):
        normalise(np.zeros((10, 10), np.uint8), 32)


@pytest.mark.parametrize("heat", [0.5, 1.0, 4.0])
def test_the_temperature_of_overconfident_logits_is_found(heat):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (4000, 10))
    chance = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (chance.cumsum(axis=1) > rng.random((4000, 1))).argmax(axis=1)
    assert fit_temperature(heat * logits, labels) == pytest.approx(heat, rel=0.1)


def test_familiarity_knows_its_digits_from_others_and_survives_the_disk(tmp_path):
    digits = datasets.load("digits8x8")
    known = learn(digits.train_x, digits.train_y)
    shown = np.repeat(digits.test_x[:, None], VIEWS, axis=1)
    own = known.strangeness(shown, digits.test_y) <= 0
    other = known.strangeness(shown, (digits.test_y + 1) % 10) <= 0
    assert own.mean() > 0.9
    assert other.mean() < 0.1
    save_familiarity(tmp_path / "familiarity.npz", known)
    again = load_familiarity(tmp_path / "familiarity.npz")
    assert np.array_equal(again.distances(digits.test_x), known.distances(digits.test_x))

    content = (tmp_path / "familiarity.npz").read_bytes()
    for damaged in (b"", b"text", content[: len(content) // 2]):
        (tmp_path / "familiarity.npz").write_bytes(damaged)
        with pytest.raises(BundleError, match="familiarity"):
            load_familiarity(tmp_path / "familiarity.npz")
    with pytest.raises(BundleError, match="expected at least"):
        learn(digits.train_x[:50], digits.train_y[:50])
