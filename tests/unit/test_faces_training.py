"""Training detectors and carrying what was trained, on drawn faces; and how detectors are judged against one another."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from quintet.bundle import Bundle
from quintet.errors import DataError
from quintet.network import Net
from quintet.weights import initial_weights
from quintet_systems.faces import defaults
from quintet_systems.faces.comparison.crops import aligned
from quintet_systems.faces.conditions import CONDITIONS
from quintet_systems.faces.drawn import draw_face, draw_gallery
from quintet_systems.faces.engine.boxes import overlap, square_of
from quintet_systems.faces.engine.hog import Hog
from quintet_systems.faces.engine.net_embedder import NetEmbedder
from quintet_systems.faces.networks import SIDE, embedder_recipe
from quintet_systems.faces.protocols.detection import Trial, changed, found_by, judge_cascade, try_under
from quintet_systems.faces.training.hog_detector import Place, train_hog
from quintet_systems.faces.training.splits import PARTS, fold_of, part_of, scenes_for


def place(person: int) -> Place:
    """Return a drawn face of about half the width of a picture as large as LFW's."""
    rng = np.random.default_rng(person)
    ground = np.full((176, 176, 3), rng.integers(40, 200, 3), np.uint8)
    face, landmarks = draw_face(person, 110)
    ground[36:146, 38:148] = face
    return Place(picture=ground, landmarks=landmarks + np.array([38, 36]))


def scene(seed: int) -> np.ndarray:
    """Return a picture of coloured stripes and blocks."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (int(rng.integers(3, 12)), int(rng.integers(3, 12)), 3)).astype(np.uint8)
    return np.kron(blocks, np.ones((150 // len(blocks), 150 // blocks.shape[1], 1), np.uint8))


def test_hog_learns_drawn_faces_and_keeps_quiet_on_scenes():
    weights, threshold = train_hog(
        [place(i) for i in range(40)],
        [scene(i) for i in range(20)],
        [place(i).picture for i in range(100, 140)],
        [scene(i) for i in range(100, 120)],
    )
    detector = Hog(weights, threshold)
    hits = 0
    for i in range(200, 230):
        one = place(i)
        true = np.array(square_of(one.landmarks))
        hits += any(overlap(true, np.array(found.box)[None])[0] > 0.5 for found in detector(one.picture))
    assert hits >= 27
    assert sum(len(detector(scene(i))) for i in range(200, 220)) <= 2


def trial(name: str, hits: int, quiet: int, n: int = 200) -> Trial:
    """Return a detector that finds the first `hits` of `n` faces and is quiet on the first `quiet` of `n` scenes."""
    return Trial(
        detector=name,
        hits=np.arange(n) < hits,
        alarms=(np.arange(n) >= quiet).astype(int),
        times_ms=np.full(n, 2.0),
    )


@pytest.mark.parametrize(
    ("hits", "quiet", "verdict"),
    [(190, 180, "reproduced"), (170, 180, "cannot be told"), (170, 199, "reproduced"), (190, 150, "not reproduced"),
     (140, 180, "not reproduced")],
)  # fmt: skip
def test_the_claim_on_cascades_is_judged_in_all_three_ways(hits, quiet, verdict):
    assert f"Against hog: {verdict}; recall" in judge_cascade(trial("cascade", hits, quiet), trial("hog", 170, 180))


def test_conditions_have_their_say_in_the_claim():
    more, fewer = ({("blur", 1): np.arange(200) < n} for n in (190, 150))
    same = trial("cascade", 170, 180), trial("hog", 170, 180)
    assert "reproduced; recall" in judge_cascade(*same, (more, fewer))
    assert "not reproduced; recall" in judge_cascade(*same, (fewer, more))
    assert "under the conditions 95.0 against 75.0 % of 200 faces" in judge_cascade(*same, (more, fewer))


@pytest.mark.parametrize("name", ["mask", "sunglasses", "scarf"])
def test_what_covers_a_face_is_drawn_where_it_usually_is(name):
    picture = np.random.default_rng(0).integers(0, 256, (176, 176, 3)).astype(np.uint8)
    made = changed(picture, CONDITIONS[name], 3, seed=1)
    differs = (made != picture).any(2)
    assert 0.02 < differs.mean() < 0.4
    assert not differs[:20].any()
    assert not differs[:, :25].any()  # background
    assert differs[85:125, 60:130].any()


def test_every_condition_but_pose_is_tried_on_every_face():
    class Nobody:
        name = "nobody"

        def __call__(self, picture: np.ndarray) -> list:
            return []

    hits = try_under(Nobody(), [scene(i)[:150, :150] for i in range(3)], list(CONDITIONS))
    assert len(hits) == 5 * (len(CONDITIONS) - 1)
    assert not any(one.any() for one in hits.values())
    assert {one.shape for one in hits.values()} == {(3,)}


def test_what_a_detector_found_is_counted():
    found = found_by(trial("hog", 150, 190))
    assert (found.recall, found.false_alarms, found.with_alarm) == (0.75, 0.05, 0.05)
    assert found.recall_interval.low is not None
    assert 0.68 < found.recall_interval.low < 0.75


def test_a_carried_embedder_is_the_trained_one(tmp_path: Path):
    recipe = embedder_recipe("small", (SIDE, SIDE, 3), people=4000)
    assert isinstance(recipe.net, Net)
    weights = initial_weights(recipe.net, np.random.default_rng(0), "he")
    made = NetEmbedder(Bundle(net=recipe.net, weights=weights, labels=(), card={}), "made", {"name": "made"})
    defaults.carry_embedder(Bundle(net=recipe.net, weights=weights, labels=(), card={}), {"name": "quintet"}, tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 2 << 20
    carried = defaults.open_embedder(tmp_path)
    crops = aligned(*draw_gallery(range(3), 2)).crops
    assert carried.card == {"name": "quintet", "use": "for trying out, not for a real door"}
    assert np.allclose(made(crops), carried(crops), atol=5e-3)  # half precision


def test_an_embedder_refuses_a_network_that_is_none():
    recipe = embedder_recipe("tiny", (SIDE, SIDE, 3), people=5)
    assert isinstance(recipe.net, Net)
    grey = Net(name="grey", input_shape=(SIDE, SIDE, 1), layers=recipe.net.layers, loss=recipe.net.loss)
    weights = initial_weights(grey, np.random.default_rng(0), "he")
    with pytest.raises(DataError, match="expected an embedder of square colour pictures"):
        NetEmbedder(Bundle(net=grey, weights=weights, labels=(), card={}), "grey", {})


def test_whatever_is_carried_is_small_and_has_its_card():
    for name in defaults.carried():
        card = defaults.card(name)
        assert (defaults.FOLDER / f"{name}.npz").stat().st_size <= 2 << 20
        assert {"name", "licence", "source", "trained_on", "measured", "use"} <= set(card)


def test_parts_follow_from_content_and_folds_from_names():
    scenes = [(str(i), scene(i)) for i in range(60)]
    split = {part: scenes_for(part, scenes) for part in PARTS}
    assert sum(map(len, split.values())) == 60
    assert len(split["train"]) > len(split["test"]) > 0
    assert part_of("Ann") == part_of(b"Ann")
    assert [fold_of(name) for name in ("lfw-fold0", "lfw-fold9", "lfw", "lfw-fold10")] == [0, 9, None, None]
    assert asdict(found_by(trial("x", 1, 1)))["n_scenes"] == 200
