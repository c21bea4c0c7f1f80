"""The data sets: what is loaded, what is refused and in which words, and where files are looked for."""

import functools
import gzip
import hashlib
import http.server
import os
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from quintet import datasets
from quintet.datasets import catalogue, locate, mnist
from quintet.datasets.idx import read_idx
from quintet.errors import DataError, QuintetError, StudyError


def one_line(error: pytest.ExceptionInfo[QuintetError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """An empty data folder, an empty cache, and no network: every official address is a closed port."""
    monkeypatch.setenv("QUINTET_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("QUINTET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(
        catalogue._SOURCES,
        "mnist",
        replace(mnist.SOURCE, urls=("http://127.0.0.1:9/", "http://127.0.0.1:9/b/")),
    )
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_exported_names():
    assert set(datasets.__all__) == {
        "Dataset", "FileStatus", "Provenance", "Source", "SourceFile",
        "available", "check", "get", "load", "names", "source", "split", "stratified", "where",
    }  # fmt: skip
    assert datasets.names() == ("digits8x8", "mnist")


def test_digits8x8_is_real_complete_and_split_the_same_for_ever():
    digits = datasets.load("digits8x8")
    assert digits.train_x.shape == (1297, 8, 8, 1)
    assert digits.test_x.shape == (500, 8, 8, 1)
    assert digits.train_x.max() == 255
    counts = np.bincount(digits.test_y)
    assert counts.min() >= 48
    assert counts.max() <= 52
    whole = np.concatenate([digits.train_x, digits.test_x]).reshape(1797, 64)
    assert len(np.unique(whole, axis=0)) == 1797  # no image is in both parts
    assert hashlib.sha256(digits.test_x.tobytes()).hexdigest() == (
        "acc229405bd27ae19cacf73b1d79cea620bf95b63d7990f5ca9e6047e4be5df1"
    )
    assert digits.provenance.licence == "CC BY 4.0"
    assert datasets.available("digits8x8")
    assert [status.state for status in datasets.check("digits8x8")] == ["ok"]


@pytest.mark.data
def test_mnist_is_the_canonical_one():
    data = datasets.load("mnist")
    assert data.train_x.shape == (60_000, 28, 28, 1)
    assert data.test_x.shape == (10_000, 28, 28, 1)
    assert np.bincount(data.train_y).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(data.test_y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert data.train_y[:5].tolist() == [5, 0, 4, 1, 9]
    assert all(status.state == "ok" for status in datasets.check("mnist"))


@pytest.mark.data
def test_mnist_is_found_in_torchvisions_layout_too(monkeypatch, tmp_path):
    folder = datasets.where("mnist")
    assert folder is not None
    (tmp_path / "MNIST").mkdir()
    (tmp_path / "MNIST" / "raw").symlink_to(folder)
    monkeypatch.setenv("QUINTET_DATA", str(tmp_path))
    assert datasets.where("mnist") == tmp_path / "MNIST" / "raw"


def test_unknown_name_is_answered_with_the_nearest():
    for use in (datasets.load, datasets.where, datasets.check, datasets.available, datasets.get):
        with pytest.raises(DataError) as error:
            use("minst")
        assert 'did you mean "mnist"' in one_line(error)


def test_a_missing_folder_is_named(monkeypatch, tmp_path):
    monkeypatch.setenv("QUINTET_DATA", str(tmp_path / "gone"))
    with pytest.raises(DataError) as error:
        datasets.load("mnist")
    assert str(tmp_path / "gone") in one_line(error)


def test_a_file_in_place_of_a_folder_is_refused(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("QUINTET_DATA", str(tmp_path / "file"))
    with pytest.raises(DataError, match="expected a folder"):
        datasets.where("mnist")


def test_nothing_found_and_no_network_is_one_clear_line(nowhere):
    assert datasets.where("mnist") is None
    assert not datasets.available("mnist")
    assert {status.state for status in datasets.check("mnist")} == {"missing"}
    with pytest.raises(DataError) as error:
        datasets.load("mnist")
    message = one_line(error)
    assert "train-images-idx3-ubyte.gz" in message
    assert message.count("127.0.0.1:9/") == 2  # each address that was tried
    assert "QUINTET_DATA" in message
    assert not list((nowhere.parent / "cache").rglob("*.*"))  # nothing half-written


def test_a_wrong_checksum_says_file_received_expected_and_what_to_do(nowhere):
    (nowhere / "mnist").mkdir()
    for file in mnist.SOURCE.files:
        (nowhere / "mnist" / file.name).write_bytes(b"not MNIST")
    assert {status.state for status in datasets.check("mnist")} == {"corrupt"}
    with pytest.raises(DataError) as error:
        datasets.load("mnist")
    message = one_line(error)
    assert str(nowhere / "mnist" / "train-images-idx3-ubyte.gz") in message
    assert hashlib.sha256(b"not MNIST").hexdigest() in message
    assert mnist.SOURCE.files[0].sha256 in message
    assert "quintet data get mnist" in message


def test_an_unwritable_cache_is_one_line(nowhere, monkeypatch):
    (nowhere / "file").write_text("")
    monkeypatch.setenv("QUINTET_CACHE", str(nowhere / "file"))
    with pytest.raises(DataError) as error:
        datasets.load("mnist")
    assert "QUINTET_CACHE" in one_line(error)


@pytest.mark.skipif(os.pathsep != ":", reason="the colon is the separator on POSIX only")
@pytest.mark.parametrize(
    ("value", "entries"),
    [
        ("", []),
        ("/a:/b", ["/a", "/b"]),
        ("/a:https://host/x:/b", ["/a", "https://host/x", "/b"]),
        ("http://host:8080/x/y:/b", ["http://host:8080/x/y", "/b"]),
        ("http://host:http://other:81:/a", ["http://host", "http://other:81", "/a"]),
    ],
)
def test_folders_and_urls_are_told_apart(monkeypatch, value, entries):
    monkeypatch.setenv("QUINTET_DATA", value)
    assert locate._entries() == entries


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format, *args):
        pass


@pytest.fixture
def mirror(tmp_path):
    """A mirror on loopback: its folder and its address."""
    (tmp_path / "served" / "tiny").mkdir(parents=True)
    handler = functools.partial(_Silent, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield tmp_path / "served" / "tiny", f"http://127.0.0.1:{server.server_address[1]}/"
        server.shutdown()
        thread.join()


def test_a_mirror_is_used_and_a_bad_one_leaves_nothing(nowhere, mirror, monkeypatch):
    served, address = mirror
    (served / "one.gz").write_bytes(b"content")
    file = datasets.SourceFile(name="one.gz", sha256=hashlib.sha256(b"content").hexdigest(), size_bytes=7)
    source = replace(mnist.SOURCE, name="tiny", files=(file,), folders=("tiny",), urls=("http://127.0.0.1:9/",))
    monkeypatch.setenv("QUINTET_DATA", address)

    (served / "one.gz").write_bytes(b"altered")
    with pytest.raises(DataError) as error:
        locate.fetch(source, file)
    assert "wrong checksum" in one_line(error)
    assert locate.find(source, file) is None

    (served / "one.gz").write_bytes(b"content")
    assert locate.fetch(source, file).read_bytes() == b"content"
    assert locate.find(source, file) == Path(os.environ["QUINTET_CACHE"]) / "tiny" / "one.gz"

    with pytest.raises(DataError) as error:
        locate.fetch(source, replace(file, name="absent.gz"))
    assert "HTTP 404" in one_line(error)


def test_split_is_disjoint_complete_stratified_and_the_seeds_own():
    digits = datasets.load("digits8x8")
    train, valid = datasets.split(digits, 200, np.random.default_rng(1))
    assert len(valid) == 200
    assert sorted(np.concatenate([train, valid]).tolist()) == list(range(1297))
    share = np.bincount(digits.train_y) * (200 / 1297)
    assert np.abs(np.bincount(digits.train_y[valid]) - share).max() < 1
    again = datasets.split(digits, 200, np.random.default_rng(1))[1]
    other = datasets.split(digits, 200, np.random.default_rng(2))[1]
    assert np.array_equal(valid, again)
    assert not np.array_equal(valid, other)
    assert len(datasets.split(digits, 0.1, np.random.default_rng(1))[1]) == 130


@pytest.mark.parametrize("validation", [0, -1, 1297, 5000, 0.0, 1.0, 1.5])
def test_a_split_that_leaves_nothing_is_refused(validation):
    with pytest.raises(StudyError) as error:
        datasets.split(datasets.load("digits8x8"), validation, np.random.default_rng(0))
    assert "1296" in one_line(error)


def test_a_dataset_whose_parts_do_not_fit_cannot_be_made():
    good = datasets.load("digits8x8")
    with pytest.raises(DataError, match="do not belong together"):
        replace(good, test_y=good.train_y)
    with pytest.raises(DataError, match="labels reach from 1 to 10"):
        replace(good, train_y=good.train_y + 1)
    with pytest.raises(DataError, match="expected uint8"):
        replace(good, train_x=good.train_x.astype(np.float32))
    with pytest.raises(DataError, match="expected the same shape"):
        replace(good, test_x=good.test_x[:, :4])


def test_a_damaged_mnist_label_file_cannot_pass_even_without_its_checksum(tmp_path):
    path = tmp_path / "labels.gz"
    path.write_bytes(gzip.compress(b"\0\0\x08\x01" + (3).to_bytes(4, "big") + bytes([1, 2])))
    with pytest.raises(DataError, match="truncated: 2 values, expected 3"):
        read_idx(path, shape=(3,), sha256=None, remedy="fetch it again")
