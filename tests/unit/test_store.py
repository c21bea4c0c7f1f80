"""The study's folder: one writer, whole writes, and one line for whatever cannot be read or written."""

import os
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from quintet.errors import StoreError
from quintet.job import ArrayStore, write_whole
from quintet.store import Store

TRIAL = {
    "id": "n.l.seed0", "position": 0, "network": "n", "library": "l", "seed": 0, "repeat": 0, "threads": 1,
    "precision": "float32", "device": "cpu",
}  # fmt: skip
RUN = {"trial": "n.l.seed0", "status": "ok", "ended": "2026-11-20T10:00:00+00:00"}


def refused(call, *words: str) -> None:
    with pytest.raises(StoreError) as error:
        call()
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_run_is_kept_with_its_numbers_and_a_missing_one_is_none(tmp_path):
    with Store(tmp_path, create=True) as store:
        store.write("trial", [TRIAL, {**TRIAL, "id": "n.l.seed1", "seed": 1, "position": 1}])
        metrics = [
            {"trial": "n.l.seed0", "name": "accuracy", "value": 0.5, "source": None},
            {"trial": "n.l.seed0", "name": "energy_j", "value": None, "source": "unavailable"},
        ]
        store.record_run({**RUN, "load_before": 0.25}, metrics, [])
    with Store(tmp_path) as store:
        ran, waiting = store.trials()
        assert (ran.status, ran.load_before, ran.energy_source) == ("ok", 0.25, "unavailable")
        assert ran.metrics == {"accuracy": 0.5, "energy_j": None}
        assert (waiting.status, waiting.load_before, waiting.metrics) == (None, None, {})
        assert store.finished() == {"n.l.seed0"}


def test_plain_sql_reads_it(tmp_path):
    with Store(tmp_path, create=True) as store:
        store.write("trial", [TRIAL])
        store.record_run(RUN, [{"trial": TRIAL["id"], "name": "accuracy", "value": 0.5, "source": None}], [])
    db = sqlite3.connect(tmp_path / "study.db")
    assert db.execute("SELECT id, status, accuracy FROM result").fetchall() == [("n.l.seed0", "ok", 0.5)]
    db.close()


def test_a_run_is_written_whole_or_not_at_all(tmp_path):
    with Store(tmp_path, create=True) as store:
        store.write("trial", [TRIAL])
        with pytest.raises(sqlite3.IntegrityError):
            store.record_run(RUN, [{"trial": "no such trial", "name": "accuracy", "value": 1.0}], [])
        assert store.rows("SELECT * FROM run") == []
        with pytest.raises(sqlite3.IntegrityError):
            store.record_run({**RUN, "status": "tired"}, [], [])


def test_a_full_disk_is_one_line_and_leaves_what_was_there(tmp_path):
    with Store(tmp_path, create=True) as store:
        store.write("trial", [TRIAL])
        pages = store.rows("PRAGMA page_count")[0][0]
        store.rows(f"PRAGMA max_page_count = {pages}")
        rows = [{"trial": TRIAL["id"], "name": f"m{i}", "value": 1.0} for i in range(5000)]
        refused(lambda: store.record_run(RUN, rows, []), "full", str(tmp_path), "free some space")
        assert store.finished() == set()
        store.rows("PRAGMA max_page_count = 100000")
        store.record_run(RUN, [], [])
        assert store.finished() == {TRIAL["id"]}


def test_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    refused(lambda: Store(tmp_path / "file" / "below", create=True), "Not a directory", "choose another")
    refused(lambda: Store(tmp_path / "nothing"), "study.db", "quintet compare")


def test_a_folder_whose_lock_cannot_be_written(tmp_path):
    with Store(tmp_path, create=True) as store:
        (tmp_path / "study.lock").mkdir()
        refused(lambda: store.locked().__enter__(), "directory", str(tmp_path))


def test_a_file_of_another_version(tmp_path):
    Store(tmp_path, create=True).close()
    db = sqlite3.connect(tmp_path / "study.db")
    db.execute("PRAGMA user_version = 99")
    db.close()
    refused(lambda: Store(tmp_path), "version 99, expected 1", "the Quintet that made it")


@pytest.mark.parametrize("content", [b"no database " * 100, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_a_file_that_is_no_study(tmp_path, content):
    (tmp_path / "study.db").write_bytes(content)
    refused(lambda: Store(tmp_path), "cannot be read", "study.db")


def test_a_study_file_that_was_cut_short(tmp_path):
    with Store(tmp_path, create=True) as store:
        store.write("trial", [{**TRIAL, "id": f"t{i}", "position": i} for i in range(2000)])
    path: Path = tmp_path / "study.db"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

    def read() -> None:
        with Store(tmp_path) as store:
            store.trials()

    refused(read, "cannot be read")


def test_a_study_that_never_began(tmp_path):
    with Store(tmp_path, create=True) as store:
        refused(store.study, "a study that has begun")


def test_two_writers_at_once_and_the_system_frees_the_folder_of_a_dead_one(tmp_path):
    hold = (
        "import sys; from pathlib import Path; from quintet.store import Store\n"
        "with Store(Path(sys.argv[1]), create=True).locked(): print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", hold, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with Store(tmp_path) as store:
            refused(lambda: store.locked().__enter__(), f"process {other.pid}", "--out")
            other.kill()
            other.wait()
            with store.locked():
                assert (tmp_path / "study.lock").read_text() == str(os.getpid())
    finally:
        other.kill()
        other.communicate()


def test_two_programs_may_create_the_same_store_at_the_same_moment(tmp_path):
    for number in range(10):
        barrier, stores = threading.Barrier(4), []

        def create(folder: Path, barrier=barrier, stores=stores) -> None:
            barrier.wait()
            stores.append(Store(folder, create=True))

        threads = [threading.Thread(target=create, args=(tmp_path / str(number),)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(stores) == 4
        for store in stores:
            assert store.trials() == []
            store.close()


def test_arrays_are_written_once_by_their_content(tmp_path):
    arrays = ArrayStore(tmp_path)
    one = arrays.put(np.arange(4))
    written = one.stat().st_mtime_ns
    assert arrays.put(np.arange(4)) == one
    assert one.stat().st_mtime_ns == written
    assert arrays.put(np.arange(4.0)) != one
    first = arrays.put_set({"a": np.zeros(2), "b": np.ones(2)})
    assert arrays.put_set({"b": np.ones(2), "a": np.zeros(2)}) == first
    assert arrays.put_set({"a": np.ones(2), "b": np.zeros(2)}) != first


def test_ctrl_c_while_a_file_is_written_leaves_the_old_one_and_no_other(tmp_path, monkeypatch):
    write_whole(tmp_path / "job.json", b"old")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_whole(tmp_path / "job.json", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("job.json", b"old")]


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "job.json"
    write_whole(path, b"old")
    half = path.with_name(f"job.json.{os.getpid()}.{threading.get_ident()}.tmp")
    half.symlink_to("/dev/full")  # writing there fails as on a full disk
    refused(lambda: write_whole(path, b"new"), "No space left", str(path), "free some space")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["job.json"]
    refused(lambda: write_whole(path / "below", b"x"), "File exists", "choose another folder")
