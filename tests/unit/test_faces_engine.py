"""The engine's stages: alignment, boxes, quality, the pipeline, and what is refused."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.bundle import Bundle
from quintet.errors import DataError
from quintet.runtimes import NumpyPredictor
from quintet.weights import initial_weights
from quintet_systems.faces.drawn import draw_face
from quintet_systems.faces.engine.align import PLACES, align, similarity
from quintet_systems.faces.engine.boxes import best_of_overlapping, overlap, square_of
from quintet_systems.faces.engine.cascade import (
    PROPOSE,
    STRIDE,
    Cascade,
    Thresholds,
    landmarks_of,
    moved,
    numbers_of,
    windows,
)
from quintet_systems.faces.engine.face import Detection
from quintet_systems.faces.engine.hog import LENGTH, Hog
from quintet_systems.faces.engine.pipeline import STAGES, Engine, central
from quintet_systems.faces.engine.quality import frontal, inside, judge_quality
from quintet_systems.faces.networks import cascade_nets

angles, sizes, shifts = st.floats(-3.1, 3.1), st.floats(0.1, 8), st.floats(-300, 300)


@given(angles, sizes, shifts, shifts)
def test_similarity_is_found_again(angle, size, x, y):
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved_points = PLACES @ turn.T + [x, y]
    found = similarity(PLACES, moved_points)
    assert np.allclose(found, np.hstack([turn, [[x], [y]]]), atol=1e-6 * (1 + abs(x) + abs(y) + size * 100))


@pytest.mark.parametrize("size", [40, 90, 200, 600])
def test_aligned_landmarks_lie_on_their_places(size):
    picture, landmarks = draw_face(person=1, size=size, angle=0.3)
    marked = picture.copy() // 4
    for point, colour in zip(
        landmarks, ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)), strict=True
    ):
        column, row = np.round(point).astype(int)
        reach = max(1, size // 40)
        marked[row - reach : row + reach + 1, column - reach : column + reach + 1] = colour
    crop = align(marked, landmarks).astype(int)
    for place, colour in zip(
        PLACES, ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255)), strict=True
    ):
        column, row = np.round(place).astype(int)
        assert np.abs(crop[row, column] - colour).max() < 130


def test_overlap_and_the_best_of_overlapping():
    boxes = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [20, 20, 5, 5]], float)
    assert overlap(boxes[0], boxes).round(3).tolist() == [1.0, 0.333, 0.0]
    places = [(float(left), float(top), float(wide), float(high)) for left, top, wide, high in boxes]
    found = [Detection(box=box, score=score) for box, score in zip(places, (0.5, 0.9, 0.2), strict=True)]
    assert [one.score for one in best_of_overlapping(found)] == [0.9, 0.2]
    inner = [Detection(box=(0.0, 0.0, 100.0, 100.0), score=0.9), Detection(box=(10.0, 10.0, 20.0, 20.0), score=0.5)]
    assert len(best_of_overlapping(inner)) == 1


def test_square_follows_the_landmarks():
    left, top, side, _ = square_of(PLACES)
    assert square_of(PLACES * 2 + [10, 20]) == pytest.approx(
        (2 * left + 10, 2 * top + 20, 2 * side, 2 * side), abs=1e-3
    )


def test_quality_says_why():
    picture, landmarks = draw_face(person=2, size=160)
    whole = Detection(box=square_of(landmarks), score=1.0, landmarks=landmarks)
    assert judge_quality(picture, whole, align(picture, landmarks)).reasons == ()
    dark = picture // 12
    assert "too dark or too bright" in judge_quality(dark, whole, align(dark, landmarks)).reasons
    small, marks = draw_face(person=2, size=24)
    tiny = Detection(box=square_of(marks), score=1.0, landmarks=marks)
    assert "too small" in judge_quality(small, tiny, align(small, marks)).reasons
    soft = cv2.GaussianBlur(picture, (0, 0), 6)
    assert "blurred" in judge_quality(soft, whole, align(soft, landmarks)).reasons
    turned = landmarks.copy()
    turned[2] = turned[0] + (turned[2] - turned[0]) * [0.1, 1]
    aside = Detection(box=whole.box, score=1.0, landmarks=turned)
    assert "turned away" in judge_quality(picture, aside, align(picture, turned)).reasons
    cut = Detection(box=(-80.0, 0.0, 160.0, 160.0), score=1.0, landmarks=landmarks)
    assert "cut off by the picture's edge" in judge_quality(picture, cut, align(picture, landmarks)).reasons


def test_frontal_does_not_take_a_tilt_for_a_turn():
    angle = 0.6
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert frontal(PLACES) == pytest.approx(frontal(PLACES @ turn.T), abs=1e-5)
    assert inside((0, 0, 10, 10), (10, 5)) == pytest.approx(0.5)


class FakeDetector:
    """Finds what it was told of."""

    name = "fake"

    def __init__(self, *found: Detection) -> None:
        self.found = found

    def __call__(self, picture: np.ndarray) -> tuple[Detection, ...]:
        return self.found


class FakeEmbedder:
    """Says which channel is brightest."""

    name, card, size_bytes = "fake", {"name": "fake", "licence": "none"}, 0

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        y = crops.mean((1, 2), dtype=np.float32) + 1e-3
        return y / np.linalg.norm(y, axis=1, keepdims=True)


def test_the_pipeline_goes_through_its_stages_in_order():
    picture, landmarks = draw_face(person=3, size=120)
    one = Detection(box=square_of(landmarks), score=0.9, landmarks=landmarks)
    seen = Engine(FakeDetector(one, Detection(box=one.box, score=0.1)), FakeEmbedder())(picture)
    assert tuple(seen.stage_ms) == STAGES
    assert len(seen.faces) == 2
    assert np.array_equal(seen.faces[0].crop, align(picture, landmarks))
    assert np.linalg.norm(seen.faces[0].embedding) == pytest.approx(1)
    assert len(Engine(FakeDetector(one, one), FakeEmbedder())(picture, most=1).faces) == 1
    assert Engine(FakeDetector(), FakeEmbedder())(picture).faces == ()


def test_the_central_face_is_the_person_named():
    found = [Detection(box=(0.0, 0.0, 20.0, 20.0), score=0.99), Detection(box=(40.0, 40.0, 20.0, 20.0), score=0.5)]
    assert central(found, (100, 100)) is found[1]
    assert central([], (100, 100)) is None


def untrained() -> dict[str, Bundle]:
    rng = np.random.default_rng(0)
    return {
        n: Bundle(net=net, weights=initial_weights(net, rng, "he"), labels=(), card={})
        for n, net in cascade_nets().items()
    }


def test_the_scan_gives_what_the_net_gives_window_by_window():
    made = untrained()
    picture = np.random.default_rng(1).integers(0, 256, (30, 26, 3)).astype(np.uint8)
    everything = Thresholds(propose=-9.0, refine=-9.0, place=-9.0)
    scan = Cascade(made, everything)._scan(picture.shape[:2])(picture[None])[0, :, :, 0]
    alone = NumpyPredictor(made["propose"])
    for row in range(scan.shape[0]):
        for column in range(scan.shape[1]):
            top, left = row * STRIDE, column * STRIDE
            window = picture[top : top + PROPOSE, left : left + PROPOSE]
            assert alone(window[None])[0, 0] == pytest.approx(scan[row, column], abs=1e-4)


def test_landmarks_and_moves_are_found_again():
    rng = np.random.default_rng(2)
    square = np.array([30.0, 20.0, 64.0])
    points = rng.uniform(30, 90, (5, 2)).astype(np.float32)
    assert np.allclose(landmarks_of(square, numbers_of(square, points)), points, atol=1e-3)
    assert np.allclose(moved(square[None], np.array([[1.0, 0, 0, 0]])), [[30, 20, 64, 1.0]])


def test_a_window_of_its_own_size_is_the_picture_itself():
    picture = np.random.default_rng(3).integers(0, 256, (60, 70, 3)).astype(np.uint8)
    assert np.array_equal(windows(picture, np.array([[5.0, 7.0, 24.0]]), 24)[0], picture[7:31, 5:29])


def test_a_picture_smaller_than_every_window_has_no_face():
    tiny = np.zeros((8, 8, 3), np.uint8)
    assert Cascade(untrained(), Thresholds(propose=0.0, refine=0.0, place=0.0))(tiny) == []
    assert Hog(np.zeros(LENGTH, np.float32), 1.0)(tiny) == []


def test_hog_refuses_weights_of_another_shape():
    with pytest.raises(DataError, match=r"expected \(1765,\)"):
        Hog(np.zeros(12, np.float32))
