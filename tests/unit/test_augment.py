"""The numpy distortion against a slow reading of its formula, pixel by pixel in float64."""

import math

import numpy as np
import pytest

from quintet_worker.augment import _spline, augment

EVERYTHING = {"shift": 3.0, "rotation": 15, "scale": 0.15, "shear": 0.2, "elastic": 1.0}


def images(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def slowly(x: np.ndarray, settings: dict, seed: int) -> np.ndarray:
    """Make the same draws in the same order, and read each pixel by itself."""
    rng = np.random.RandomState(seed)
    count, height, width, _ = x.shape

    def draw(limit: float) -> np.ndarray:
        return (rng.random_sample(count) * 2 - 1) * limit

    angle, shear, grow = (
        draw(math.radians(settings["rotation"])),
        draw(settings["shear"]),
        math.log1p(settings["scale"]),
    )
    scale_r, scale_c = np.exp(-draw(grow)), np.exp(-draw(grow))
    move_r, move_c = draw(settings["shift"]), draw(settings["shift"])
    knots = 7
    down, across = (np.asarray(_spline(size, knots), float) for size in (height, width))
    bend = np.zeros((2, count, height, width))
    if settings["elastic"]:
        size = math.sqrt((down**2).sum(1).mean() * (across**2).sum(1).mean())
        normals = rng.standard_normal((2, count, knots, knots)) * settings["elastic"] / size
        bend = np.einsum("rk,inkl,cl->inrc", down, normals, across)
    out = np.zeros(x.shape)
    padded = np.pad(x.astype(float), ((0, 0), (2, 3), (2, 3), (0, 0)))
    for i in range(count):
        cos, sin = math.cos(angle[i]), math.sin(angle[i])
        turn = np.array([[cos, sin], [-sin, cos]])
        matrix = np.diag([scale_r[i], scale_c[i]]) @ np.array([[1, 0], [shear[i], 1]]) @ turn
        for r in range(height):
            for c in range(width):
                middle = np.array([(height - 1) / 2, (width - 1) / 2])
                at = matrix @ (np.array([r, c]) - middle) + middle
                at += [move_r[i] + bend[0, i, r, c], move_c[i] + bend[1, i, r, c]]
                at = np.clip(at, -1, [height - 0.001, width - 0.001])
                low = np.floor(at).astype(int)
                (u, v), box = at - low, padded[i, low[0] + 2 : low[0] + 4, low[1] + 2 : low[1] + 4]
                rows = (1 - u) * box[0] + u * box[1]
                out[i, r, c] = (1 - v) * rows[0] + v * rows[1]
    return out


@pytest.mark.parametrize("shape", [(4, 28, 28, 1), (3, 9, 14, 3)])
def test_agrees_with_the_formula_read_slowly(shape: tuple[int, ...]) -> None:
    x = images(shape)
    made = augment(x, EVERYTHING, np.random.RandomState(3))
    assert made.dtype == np.uint8
    assert np.abs(made - slowly(x, EVERYTHING, 3)).max() < 0.75  # half a grey level of rounding, and float32


def test_nothing_asked_changes_nothing() -> None:
    x = images((3, 28, 28, 1))
    assert (augment(x, {}, np.random.RandomState(0)) == x).all()


def test_one_seed_gives_one_picture_and_another_gives_another() -> None:
    x = images((3, 28, 28, 1))
    first, again, other = (augment(x, EVERYTHING, np.random.RandomState(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_outside_the_picture_is_black() -> None:
    white = np.full((32, 28, 28, 1), 255, np.uint8)
    made = augment(white, {"shift": 40.0}, np.random.RandomState(5))
    assert made.min() == 0
    assert made.max() == 255


def test_a_repeated_border_leaves_no_black_corner() -> None:
    white = np.full((32, 28, 28, 1), 255, np.uint8)
    settings = {"shift": 40.0, "rotation": 30, "scale": 0.5, "border": "repeat"}
    assert augment(white, settings, np.random.RandomState(5)).min() == 255


def test_a_repeated_border_repeats_the_nearest_pixel_and_leaves_the_inside_as_it_was() -> None:
    x = images((6, 20, 24, 3))
    outside = {"shift": 6.0}
    black, repeated = (augment(x, s, np.random.RandomState(2)) for s in (outside, {**outside, "border": "repeat"}))
    inside = (augment(np.full_like(x, 255), outside, np.random.RandomState(2)) == 255).all(-1, keepdims=True)
    assert 0.5 < inside.mean() < 1
    assert np.where(inside, black == repeated, True).all()
    ramp = np.broadcast_to(np.arange(24, dtype=np.uint8)[:, None] * 10, x.shape)
    made = augment(ramp, {**outside, "border": "repeat"}, np.random.RandomState(2)).astype(int)
    assert (np.diff(made, axis=2) >= 0).all()  # a ramp to the right stays one: no dark edge in it
