"""A study that is killed, or interrupted, at any moment goes on and ends with the same rows; real processes throughout."""

import json
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from quintet.errors import QuintetError
from quintet.store import Store, TrialRow

STUDY = """
system = "digits"
libraries = ["reference"]
data = "digits8x8"
seeds = 4
epochs = 0.5
threads = 1
at_once = {at_once}
repeats = 1
evaluations = 2
parity = false
max_load = 1.0
"""
TRIALS = 5


@pytest.fixture(scope="module")
def study_file(tmp_path_factory):
    """Return a function that writes the study's file."""
    folder = tmp_path_factory.mktemp("study")

    def write(at_once: int = 1) -> str:
        path = folder / f"at-once-{at_once}.toml"
        path.write_text(STUDY.format(at_once=at_once))
        return str(path)

    return write


@pytest.fixture(scope="module")
def whole(study_file, tmp_path_factory) -> dict[str, TrialRow]:
    """Return the rows of a study that nobody disturbed."""
    from quintet.schedule import run_study
    from quintet.study import read_study

    folder = tmp_path_factory.mktemp("whole")
    run_study(read_study(Path(study_file())), folder)
    return rows(folder)


def rows(folder: Path) -> dict[str, TrialRow]:
    with Store(folder) as store:
        return {trial.id: trial for trial in store.trials()}


def ended(folder: Path) -> dict[str, str]:
    """Return when each finished trial ended; nothing where there is no study yet."""
    try:
        with closing(sqlite3.connect(f"file:{folder}/study.db?mode=ro", uri=True)) as db:
            return dict(db.execute("SELECT trial, ended || ' ' || coalesce(weights_sha256, '') FROM run"))
    except sqlite3.OperationalError:
        return {}


def wait_until_some_are_done(process: subprocess.Popen[str], folder: Path, count: int) -> None:
    for _ in range(3000):
        if len(ended(folder)) >= count:
            return
        try:
            process.wait(timeout=0.02)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError(
        f"the study ended with {process.returncode} before it could be stopped: {process.communicate()}"
    )


def workers_of(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "quintet_worker" in command and any(str(folder) in part for part in command):
            found.append(process)
    return found


def same_numbers(one: dict[str, TrialRow], other: dict[str, TrialRow]) -> bool:
    def numbers(found: dict[str, TrialRow]):
        scores = ("accuracy", "macro_precision", "macro_recall", "numerical_precision")
        return {i: (t.status, t.weights_sha256, [t.metrics[s] for s in scores]) for i, t in found.items()}

    return numbers(one) == numbers(other)


def finish(start, arguments: tuple[str, ...]) -> dict:
    """Give the same command again; return its one JSON object."""
    process = start(*arguments)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return json.loads(out)


def test_a_killed_study_leaves_nothing_running_and_ends_with_the_same_rows(start, study_file, whole, tmp_path):
    folder = tmp_path / "study"
    arguments = ("study", "run", study_file(), "--out", str(folder), "--json")
    process = start(*arguments)
    wait_until_some_are_done(process, folder, 2)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert psutil.wait_procs(children, timeout=20)[1] == []
    assert workers_of(folder) == []
    before = ended(folder)
    assert 2 <= len(before) < TRIALS

    result = finish(start, arguments)
    assert (result["finished"], result["planned"]) == (TRIALS, TRIALS)
    after = ended(folder)
    assert before.items() <= after.items()  # no finished trial was run again
    assert same_numbers(rows(folder), whole)


@pytest.mark.parametrize("at_once", [1, 2])
def test_ctrl_c_leaves_nothing_half_written_and_the_study_goes_on(start, study_file, whole, tmp_path, at_once):
    folder = tmp_path / "study"
    arguments = ("study", "run", study_file(at_once), "--out", str(folder), "--json")
    process = start(*arguments)
    wait_until_some_are_done(process, folder, 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "interrupted; what has finished is kept" in err
    assert "Traceback" not in err
    assert workers_of(folder) == []
    assert not list(folder.rglob("*.tmp"))
    before = ended(folder)
    assert 1 <= len(before) < TRIALS

    result = finish(start, ("study", "resume", str(folder), "--json"))
    assert result["finished"] == TRIALS
    assert before.items() <= ended(folder).items()
    assert same_numbers(rows(folder), whole)


def test_a_second_study_in_the_folder_is_refused_while_the_first_runs(start, quintet, study_file, tmp_path):
    folder = tmp_path / "study"
    process = start("study", "run", study_file(), "--out", str(folder))
    wait_until_some_are_done(process, folder, 1)
    said = quintet("study", "run", study_file(), "--out", str(folder))
    assert said.code == 2
    assert f"another study is running (process {process.pid})" in said.err
    process.kill()
    process.wait()


def test_the_equal_weights_of_a_repeat(whole):
    again = whole["survey.reference.seed0.repeat1"]
    assert again.weights_sha256 == whole["survey.reference.seed0"].weights_sha256
    assert again.weights_sha256 != whole["survey.reference.seed1"].weights_sha256


def test_a_study_folder_that_was_cut_short_is_told_in_one_line(tmp_path):
    (tmp_path / "study.db").write_bytes(b"SQLite format 3\x00")
    with pytest.raises(QuintetError):
        rows(tmp_path)
