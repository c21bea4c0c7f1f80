"""`quintet faces …` as it is typed, on real faces and on what is no fit input; needs QUINTET_DATA."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from board_mutations import mutated
from PIL import Image
from typer.testing import CliRunner, Result

from quintet.errors import DataError, QuintetError
from quintet_systems.faces.catalogue import model
from quintet_systems.faces.commands import app
from quintet_systems.faces.data import gallery
from quintet_systems.faces.engine.opening import open_detector

pytestmark = pytest.mark.data
MUTATED = 5000


def typed(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(*words: object) -> str:
    """Return the one line of a refusal."""
    error = typed(*words).exception
    assert isinstance(error, QuintetError), error
    assert "\n" not in str(error)
    return str(error)


@pytest.fixture(scope="module")
def att() -> gallery.Gallery:
    try:
        model("mobilefacenet").path()
        return gallery.att()
    except DataError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def people(att, tmp_path_factory) -> Path:
    """Return a folder of four people with three pictures each."""
    place = tmp_path_factory.mktemp("people")
    for i in [10 * person + shot for person in range(4) for shot in range(3)]:
        folder = place / str(att.people[i])
        folder.mkdir(exist_ok=True)
        Image.fromarray(att.pictures[i]).save(folder / f"{i}.png")
    return place


@pytest.fixture
def faces(people) -> list[Path]:
    return sorted(people.rglob("*.png"))


def test_a_face_is_found_drawn_and_told_as_one_object(faces, tmp_path):
    done = typed("detect", faces[0].parent, "--out", tmp_path / "drawn", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["detector"]["name"] == "yunet"
    assert [len(one["faces"]) for one in told["pictures"]] == [1, 1, 1]
    assert np.array(told["pictures"][0]["faces"][0]["landmarks"]).shape == (5, 2)
    drawn = np.asarray(Image.open(told["pictures"][0]["drawn"]))
    assert (drawn != np.asarray(Image.open(faces[0]).convert("RGB"))).any()


def test_one_person_and_two_people_are_told_apart(faces):
    same = typed("verify", faces[0], faces[1], "--json")
    other = typed("verify", faces[0], faces[3], "--json")
    assert (same.exit_code, other.exit_code) == (0, 1)
    assert json.loads(same.stdout)["cosine"] > json.loads(other.stdout)["cosine"]
    assert "trained on a refined MS-Celeb-1M" in same.stderr  # provenance is said, not only kept


def test_who_it_is_and_that_it_is_a_stranger(people, faces, att, tmp_path):
    shutil.copytree(people, tmp_path / "known")
    searched = tmp_path / "searched"
    searched.mkdir()
    person = faces[2].parent.name
    (tmp_path / "known" / person / faces[2].name).rename(searched / "known.png")
    Image.fromarray(att.pictures[200]).save(searched / "stranger.png")
    done = typed("identify", searched, "--gallery", tmp_path / "known", "--json")
    told = {Path(one["file"]).stem: one["faces"][0]["person"] for one in json.loads(done.stdout)["pictures"]}
    assert told == {"known": person, "stranger": None}
    assert done.exit_code == 1  # somebody is unknown


def test_embeddings_are_written_whole_or_not_at_all(faces, tmp_path):
    out = tmp_path / "faces.npz"
    assert typed("embed", faces[0].parent, "--out", out).exit_code == 0
    with np.load(out, allow_pickle=False) as arrays:
        assert arrays["embeddings"].shape == (3, 128)
        assert np.allclose(np.linalg.norm(arrays["embeddings"], axis=1), 1, atol=1e-5)
    blank = tmp_path / "blank.png"
    Image.new("RGB", (200, 200), "grey").save(blank)
    assert typed("embed", blank, "--out", tmp_path / "none.npz").exit_code == 1
    assert not (tmp_path / "none.npz").exists()


def test_what_is_typed_wrong_is_refused_before_any_work(people, faces, tmp_path):
    for given in ("nan", "inf", "5"):
        assert "expected a cosine from -1 to 1" in refused("verify", faces[0], faces[1], "--threshold", given)
    picture = tmp_path / "mine.png"
    shutil.copy(faces[0], picture)
    before = picture.read_bytes()
    assert "ends in .npz" in refused("embed", picture, "--out", picture)
    assert "a file, expected a folder" in refused("detect", picture, "--out", picture)
    assert "a file, expected a folder" in refused("compare", "--sets", people, "--out", picture)
    assert picture.read_bytes() == before
    assert "expected at least one set" in refused("compare", "--sets", "")
    assert "expected at least one embedder" in refused("lfw", "--embedder", ",")
    assert "two of one name" in refused("compare", "--sets", f"{people},{tmp_path / people.name}")
    assert "which is not there" in refused("verify", tmp_path / "nowhere.png", picture)


def test_what_is_carried_finds_faces_that_fill_the_picture(people):
    found = json.loads(typed("detect", people, "--detector", "hog", "--json").stdout)["pictures"]
    assert sum(bool(one["faces"]) for one in found) >= 10  # of 12; the cascade, which knows LFW alone, misses most


def test_a_folder_of_faces_is_measured(people):
    done = typed("measure", people, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["pictures"], told["people"], told["fta"]) == (12, 4, 0.0)
    assert told["refused"]  # 54 impostor pairs carry no rate of one in a thousand
    assert any("expected at least" in reason for reason in told["refused"])


def test_no_face_and_many_faces_are_said(faces, tmp_path):
    blank = tmp_path / "blank.png"
    Image.new("RGB", (300, 200), "grey").save(blank)
    none = typed("verify", faces[0], blank)
    assert none.exit_code == 1
    assert "no face was found in" in none.output
    sheet = Image.new("RGB", (400, 260), "grey")
    for place, face in enumerate(faces[:3]):
        sheet.paste(Image.open(face), (20 + 125 * place, 70))
    sheet.save(tmp_path / "many.png")
    many = typed("verify", tmp_path / "many.png", faces[0])
    assert "3 faces; the largest that the edge does not cut off is taken" in many.output


@pytest.mark.parametrize("kind", ["grey", "CMYK", "16 bit", "palette", "20,000 wide"])
def test_odd_pictures_are_read(kind, faces, tmp_path):
    face = Image.open(faces[0])
    made = {
        "grey": lambda: face.convert("L").save(tmp_path / "odd.png"),
        "CMYK": lambda: face.convert("RGB").convert("CMYK").save(tmp_path / "odd.jpg"),
        "16 bit": lambda: Image.fromarray(np.asarray(face.convert("L")).astype(np.uint16) * 257).save(tmp_path / "odd.png"),
        "palette": lambda: face.convert("P").save(tmp_path / "odd.png"),
        "20,000 wide": lambda: face.convert("RGB").resize((20_000, 1_000)).save(tmp_path / "odd.jpg"),
    }  # fmt: skip
    made[kind]()
    (file,) = tmp_path.iterdir()
    done = typed("detect", file, "--json")
    assert done.exit_code == (1 if kind == "20,000 wide" else 0), done.output
    assert len(json.loads(done.stdout)["pictures"][0]["faces"]) == (0 if kind == "20,000 wide" else 1)


def test_what_cannot_be_read_is_one_line(people, faces, tmp_path):
    cut = tmp_path / "cut.png"
    cut.write_bytes(faces[0].read_bytes()[:900])
    assert "damaged or cut-off picture" in refused("verify", faces[0], cut)
    huge = tmp_path / "huge.png"
    Image.new("1", (20_001, 20_001)).save(huge)
    assert "expected at most" in refused("detect", huge)
    assert "which is not there" in refused("detect", tmp_path / "nowhere.png")
    (tmp_path / "empty").mkdir()
    assert "a folder without pictures" in refused("detect", tmp_path / "empty")
    broken = typed("detect", tmp_path, "--json")  # in a folder it is named, and the others go on
    assert broken.exit_code == 1
    assert all("error" in one for one in json.loads(broken.stdout)["pictures"])
    alone = tmp_path / "alone"
    shutil.copytree(people / faces[0].parent.name, alone / "one")
    assert "pictures of 1 person, expected at least two" in refused("measure", alone)


def test_one_picture_a_person_and_one_picture_twice(people, faces, tmp_path):
    for folder in people.iterdir():
        (tmp_path / folder.name).mkdir()
        shutil.copy(next(folder.iterdir()), tmp_path / folder.name)
    done = typed("measure", tmp_path)
    assert isinstance(done.exception, QuintetError) or "not measured" in done.output
    names = sorted(folder.name for folder in tmp_path.iterdir())
    shutil.copy(next((tmp_path / names[0]).iterdir()), tmp_path / names[1] / "again.png")
    assert "the same picture under two names" in typed("measure", tmp_path).output


def test_a_file_that_is_no_embedder_and_one_with_another_checksum(faces, tmp_path):
    yunet = model("yunet").path()
    assert "expected a face embedder" in refused("embed", faces[0], "--out", tmp_path / "x.npz", "--embedder", yunet)
    (tmp_path / "no.onnx").write_bytes(b"no model")
    assert "no.onnx" in refused("embed", faces[0], "--out", tmp_path / "x.npz", "--embedder", tmp_path / "no.onnx")
    place = tmp_path / "data" / "face-models"
    place.mkdir(parents=True)
    (place / yunet.name).write_bytes(yunet.read_bytes()[:-1] + b"!")
    assert "received SHA-256" in refused("detect", faces[0], "--detector", "yunet", "--data", tmp_path / "data")
    assert not (tmp_path / "x.npz").exists()
    assert 'received detector "yunett"' in refused("detect", faces[0], "--detector", "yunett")


def test_thousands_of_broken_pictures_harm_nothing(att, tmp_path):
    """What decodes goes through the detector; what does not is refused with one line."""
    from quintet.images import read_image

    detector, _ = open_detector("yunet")
    read, said = 0, []
    for content in mutated(MUTATED, seed=5):
        try:
            picture = read_image(content)
        except DataError as error:
            said.append(str(error))
            continue
        read += 1
        detector(picture)
    assert read > 200
    assert len(said) > 2000
    assert not any("\n" in line for line in said)
