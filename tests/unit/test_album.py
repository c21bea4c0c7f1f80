"""Labelled photos: found in a folder, a zip or a CSV, the broken set aside, near-duplicates never on two sides."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from quintet.datasets import likeness
from quintet.datasets.album import PARTS, read_album, split_by_content
from quintet.datasets.photos import find_photos
from quintet.errors import DataError

SHAPE = (32, 32, 3)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("QUINTET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def picture(seed: int, size: tuple[int, int] = (60, 48)) -> Image.Image:
    """Return smooth noise, which no two seeds share."""
    coarse = np.random.default_rng(seed).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def make_folder(place, n: int = 20) -> None:
    for label in range(2):
        folder = place / ("cat", "dog")[label]
        folder.mkdir(parents=True)
        for i in range(n):
            picture(100 * label + i).save(folder / f"{i}.jpg")


def test_a_folder_a_zip_and_a_csv_of_the_same_photos_are_split_alike(tmp_path):
    make_folder(tmp_path / "photos")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in sorted((tmp_path / "photos").rglob("*.jpg")):
            archive.write(path, f"anything/{path.parent.name}/{path.name}")
    lines = [f"photos/{p.parent.name}/{p.name},{p.parent.name}" for p in (tmp_path / "photos").rglob("*.jpg")]
    (tmp_path / "photos.csv").write_text("\n".join(["Path,Label", *lines]) + "\n")
    albums = [read_album(tmp_path / name, SHAPE) for name in ("photos", "photos.zip", "photos.csv")]
    assert albums[0].labels == ("cat", "dog")
    assert [int((albums[0].part == i).sum()) for i in range(3)] == [32, 4, 4]
    for album in albums[1:]:
        assert album.digest == albums[0].digest
        assert {s: int(p) for s, p in zip(album.sha256, album.part, strict=True)} == {
            s: int(p) for s, p in zip(albums[0].sha256, albums[0].part, strict=True)
        }


def test_all_in_one_folder_the_name_is_the_label(tmp_path):
    for i in range(6):
        picture(i).save(tmp_path / f"{('cat', 'dog')[i % 2]}.{i}.png")
    assert read_album(tmp_path, SHAPE).labels == ("cat", "dog")


def test_broken_photos_are_named_and_set_aside_and_the_second_reading_says_the_same(tmp_path, cache):
    make_folder(tmp_path / "photos", 8)
    (tmp_path / "photos/cat/0.jpg").write_bytes((tmp_path / "photos/cat/0.jpg").read_bytes()[:200])
    (tmp_path / "photos/dog/1.jpg").write_text("no picture")
    first = read_album(tmp_path / "photos", SHAPE)
    assert [name for name, _ in first.broken] == ["cat/0.jpg", "dog/1.jpg"]
    assert "expected one of JPEG" in first.broken[1][1]
    assert len(first.x) == 14
    assert list((cache / "albums").iterdir())
    second = read_album(tmp_path / "photos", SHAPE)
    assert second.broken == first.broken
    assert np.array_equal(second.x, first.x)
    assert np.array_equal(second.part, first.part)


def test_a_damaged_cache_is_made_anew(tmp_path, cache):
    make_folder(tmp_path / "photos", 5)
    first = read_album(tmp_path / "photos", SHAPE)
    (kept,) = (cache / "albums").iterdir()
    kept.write_bytes(kept.read_bytes()[:100])
    assert np.array_equal(read_album(tmp_path / "photos", SHAPE).x, first.x)


def test_near_duplicates_are_found_whatever_was_done_to_them():
    pictures = [picture(i, (128, 96)) for i in range(30)]
    pictures.append(pictures[3].resize((100, 75)))
    pictures.append(pictures[5].transpose(Image.Transpose.FLIP_LEFT_RIGHT))
    pictures.append(Image.fromarray(np.clip(np.asarray(pictures[7]).astype(int) + 12, 0, 255).astype(np.uint8)))
    x = np.stack([np.asarray(p.resize((48, 48), Image.Resampling.HAMMING)) for p in pictures])
    groups = likeness.groups(x)
    assert groups[:30].tolist() == list(range(30))  # no two different ones
    assert groups[30:].tolist() == [3, 5, 7]


def test_a_near_duplicate_never_has_its_like_on_the_other_side(tmp_path):
    make_folder(tmp_path / "photos", 30)
    for i in range(30):
        picture(i).save(tmp_path / "photos/cat" / f"again{i}.png")
    album = read_album(tmp_path / "photos", SHAPE, test=0.2, validation=0.2)
    assert len(album.alike()) == 30
    for group in np.unique(album.group):
        assert len(set(album.part[album.group == group])) == 1
    assert np.bincount(album.part[album.y == 0]).tolist() == [36, 12, 12]


def test_the_same_photo_under_two_labels_is_told_and_never_tested_on(tmp_path):
    make_folder(tmp_path / "photos", 10)
    picture(3).save(tmp_path / "photos/dog/stray.jpg")
    album = read_album(tmp_path / "photos", SHAPE)
    assert album.conflicts() == (("cat/3.jpg", "dog/stray.jpg"),)
    chosen = [album.names.index(name) for name in album.conflicts()[0]]
    assert {PARTS[album.part[i]] for i in chosen} == {"train"}


def test_what_is_held_out_is_in_the_test_set_with_its_likes(tmp_path):
    make_folder(tmp_path / "photos", 20)
    held = {"cat/4.jpg", "cat/9.jpg"}
    album = read_album(tmp_path / "photos", SHAPE, held_out=held)
    assert held <= {name for name, part in zip(album.names, album.part, strict=True) if PARTS[part] == "test"}


def test_more_photos_move_few_of_the_old():
    rng = np.random.default_rng(0)
    sha = [f"{n:064x}" for n in rng.permutation(2000)]
    y = np.arange(2000) % 2

    def parts(n: int) -> np.ndarray:
        return split_by_content(y[:n], sha[:n], np.arange(n), 0.1, 0.1, [False] * n)

    old, new = parts(1900), parts(2000)[:1900]
    assert (old != new).mean() < 0.05


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda p: None, ("there is none",)),
        (lambda p: p.mkdir(), ("received", "with none", "two labels")),
        (lambda p: p.write_text("x"), ("a folder, a zip or a CSV",)),
        (lambda p: make_folder(p, 2), ("2 of cat, 2 of dog", "three photos each")),
    ],
)
def test_what_is_no_collection_is_one_line(tmp_path, make, words):
    make(tmp_path / "place")
    with pytest.raises(DataError) as caught:
        find_photos(tmp_path / "place")
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1.jpg,cat\n", ("columns a, b", "one called path")),
        ("path,label\n1.jpg,\n", ("line 2", "no label")),
        ("path,label\n\xff", ("fewer", "none of")),
    ],
)
def test_a_csv_that_says_too_little_is_one_line(tmp_path, text, words):
    (tmp_path / "a.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError) as caught:
        find_photos(tmp_path / "a.csv")
    assert "\n" not in str(caught.value)
    if "\xff" not in text:
        assert all(word in str(caught.value) for word in words)
