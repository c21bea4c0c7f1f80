"""Training the cascade: each net on what the nets before it let through.

Where the faces and their landmarks are is what YuNet says of LFW's training people: a teacher, as LFW has neither. A net gives a
score that is to be 1 for a face and -1 for none, and for `refine` how to move the square, for `place` the landmarks; for what is
no face these are to be 0, their mean.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np

from quintet.bundle import Bundle
from quintet.layers import Dense
from quintet.losses import MeanSquaredError
from quintet.network import Net
from quintet.optimiser import Adam
from quintet.recipe import Recipe
from quintet_systems.faces.engine.align import windows
from quintet_systems.faces.engine.boxes import overlap, square_of
from quintet_systems.faces.engine.cascade import LEAST_FACE, SHIFT, Cascade, Thresholds, numbers_of
from quintet_systems.faces.networks import cascade_nets
from quintet_systems.faces.training.hog_detector import Place, quiet_threshold

PER_FACE = {"propose": 6, "refine": 5, "place": 4}  # squares on a face
PER_VIEW = {"propose": 30, "refine": 30, "place": 40}  # squares in a view of a scene; a scene has VIEWS
VIEWS, BESIDE = 4, 4  # BESIDE: squares in a picture with a face, beside it
LOOSE = 1.2  # what a net learns from passes the nets before it with this much less than their thresholds: else too little does
KEEP = {"propose": 0.002, "refine": 0.004}  # share of validation faces that a net may lose
AUGMENT = {"flip": 0.0, "contrast": 0.4, "brightness": 40, "tint": 15}  # no mirror: landmarks would have to follow
LEAST = -0.8  # of `place`: below it nothing is looked at
EVERYTHING = Thresholds(propose=-9.0, refine=-9.0, place=-9.0)
OnStage = Callable[[str], None]


def train_cascade(
    faces: Sequence[Place],
    scenes: Sequence[np.ndarray],
    validation_faces: Sequence[Place],
    validation_scenes: Sequence[np.ndarray],
    folder: Path,
    library: str,
    seed: int = 1,
    on_stage: OnStage = lambda _: None,
) -> tuple[Mapping[str, Bundle], Thresholds]:
    """Return the three trained nets and their thresholds."""
    rng = np.random.default_rng(seed)
    made: dict[str, Bundle] = {}
    levels = EVERYTHING
    for name, net in cascade_nets().items():
        on_stage(name)
        x, y = _samples(name, net.input_shape[0], faces, scenes, made, levels, rng)
        made[name] = fit_with_recipe(net, x, y, folder, library, seed)
        if name != "place":
            lost = float(np.quantile(_best(name, made, levels, validation_faces), KEEP[name]))
            levels = replace(levels, **{name: lost})
    scan, shown = Cascade(made, replace(levels, place=LEAST)), [face.picture for face in validation_faces]
    return made, replace(levels, place=quiet_threshold(scan, shown, validation_scenes, LEAST))


def fit_with_recipe(net: Net, x: np.ndarray, y: np.ndarray, folder: Path, library: str, seed: int) -> Bundle:
    """Return the net trained by Adam at a cosine rate."""
    from quintet_systems.faces.training.fitting import fit_net

    recipe = Recipe(
        net=net, optimiser=Adam(), rate=2e-3, schedule="cosine", warmup=0.1, batch_size=256, epochs=12, augment=AUGMENT,
        initial="he",
    )  # fmt: skip
    return fit_net(recipe, x, y, folder, library, seed)


def _samples(
    name: str,
    side: int,
    faces: Sequence[Place],
    scenes: Sequence[np.ndarray],
    made: Mapping[str, Bundle],
    levels: Thresholds,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return windows `(n, side, side, 3)` and targets `(n, 1, 4 or 11)` for one net."""
    scan = Cascade({**made, **_missing(made)}, _looser(levels, LOOSE)) if made else None
    x, y = [], []
    for place in faces:
        true = np.array(square_of(place.landmarks))
        near = _near(true, rng, PER_FACE[name], 0.12 if name == "place" else 0.2)
        x.append(windows(place.picture, near, side))
        y += [_target(name, square, true, place.landmarks) for square in near]
        wrong = _through(name, scan, place.picture, rng, 5 * BESIDE)
        wrong = wrong[overlap(true, np.c_[wrong[:, :3], wrong[:, 2]]) < 0.3][:BESIDE]
        if len(wrong):
            x.append(windows(place.picture, wrong, side))
            y += [_target(name, None, true, place.landmarks)] * len(wrong)
    for scene in scenes:
        for view in _views(scene, rng):
            wrong = _through(name, scan, view, rng, PER_VIEW[name])[: PER_VIEW[name]]
            if len(wrong):
                x.append(windows(view, wrong, side))
                y += [_target(name, None, None, None)] * len(wrong)
    return np.concatenate(x), np.stack(y).astype(np.float32)


def _views(scene: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Return VIEWS pictures that a scene gives: itself, its mirror image, and parts enlarged, turned by quarters."""
    high, wide = scene.shape[:2]
    views = [scene, np.ascontiguousarray(scene[:, ::-1])]
    while len(views) < VIEWS:
        side = int(rng.uniform(0.4, 0.8) * min(high, wide))
        top, left = (int(rng.integers(0, length - side + 1)) for length in (high, wide))
        part = np.rot90(scene[top : top + side, left : left + side], int(rng.integers(0, 4)))
        views.append(cv2.resize(np.ascontiguousarray(part), (min(high, wide),) * 2, interpolation=cv2.INTER_LINEAR))
    return views


def _target(name: str, square: np.ndarray | None, true: np.ndarray | None, landmarks: np.ndarray | None) -> np.ndarray:
    width = {"propose": 1, "refine": 4, "place": 11}[name]
    if square is None:
        return np.r_[-1.0, np.zeros(width - 1)]
    assert true is not None
    if name == "propose":
        return np.ones(1)
    if name == "refine":
        middle = (true[:2] + true[2] / 2 - square[:2] - square[2] / 2) / square[2]
        return np.r_[1.0, middle / SHIFT, np.log(true[2] / square[2]) / SHIFT]
    assert landmarks is not None
    return np.r_[1.0, numbers_of(square, landmarks)]


def _near(true: np.ndarray, rng: np.random.Generator, count: int, loose: float) -> np.ndarray:
    """Return squares `(count, 3)` about a face, as a scan's steps leave them."""
    side = true[2] * np.exp(rng.uniform(-loose, loose, count))
    shift = rng.uniform(-loose / 2, loose / 2, (count, 2)) * true[2]
    return np.c_[true[:2] + true[2] / 2 + shift - side[:, None] / 2, side]


def _through(name: str, scan: Cascade | None, picture: np.ndarray, rng: np.random.Generator, count: int) -> np.ndarray:
    """Return squares `(n, 3)` that the nets before `name` let through, the likeliest first; before the first, random ones."""
    if scan is None:
        high, wide = picture.shape[:2]
        side = rng.uniform(LEAST_FACE / min(high, wide), 1.0, count) * min(high, wide)
        return np.c_[rng.uniform(0, wide - side), rng.uniform(0, high - side), side]
    squares = scan.proposed(picture)
    return (squares if name == "refine" else scan.refined(picture, squares))[:, :3]


def _best(name: str, made: Mapping[str, Bundle], levels: Thresholds, faces: Sequence[Place]) -> list[float]:
    """Return for each face the highest score that `name` gives to a square on it."""
    scan = Cascade({**made, **_missing(made)}, levels)
    best = []
    for place in faces:
        true = np.array(square_of(place.landmarks))
        squares = scan.proposed(place.picture)
        if name == "refine":
            squares = scan.refined(place.picture, squares)
        on = squares[overlap(true, np.c_[squares[:, :3], squares[:, 2]]) > 0.35] if len(squares) else squares
        best.append(float(on[:, 3].max()) if len(on) else -1.0)
    return best


def _missing(made: Mapping[str, Bundle]) -> dict[str, Bundle]:
    """Return nets that stand for those that are not trained yet and are not asked."""
    from quintet.weights import initial_weights

    net = Net(name="nothing", input_shape=(1,), layers=(Dense(units=1),), loss=MeanSquaredError())
    nothing = Bundle(net=net, weights=initial_weights(net, np.random.default_rng(0)), labels=(), card={})
    return {name: nothing for name in ("refine", "place") if name not in made}


def _looser(levels: Thresholds, by: float) -> Thresholds:
    return Thresholds(**{name: level - by for name, level in asdict(levels).items()})
