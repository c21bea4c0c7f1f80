"""The pets system from a folder of photos to a signed bundle, and what it makes of the real cats and dogs."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from quintet.datasets.album import PARTS
from quintet_systems.pets.drawn import draw, draw_folder


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of 400 photos of two labels, one of them broken, one there twice."""
    place = draw_folder(tmp_path_factory.mktemp("data") / "shapes", 200)
    (place / "disc/0.jpg").write_bytes((place / "disc/0.jpg").read_bytes()[:300])
    draw("square", 7).resize((80, 60)).save(place / "square/again.png")
    return place


def test_look_names_the_broken_and_the_alike(quintet, photos):
    said = quintet("pets", "look", str(photos), "--json")
    assert said.code == 1  # a photo is broken
    found = json.loads(said.out)
    assert [entry["name"] for entry in found["broken"]] == ["disc/0.jpg"]
    assert found["alike"] == [["square/3.jpg", "square/again.png"]]
    assert found["conflicts"] == []
    assert sum(found["photos"]["disc"].values()) == 199


@pytest.mark.timeout(900)
def test_from_a_folder_of_photos_to_a_signed_bundle_that_is_as_good_as_it_says(quintet, photos, tmp_path, monkeypatch):
    monkeypatch.setenv("QUINTET_CONFIG", str(tmp_path / "config"))
    words = ("--network", "nano", "--library", "torch", "--seeds", "1", "--epochs", "6", "--threads", "1")
    trained = quintet("train", "pets", "--data", str(photos), *words, "--out", "model", "--json")
    assert trained.code == 0, trained.err
    assert json.loads(trained.out)["scores"]["accuracy"]["mean"] > 0.85
    bundle = Path("model/bundle")

    exported = quintet("export", str(bundle), "--data", str(photos), "--margin", "0.06", "--json")
    assert exported.code == 0, exported.err
    found = json.loads(exported.out)
    assert len(found["exports"]) == 6
    assert set(found["decision"]) == set(found["exports"])
    assert (bundle / "answers.safetensors").is_file()

    assert quintet("bundle", "sign", str(bundle)).code == 0
    assert quintet("bundle", "verify", str(bundle)).code == 0
    for runtime, precision in (("numpy", "float32"), ("litert", "int8"), ("onnxruntime", "int8"), ("openvino", "int8")):
        judged = quintet(
            "judge", str(bundle), "--data", str(photos), "--runtime", runtime, "--precision", precision, "--json"
        )
        assert judged.code == 0, judged.err
        assert json.loads(judged.out)["same_data"]

    strangers = draw_folder(tmp_path / "strangers", 10, first_seed=7000)
    judged = quintet("judge", str(bundle), "--data", str(strangers), "--json")
    assert json.loads(judged.out)["n"] == 20  # all of them: it learnt from none
    assert not json.loads(judged.out)["same_data"]


@pytest.mark.timeout(900)
def test_the_demo_goes_from_drawn_photos_to_a_signed_bundle_that_answers(quintet, tmp_path, monkeypatch):
    monkeypatch.setenv("QUINTET_CONFIG", str(tmp_path / "config"))
    said = quintet("demo", "pets", "--out", "demo")
    assert said.code == 0, said.err
    assert "Signed. Photos that it has never seen, with litert, int8:" in said.err
    right = sum(f"{label}/{i}.jpg: {label} (" in said.err for label in ("disc", "square") for i in range(3))
    assert right >= 4, said.err
    assert quintet("bundle", "verify", "demo/pets/model/bundle", "--trust", "demo/pets/signing-key.pub").code == 0
    assert quintet("demo", "pets", "--out", "demo").code == 0  # it goes on from what is there


def test_the_larger_the_better_is_asked_with_paired_seeds(quintet, photos):
    words = ("--networks", "nano,micro", "--library", "torch", "--seeds", "2", "--epochs", "1", "--at-once", "1")
    said = quintet("pets", "sizes", "--data", str(photos), *words, "--out", "sizes", "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert [size["network"] for size in found["sizes"]] == ["nano", "micro"]
    assert found["sizes"][0]["multiply_adds"] < found["sizes"][1]["multiply_adds"]
    (claim,) = found["claims"]
    assert '"The larger network is the more accurate.": cannot be told.' in claim  # two seeds show nothing
    assert "| nano | 25,546 |" in Path("sizes/sizes.md").read_text()
    again = quintet("pets", "sizes", "--data", str(photos), *words, "--out", "sizes", "--json")
    assert json.loads(again.out)["sizes"] == found["sizes"]  # nothing was run again


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("train", "pets", "--data", "nowhere"), ("nowhere", "folder, a zip or a CSV")),
        (("pets", "look", "nowhere"), ("nowhere", "name a folder, a zip or a CSV")),
        (("train", "pets", "--network", "smal"), ('did you mean "small"?',)),
    ],
)
def test_bad_input_is_one_line(quintet, words, expected):
    said = quintet(*words)
    assert said.code == 2
    assert len(said.err.strip().splitlines()) == 1
    assert all(word in said.err for word in expected)


@pytest.mark.data
def test_the_cats_and_dogs_are_split_as_stated(tmp_path, monkeypatch):
    from quintet_systems.pets.data import HELD_OUT, NAME, find, held_out, prepare, read

    monkeypatch.setenv("QUINTET_CACHE", str(tmp_path))
    place = find(NAME)
    album, held = read(NAME), held_out(place / HELD_OUT)
    assert np.bincount(album.part).tolist() == [20_000, 2_500, 2_500]
    assert len(held) == 300
    assert {PARTS[part] for name, part in zip(album.names, album.part, strict=True) if name in held} == {"test"}
    for group in np.unique(album.group):
        assert len(set(album.part[album.group == group].tolist())) == 1
    assert len(album.alike()) == 34  # looked at by eye: each pair shows the same
    assert len(album.conflicts()) == 2
    assert album.broken == ()
    assert prepare(str(place)).sha256() == prepare(NAME).sha256()
    assert os.listdir(tmp_path / "albums")
