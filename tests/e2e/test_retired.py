"""Retired libraries beside the living in one study: a missing environment keeps its row, and is run once it is there."""

import json
import os

import pytest

from quintet.environments import library

NAMES = ("mxnet", "theano")


@pytest.fixture
def needed():
    """Skip, or in CI fail, where the environments are not there."""
    for name in NAMES:
        if why := library(name).unavailable:
            if os.environ.get("CI") == "true":
                pytest.fail(why)
            pytest.skip(why)


def rows_of(answer):
    """Return the rows of the study's only network, by library."""
    assert answer.code == 0, answer.err
    (network,) = json.loads(answer.out)["networks"]
    return {row["library"]: row for row in network["rows"]}


@pytest.mark.timeout(1200)  # a Theano compiles its graphs for the first time
def test_a_missing_environment_is_a_row_and_once_it_is_there_its_trials_are_run(quintet, needed, monkeypatch, tmp_path):
    words = ("compare", "digits", "--libraries", "reference,pylearn2," + ",".join(NAMES), "--data", "digits8x8")
    words += ("--seeds", "1", "--epochs", "1", "--threads", "1", "--out", str(tmp_path / "study"), "--json")
    with monkeypatch.context() as away:
        away.setenv("QUINTET_CACHE", str(tmp_path / "empty"))
        before = rows_of(quintet(*words))
    assert before["reference"]["n_failed"] == 0
    for name in NAMES:
        assert before[name]["n_failed"] == 1
        assert "environment: " in before[name]["failures"][0]
        assert f"quintet libraries add {name}" in before[name]["failures"][0]

    after = rows_of(quintet(*words))
    assert "never released" in after["pylearn2"]["failures"][0]
    assert after["reference"]["performance"] == before["reference"]["performance"]  # it was not run again
    for name in NAMES:
        assert after[name]["n_failed"] == 0, after[name]["failures"]
        assert after[name]["not_comparable"] is None, after[name]["not_comparable"]
        assert after[name]["accuracy"]["mean"] == pytest.approx(after["reference"]["accuracy"]["mean"], abs=0.05)


def test_a_study_of_nothing_but_missing_libraries_is_refused(quintet, monkeypatch, tmp_path):
    monkeypatch.setenv("QUINTET_CACHE", str(tmp_path))
    answer = quintet("compare", "digits", "--libraries", "mxnet")
    assert answer.code == 2
    assert "quintet libraries add mxnet" in answer.err
