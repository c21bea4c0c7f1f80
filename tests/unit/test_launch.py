"""Local: each way in which a worker process can end, with real processes."""

import json
import os
import sys
import threading

import numpy as np
import psutil
import pytest

from quintet import launch
from quintet.errors import StoreError
from quintet.job import ArrayStore, Job
from quintet.launch import Failure, Local, Result, Stopped
from quintet.layers import Dense
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.optimiser import SGD
from quintet.weights import initial_weights


@pytest.fixture
def job(tmp_path):
    """Return a function that writes a job of so many steps with so large a batch."""

    def make(steps: int = 2, batch: int = 4, units: int = 3, library: str = "reference"):
        arrays = ArrayStore(tmp_path / "arrays")
        net = Net(name="n", input_shape=(64,), layers=(Dense(units=units),), loss=SoftmaxCrossEntropy())
        order = np.zeros((steps, batch), np.int32)
        data = {"train_x": np.ones((5, 64), np.uint8), "train_y": np.zeros(5, np.int64)}
        record = Job(
            task="train",
            library=library,
            network=net,
            weights=arrays.put_set(initial_weights(net, np.random.default_rng(0))),
            optimiser=SGD(),
            data={name: arrays.put(array) for name, array in data.items()},
            order=arrays.put(order),
            learning_rates=arrays.put(np.full(steps, 0.1)),
        )
        record.write(tmp_path / "job")
        return tmp_path / "job"

    return make


@pytest.fixture
def interpreter(tmp_path, monkeypatch):
    """Return a function that puts a shell script in the place of the library's Python."""

    def replace(script: str) -> None:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(launch, "interpreter", lambda name: (str(path), {}))

    return replace


def test_a_job_that_ends_well(job):
    result = Local().run(job(), 60)
    assert isinstance(result, Result)
    assert result.record["start_up_s"] > 0  # from the call of the process to a built model
    losses = result.file("losses")
    assert losses is not None
    assert np.load(losses).shape == (2,)
    assert result.file("weights") is None


def test_a_worker_that_hangs_is_ended(job):
    folder = job(steps=2_000_000, batch=2)
    outcome = Local().run(folder, 1.5)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "timeout"
    assert "2 s" in outcome.reason
    assert not workers(folder)
    assert not (folder / "result.json").exists()


def workers(folder) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        if str(folder.resolve()) in (process.info["cmdline"] or []):
            found.append(process)
    return found


def test_a_worker_that_the_system_kills_ran_out_of_memory(job, interpreter):
    interpreter("kill -9 $$")
    outcome = Local().run(job(), 60)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "memory"
    assert "signal 9" in outcome.reason
    assert "memory" in outcome.reason


def test_a_worker_without_the_memory_it_asks_for(job, interpreter):
    interpreter(f'ulimit -v 1500000; exec {sys.executable} "$@"')
    outcome = Local().run(job(batch=1_000_000, units=400), 60)  # its outputs alone are 3 GiB
    assert isinstance(outcome, Failure)
    assert outcome.kind == "memory", outcome
    assert "out of memory" in outcome.reason


@pytest.mark.parametrize(
    ("script", "word"),
    [
        ("kill -11 $$", "signal 11"),
        ("echo first; echo Illegal instruction in kernel >&2; exit 3", "exit code 3 without a result: Illegal"),
        ("exit 0", "no output"),
        ('echo \'{"status": "ok"\' > $3/result.json', "exit code 0"),  # half a result is none
    ],
)
def test_a_worker_that_dies_is_a_crash_with_its_last_words(job, interpreter, script, word):
    interpreter(script)
    outcome = Local().run(job(), 60)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "crash"
    assert word in outcome.reason


def test_an_old_result_is_not_taken_for_a_new_one(job, interpreter):
    folder = job()
    assert isinstance(Local().run(folder, 60), Result)
    interpreter("exit 4")
    assert isinstance(Local().run(folder, 60), Failure)


def test_a_library_whose_import_fails_is_the_environments_fault(job, tmp_path, monkeypatch):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "torch.py").write_text("raise ImportError('libtorch.so: no such file')")
    path = os.pathsep.join([str(tmp_path / "broken"), *filter(None, sys.path)])
    monkeypatch.setattr(launch, "interpreter", lambda name: (sys.executable, {"PYTHONPATH": path}))
    outcome = Local().run(job(library="torch"), 60)
    assert isinstance(outcome, Failure)
    assert outcome.kind == "environment"
    assert "torch cannot be imported here: libtorch.so" in outcome.reason


def test_a_full_disk_is_nobodys_failure(job):
    folder = job()
    (folder / "losses.npy.tmp").symlink_to("/dev/full")  # writing there fails as on a full disk
    with pytest.raises(StoreError, match="full disk") as error:
        Local().run(folder, 60)
    assert "\n" not in str(error.value)


def test_stop_ends_what_runs_and_nothing_starts_after_it(job):
    launcher, folder = Local(), job(steps=2_000_000, batch=2)
    outcomes: list[object] = []

    def run() -> None:
        try:
            outcomes.append(launcher.run(folder, 60))
        except Stopped as stopped:
            outcomes.append(stopped)

    thread = threading.Thread(target=run)
    thread.start()
    while not launcher._running and thread.is_alive():
        thread.join(0.01)
    launcher.stop()
    thread.join(30)
    assert [type(outcome) for outcome in outcomes] == [Stopped]
    assert not workers(folder)
    with pytest.raises(Stopped):
        launcher.run(folder, 60)


def test_stop_while_a_process_starts_still_ends_it(job, monkeypatch):
    launcher, folder = Local(), job(steps=2_000_000, batch=2)
    popen = launch.subprocess.Popen

    def start_and_stop(*args, **kwargs):
        process = popen(*args, **kwargs)
        launcher.stop()  # as from another thread, before the process is known to run
        return process

    monkeypatch.setattr(launch.subprocess, "Popen", start_and_stop)
    with pytest.raises(Stopped):
        launcher.run(folder, 60)
    assert not workers(folder)


def test_a_worker_whose_parent_is_gone_does_not_begin(job, monkeypatch):
    """Its parent may be killed between starting it and its asking to die with the parent."""
    folder = job()
    popen = launch.subprocess.Popen

    def orphan(command, env, **kwargs):
        return popen(command, env={**env, "QUINTET_PARENT": "1"}, **kwargs)

    monkeypatch.setattr(launch.subprocess, "Popen", orphan)
    outcome = Local().run(folder, 60)
    assert isinstance(outcome, Failure)
    assert not (folder / "result.json").exists()


def test_the_job_record_is_what_the_worker_reads(job):
    record = json.loads((job() / "job.json").read_text())
    assert record["weights"].startswith("..")  # relative: a study's folder can be moved
    assert record["version"] == 1
