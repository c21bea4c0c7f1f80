"""The contract's files: refused when they are not understood, written whole or not at all."""

import json

import numpy as np
import pytest

from quintet_worker import wire


def job(folder, **changes):
    (folder / "job.json").write_text(json.dumps({"version": wire.VERSION, "task": "train"} | changes))


def test_a_job_is_read(tmp_path):
    job(tmp_path, seed=3)
    assert wire.read_job(str(tmp_path))["seed"] == 3


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"version": 2}, "version 2, expected 1"),
        ({"version": None}, "version None"),
        ({"sed": 1}, "unknown job keys sed"),
    ],
)
def test_a_job_that_is_not_understood_is_refused(tmp_path, changes, word):
    job(tmp_path, **changes)
    with pytest.raises(wire.JobError, match=word):
        wire.read_job(str(tmp_path))


def test_arrays_come_back_bit_for_bit(tmp_path):
    values = {"a": np.arange(6.0).reshape(2, 3), "b": np.array([1, 2], np.uint8)}
    wire.write_arrays(str(tmp_path), "set", values)
    back = wire.arrays(str(tmp_path), "set.npz")
    assert list(back) == ["a", "b"]
    assert all(back[name].dtype == v.dtype and (back[name] == v).all() for name, v in values.items())
    assert wire.write_array(str(tmp_path), "one", values["a"]) == "one.npy"
    assert (wire.array(str(tmp_path), "one.npy") == values["a"]).all()


def test_a_result_is_whole_and_leaves_nothing_else(tmp_path):
    wire.write_result(str(tmp_path), {"status": "ok", "compile_s": 1.5})
    assert json.loads((tmp_path / "result.json").read_text()) == {"status": "ok", "compile_s": 1.5, "version": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_a_number_that_is_none_is_refused_rather_than_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        wire.write_result(str(tmp_path), {"status": "ok", "train_s": float("nan")})
    assert not (tmp_path / "result.json").exists()


def test_a_full_disk_leaves_the_old_file_alone(tmp_path):
    wire.write_result(str(tmp_path), {"status": "ok"})
    (tmp_path / "result.json.tmp").symlink_to("/dev/full")  # writing there fails as on a full disk
    with pytest.raises(OSError, match="No space left"):
        wire.write_result(str(tmp_path), {"status": "failure"})
    assert json.loads((tmp_path / "result.json").read_text())["status"] == "ok"


def test_pickled_arrays_are_refused(tmp_path):
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        wire.array(str(tmp_path), "object.npy")
