"""Running a study: what is run, in which order, what is kept, and what is never run again."""

import json
import shutil
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quintet import machine, schedule
from quintet.errors import StoreError, StudyError
from quintet.launch import Failure, Fake
from quintet.results import analyse, to_json
from quintet.schedule import run_study, thread_counts
from quintet.store import Store
from quintet.study import plan


def answer(job: Path, record: dict[str, Any]) -> dict[str, Any]:
    """Be a library that answers at random, and is fastest with two threads."""
    outputs = np.random.default_rng(record["seed"]).random((60, 3))
    np.save(job / "test_outputs.npy", outputs)
    return {
        "status": "ok", "versions": {"numpy": "2"}, "weights_sha256": f"{record['seed']:064x}",
        "training_images_per_s": {1: 100.0, 2: 180.0}.get(record["threads"], 150.0),
        "energy_j": None, "energy_source": "unavailable", "files": {"test_outputs": "test_outputs.npy"},
    }  # fmt: skip


@pytest.fixture
def run(tiny, tmp_path):
    """Return a function that runs a study of the tiny system in tmp_path/study."""

    def run_(study, launcher=None, folder: Path = tmp_path / "study", **others: Any) -> Path:
        run_study(study, folder, launcher=launcher, system=tiny, prepared=tiny.prepare(), **others)
        return folder

    return run_


def trials(folder: Path):
    with Store(folder) as store:
        return store.trials()


def test_failures_are_data_and_the_study_goes_on(run, tiny_study):
    """With real workers: a loss that is no number beside a network that trains."""
    folder = run(tiny_study(networks=["wild", "plain"]))
    rows = trials(folder)
    assert [(t.network, t.seed, t.status) for t in rows] == [
        ("wild", 0, "diverged"), ("plain", 0, "ok"), ("wild", 1, "diverged"), ("plain", 1, "ok"),
    ]  # fmt: skip
    assert rows[0].reason
    assert rows[0].metrics == {}
    accuracy = rows[1].metrics["accuracy"]
    assert accuracy is not None
    assert accuracy > 0.9
    with Store(folder) as store:
        result = analyse(store)
    wild, plain = result.networks
    assert (wild.rows[0].n, wild.rows[0].n_failed) == (2, 2)
    assert wild.rows[0].failures[0].startswith("seed 0: diverged: ")
    assert (plain.rows[0].n, plain.rows[0].n_failed) == (2, 0)
    json.dumps(to_json(result), allow_nan=False)


def test_an_unsupported_precision_is_in_the_results(run, tiny_study):
    folder = run(tiny_study(precision="bfloat16", seeds=1))
    with Store(folder) as store:
        row = analyse(store).networks[0].rows[0]
    assert row.n_failed == 1
    assert row.failures == ("seed 0: unsupported: reference has no bfloat16",)


def test_a_hung_trial_is_ended_and_the_next_one_runs(run, tiny_study):
    def hang(job, record):
        return (
            Failure(kind="timeout", reason="did not end within 1 s") if record["seed"] == first else answer(job, record)
        )

    study = tiny_study(libraries=["torch"])
    from quintet.trials import streams

    first = streams(0)[2]
    assert [t.status for t in trials(run(study, Fake(hang)))] == ["timeout", "ok"]


def test_trials_of_one_seed_are_pairs(run, tiny_study):
    fake = Fake(answer)
    run(tiny_study(libraries=["torch", "jax"], seeds=2), fake)
    by_seed = {}
    for record in fake.seen:
        key = record["weights"], record["order"], record["learning_rates"], record["seed"]
        by_seed.setdefault(key, set()).add(record["library"])
    assert list(by_seed.values()) == [{"torch", "jax"}] * 2


def test_the_test_labels_never_reach_a_worker(run, tiny_study):
    fake = Fake(answer)
    run(tiny_study(), fake)
    assert all(set(r["data"]) == {"train_x", "train_y", "validation_x", "test_x"} for r in fake.seen)


def test_trials_run_in_the_planned_order_and_repeats_last(run, tiny_study):
    fake = Fake(answer)
    study = tiny_study(libraries=["torch", "jax", "tensorflow"], seeds=3, repeats=1)
    rows = trials(run(study, fake))
    assert [t.id for t in rows] == [t.id for t in plan(study)]
    assert [r["library"] for r in fake.seen] == [t.library for t in plan(study)]


def test_what_has_finished_is_never_run_again(run, tiny_study):
    study = tiny_study(seeds=4, libraries=["torch"])
    fake = Fake(answer)

    def stop_after_two(event):
        if event.phase == "trials" and event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(study, fake, on_event=stop_after_two)
    folder = run(study, fake)
    assert len(fake.seen) == 4
    run(study, fake, folder=folder)
    assert len(fake.seen) == 4


def test_a_result_that_a_kill_kept_from_the_store_is_taken(run, tiny_study):
    """The worker ended well, and then the study was killed before it could write the row."""
    study = tiny_study(seeds=1)
    folder = run(study)
    before = trials(folder)[0]
    with Store(folder) as store, store.transaction() as db:
        for table in ("metric", "series", "run"):
            db.execute(f"DELETE FROM {table}")

    def never(job, record):
        raise AssertionError("it was run again")

    run(study, Fake(never), folder=folder)
    after = trials(folder)[0]
    assert (after.status, after.weights_sha256, after.metrics) == ("ok", before.weights_sha256, before.metrics)


@pytest.mark.parametrize("place", ["launch", "record"])
@pytest.mark.parametrize("at", range(5))
def test_stopped_at_any_trial_a_study_ends_with_the_same_rows(tiny, tiny_study, tmp_path, monkeypatch, place, at):
    study = tiny_study(libraries=["torch", "jax"], seeds=2, repeats=1)
    run_whole = partial(run_study, study, system=tiny, prepared=tiny.prepare())
    run_whole(tmp_path / "whole", launcher=Fake(answer))
    fake = Fake(answer)
    count = iter(range(100))

    def interrupted(*arguments):
        if next(count) == at:
            raise KeyboardInterrupt
        return arguments

    with monkeypatch.context() as patch:
        if place == "launch":
            fake.answer = lambda job, record: answer(*interrupted(job, record))
        else:
            record = Store.record_run
            patch.setattr(Store, "record_run", lambda *arguments: record(*interrupted(*arguments)))
        with pytest.raises(KeyboardInterrupt):
            run_whole(tmp_path / "cut", launcher=fake)
    fake.answer = answer
    run_whole(tmp_path / "cut", launcher=fake)
    assert len(fake.seen) == 7  # six trials and the one that was lost
    whole, cut = (
        [(t.id, t.status, t.weights_sha256, t.metrics) for t in trials(tmp_path / name)] for name in ("whole", "cut")
    )
    assert whole == cut


@pytest.mark.parametrize("spoil", ["job.json", "result.json"])
def test_a_result_of_another_job_or_half_a_result_is_not_taken(run, tiny_study, spoil):
    study = tiny_study(seeds=1, libraries=["reference"])
    folder = run(study)
    with Store(folder) as store, store.transaction() as db:
        for table in ("metric", "series", "run"):
            db.execute(f"DELETE FROM {table}")
    path = folder / "trials" / "plain.reference.seed0" / spoil
    path.write_text(path.read_text()[:-2])
    fake = Fake(answer)
    run(study, fake, folder=folder)
    assert len(fake.seen) == 1


def test_the_sweep_takes_the_count_that_trains_fastest(run, tiny_study, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: [0, 1, 2, 3])

    def slow_jax(job, record):
        if record["library"] == "jax" and record["threads"] == 2:
            return Failure(kind="crash", reason="no")
        return answer(job, record)

    fake = Fake(slow_jax)
    folder = run(tiny_study(libraries=["torch", "jax"], threads="sweep", seeds=1), fake)
    assert {t.library: t.threads for t in trials(folder)} == {"torch": 2, "jax": 4}
    with Store(folder) as store:
        swept = [tuple(r) for r in store.rows("SELECT library, threads, training_images_per_s, reason FROM sweep")]
    assert set(swept) == {
        ("torch", 1, 100.0, None), ("torch", 2, 180.0, None), ("torch", 4, 150.0, None),
        ("jax", 1, 100.0, None), ("jax", 2, None, "crash: no"), ("jax", 4, 150.0, None),
    }  # fmt: skip
    short = [r for r in fake.seen if not r["measure"]]
    assert len(short) == 6
    assert all("test_x" not in r["data"] for r in short)  # a sweep has no business with the test set
    run(tiny_study(libraries=["torch", "jax"], threads="sweep", seeds=1), fake, folder=folder)
    assert len(fake.seen) == 8


@pytest.mark.parametrize(("cores", "counts"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])])
def test_thread_counts(cores, counts):
    assert thread_counts(cores) == counts


def test_how_busy_the_machine_was_is_kept(run, tiny_study, monkeypatch):
    loads = iter([0.9, 0.8, 0.05, 0.02])
    monkeypatch.setattr(machine, "other_load", lambda seconds=0.3: next(loads))
    folder = run(tiny_study(max_load=0.1, libraries=["torch"]), Fake(answer))
    assert [t.load_before for t in trials(folder)] == [0.05, 0.02]


def test_a_machine_that_never_gets_quiet_is_not_waited_for_for_ever(run, tiny_study, monkeypatch):
    monkeypatch.setattr(schedule, "QUIET_WAIT_S", 0)
    monkeypatch.setattr(machine, "other_load", lambda seconds=0.3: 0.97)
    folder = run(tiny_study(max_load=0.1, seeds=1), Fake(answer))
    assert [t.load_before for t in trials(folder)] == [0.97]


def refused(call, error_type: type[Exception], *words: str) -> None:
    with pytest.raises(error_type) as error:
        call()
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_another_study_in_the_folder_is_refused_and_says_what_differs(run, tiny_study):
    run(tiny_study(libraries=["torch"]), Fake(answer))
    changed = tiny_study(libraries=["torch"], seeds=3)
    refused(lambda: run(changed, Fake(answer)), StoreError, "differs in seeds", "--out")


def test_another_data_set_in_the_folder_is_refused(tiny, tiny_study, tmp_path):
    """With no data set named the best at hand is taken, and that may have changed since the study began."""
    study = tiny_study(libraries=["torch"])
    run_study(study, tmp_path, launcher=Fake(answer), system=tiny, prepared=tiny.prepare())
    other = replace(tiny.prepare(), name="larger")
    call = partial(run_study, study, tmp_path, launcher=Fake(answer), system=tiny, prepared=other)
    refused(call, StoreError, "differs in data", "--out")
    with Store(tmp_path) as store:
        assert store.study()["settings"]["data"] == "tiny"


def test_results_of_two_machines_never_mix(run, tiny_study, monkeypatch):
    study = tiny_study(libraries=["torch"])
    run(study, Fake(answer))
    here = machine.describe()
    monkeypatch.setattr(machine, "describe", lambda: here | {"processor": "Another Processor"})
    refused(lambda: run(study, Fake(answer)), StoreError, "another machine", "Another Processor", "--out")


def test_two_studies_in_one_folder_at_once(run, tiny_study, tmp_path):
    study = tiny_study(libraries=["torch"])

    def inside(job, record):
        refused(lambda: run(study, Fake(answer)), StoreError, "another study is running", "--out")
        return answer(job, record)

    run(study, Fake(inside))
    assert all(t.status == "ok" for t in trials(tmp_path / "study"))


def test_a_folder_below_a_file(run, tiny_study, tmp_path):
    (tmp_path / "file").write_text("")
    refused(lambda: run(tiny_study(), Fake(answer), folder=tmp_path / "file" / "study"), StoreError, "Not a directory")


def test_more_threads_than_cores(run, tiny_study):
    refused(lambda: run(tiny_study(threads=999, at_once=2), Fake(answer)), StudyError, "lower at_once or threads")


def test_an_unknown_network(run, tiny_study):
    refused(
        lambda: run(tiny_study(networks=["plane"])), StudyError, 'network "plane" for tiny', 'did you mean "plain"?'
    )


def test_side_by_side_each_trial_has_cores_of_its_own(run, tiny_study, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: [0, 1, 2, 3])
    seen: list[tuple[int, ...]] = []

    class Noting(Fake):
        def run(self, job, timeout_s, cores=None):
            seen.append(tuple(cores or ()))
            return super().run(job, timeout_s, cores)

    folder = run(tiny_study(libraries=["torch"], seeds=6, at_once=2), Noting(answer))
    assert set(seen) <= {(0, 1), (2, 3)}
    assert [t.status for t in trials(folder)] == ["ok"] * 6


def test_a_study_moved_to_another_place_goes_on(run, tiny_study, tmp_path):
    study = tiny_study(libraries=["torch"])
    fake = Fake(answer)
    folder = run(study, fake)
    shutil.move(folder, tmp_path / "moved")
    run(study, fake, folder=tmp_path / "moved")
    assert len(fake.seen) == 2
