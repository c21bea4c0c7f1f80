"""Conditions, hand-crafted features, galleries and the whole comparison, on drawn faces."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from quintet.errors import DataError
from quintet_systems.faces.comparison.crops import Crops, aligned
from quintet_systems.faces.comparison.measuring import (
    UNCHANGED,
    fit_by_fold,
    grid,
    identify,
    random_splits,
    some_of_each_fold,
    taught_by,
    tuning_folds,
    verify_pairs,
)
from quintet_systems.faces.comparison.methods import Method, at_most, handcrafted
from quintet_systems.faces.comparison.report import write_report
from quintet_systems.faces.comparison.study import Difference, compare_faces
from quintet_systems.faces.conditions import CONDITIONS
from quintet_systems.faces.data.gallery import Gallery, folder, light_subset
from quintet_systems.faces.data.lfw import Pair
from quintet_systems.faces.drawn import Told, draw_face, draw_gallery
from quintet_systems.faces.handcrafted.features import METHODS
from quintet_systems.faces.system import nearest_is_the_same

PEOPLE, SHOTS = 6, 5


@pytest.fixture(scope="module")
def drawn() -> tuple[Gallery, Told]:
    return draw_gallery(range(PEOPLE), SHOTS)


@pytest.fixture(scope="module")
def crops(drawn) -> Crops:
    return aligned(*drawn)


@pytest.mark.parametrize("condition", CONDITIONS.values(), ids=lambda one: one.name)
def test_a_condition_follows_from_its_seed_and_grows_with_its_level(condition, crops):
    faces = crops.crops[:4]
    assert condition(faces, 0, 1) is faces
    made = [condition(faces, level, 1) for level in range(1, 6)]
    assert all(one.shape == faces.shape and one.dtype == np.uint8 for one in made)
    assert np.array_equal(condition(faces, 3, 1), made[2])
    away = [float(np.abs(one.astype(int) - faces).mean()) for one in made]
    assert away[0] > 0
    assert away == sorted(away) or condition.name in ("block", "turn")  # chance has a part in where those fall
    assert away[4] > away[0]


@pytest.mark.parametrize("name", METHODS)
def test_hand_crafted_features_tell_drawn_people_apart(name, crops):
    made = METHODS[name](crops.crops, crops.people)
    embeddings = made(crops.crops)
    assert np.allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    _, index = np.unique(crops.people, return_inverse=True)
    assert nearest_is_the_same(index, embeddings) > 0.8  # by chance 0.14
    assert np.allclose(made(crops.crops[:1]), embeddings[:1], atol=1e-5)


def test_features_that_learn_refuse_too_few_people(crops):
    with pytest.raises(DataError, match="expected at least 2"):
        METHODS["fisherfaces"](crops.crops[:SHOTS], crops.people[:SHOTS])
    with pytest.raises(DataError, match="expected at least 2"):
        METHODS["eigenfaces"](crops.crops[:1], crops.people[:1])


def test_random_splits_keep_every_person_on_both_sides_and_no_picture_on_two(crops):
    for gallery, searches in random_splits(crops.people, 3, 4):
        assert not set(gallery) & set(searches)
        assert len(gallery) == 3 * PEOPLE
        assert set(crops.people[searches]) == set(crops.people)
    (gallery, searches), *_ = random_splits(np.array(["a", "a", "b"]), 5, 1)
    assert (len(gallery), len(searches)) == (1, 1)


def test_a_face_that_was_not_found_is_a_miss(crops):
    some = crops.found.copy()
    some[::SHOTS] = False
    hidden = Crops(
        name="h", crops=crops.crops, found=some, detected=some, people=crops.people, conditions=crops.conditions
    )
    splits = [(np.flatnonzero(np.arange(30) % SHOTS > 2), np.flatnonzero(np.arange(30) % SHOTS < 2))]
    (lbp,) = [method for method in handcrafted() if method.name == "lbp"]
    values = identify(hidden, splits, [lbp], [(UNCHANGED, 0)])
    assert values["lbp", UNCHANGED, 0].max() <= 0.5


def test_a_method_is_never_fitted_on_the_people_of_the_fold_it_is_tested_on(crops):
    people = [f"p{i}" for i in range(PEOPLE)]
    pairs = [
        Pair(first=f"{one}_0000", second=f"{other}_0001", same=one == other, fold=fold)
        for fold, (a, b) in enumerate([people[:2], people[2:4], people[4:]])
        for one, other in ((a, a), (b, b), (a, b), (b, a))
    ]
    seen: list[set[str]] = []

    def fit(faces: np.ndarray, named: np.ndarray):
        seen.append(set(named))
        return METHODS["lbp"](faces, named)

    spy = Method(name="spy", kind="hand-crafted", fits=True, fit=fit, card={"name": "spy"})
    faces = {f"p{i}_{shot:04d}": (crops.crops[i * SHOTS + shot], True) for i in range(PEOPLE) for shot in range(SHOTS)}
    values = verify_pairs(pairs, faces, [spy], fit_by_fold([spy], pairs, crops), grid(["blur"]))
    assert [sorted(one) for one in seen] == [people[4:], people[:2], people[2:4]]  # the third fold gives the threshold
    assert values["spy", UNCHANGED, 0].shape == (3,)
    assert values["spy", UNCHANGED, 0].mean() > 0.7
    assert taught_by(pairs, 0, np.array(["p0", "p1", "p2", "p4", "nobody's"])).tolist() == [False] * 3 + [True] * 2
    assert tuning_folds([0, 1, 2], 0, fits=False) == [1, 2]
    assert len(some_of_each_fold(pairs, 2)) == 6


def test_at_most_keeps_whole_people_with_several_pictures_first():
    people = np.array(["a"] * 3 + ["b"] * 3 + list("cdefgh"))
    crops, kept = at_most(np.zeros((12, 1)), people, 8)
    assert len(crops) == len(kept) <= 8
    assert {"a", "b"} <= set(kept)


def test_the_whole_comparison_on_a_folder(drawn, tmp_path: Path):
    gallery, detector = drawn
    place = tmp_path / "faces"
    for picture, person, name in zip(gallery.pictures, gallery.people, gallery.names, strict=True):
        (place / person).mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(place / person / f"{name}.png")
    said: list[str] = []
    result = compare_faces(
        detector, {"name": "drawn"}, handcrafted(), sets=[str(place)], conditions=["mask", "noise"], splits=2,
        on_step=lambda phase, done, total: said.append(phase),
    )  # fmt: skip
    assert len(result.cells) == len(METHODS) * 11
    assert {cell.accuracy.n for cell in result.cells} == {PEOPLE}
    unchanged = {c.method: c.accuracy.mean for c in result.cells if c.condition == UNCHANGED}
    assert min(value or 0 for value in unchanged.values()) > 0.8
    assert result.claims == ()  # nothing learned was compared
    assert said
    text, plot = write_report(result, tmp_path / "out")
    assert "mask, share of the way from chin to eyes: 1" in text.read_text()
    assert plot.read_bytes().startswith(b"<?xml")


def test_the_claim_is_judged_in_all_three_ways():
    from quintet_systems.faces.comparison.study import _robust

    def one(p: float | None, mean: float = 0.1) -> Difference:
        return Difference(
            data="att",
            condition="blur",
            learned="net",
            handcrafted="lbp",
            mean=mean,
            low=None,
            high=None,
            n=40,
            p_adjusted=p,
        )

    assert "reproduced: better in 2 of 2" in _robust("net", [one(0.01), one(0.04)])
    assert "cannot be told: better in 1 of 2" in _robust("net", [one(0.01), one(0.2)])
    assert "not reproduced: better in 1 of 2" in _robust("net", [one(0.01), one(0.01, -0.1)])


def test_a_folder_of_faces_names_what_is_wrong_with_it(tmp_path: Path):
    with pytest.raises(DataError, match="expected a folder with a folder"):
        folder(tmp_path / "nowhere")
    picture, _ = draw_face(1, 64)
    for name in ("ann/1.png", "ann/2.png", "bob/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(picture if name != "ann/2.png" else 255 - picture).save(tmp_path / name)
    (tmp_path / "bob" / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "bob" / "notes.txt").write_text("not a picture")
    found = folder(tmp_path)
    assert found.names == ("ann/1.png", "ann/2.png", "bob/1.png")
    assert found.twins == (("ann/1.png", "bob/1.png"),)
    assert [name for name, _ in found.broken] == ["bob/cut.jpg"]
    (tmp_path / "bob" / "1.png").unlink()
    with pytest.raises(DataError, match="pictures of 1 person, expected at least two"):
        folder(tmp_path)


def test_light_subsets_need_an_angle_in_the_name():
    assert light_subset("yaleB11_P00A+035E+40.jpg") == 3
    with pytest.raises(DataError, match="angle of its light"):
        light_subset("portrait.jpg")


def test_nearest_leaves_people_with_one_picture_out():
    rows = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
    assert nearest_is_the_same(np.array([0, 0, 1]), rows) == 1
    assert nearest_is_the_same(np.array([0, 1, 2]), rows) == 0
