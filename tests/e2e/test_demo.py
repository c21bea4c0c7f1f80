"""The demo, with the reference as the only installed library and a short ladder: the whole way, then once more."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from quintet import schedule
from quintet.store import Store
from quintet_systems.digits import demo, networks


@pytest.fixture
def small(monkeypatch):
    """Make the demo small; everything that it does is done."""
    monkeypatch.setattr(demo, "installed", lambda: ["reference"])
    monkeypatch.setattr(demo, "SEEDS", 2)
    short = partial(schedule.check_parity, steps={"float64": 6, "float32": 3})
    monkeypatch.setattr(schedule, "check_parity", short)
    survey = networks.NETWORKS["survey"]
    monkeypatch.setitem(networks.NETWORKS, "survey", lambda shape: replace(survey(shape), epochs=4))
    monkeypatch.setattr("quintet.trials.MEASURE", {"inference_passes": 1, "latency_calls": 5})


def test_the_demo_goes_the_whole_way_and_says_where_everything_is(quintet, small, monkeypatch, tmp_path):
    monkeypatch.setenv("QUINTET_DATA", str(tmp_path))
    monkeypatch.setenv("QUINTET_CACHE", str(tmp_path / "cache"))
    said = quintet("demo")
    assert said.code == 0, said.err
    for name in ("report.html", "study/study.db", "model/bundle", "page.png", "page-read.png"):
        assert (tmp_path / "quintet-demo" / name).exists()
        assert f"quintet-demo/{name}" in said.err
    assert "Recommended here: reference" in said.err
    assert "of the test digits right" in said.err
    assert "quintet data get mnist" in said.err  # with no MNIST at hand it says how to get it
    written, read = (next(x for x in said.err.splitlines() if x.strip().startswith(w)) for w in ("written:", "read:"))
    truth, answers = (line.split(":")[1].split("(")[0].replace(" ", "") for line in (written, read))
    right = sum(a == b for a, b in zip(truth, answers, strict=False))
    assert len(truth) == demo.SHOWN
    assert right >= 8  # by chance it would be two

    rows = ended(tmp_path / "quintet-demo" / "study")
    assert len(rows) == 3
    again = quintet("demo")
    assert again.code == 0
    assert ended(tmp_path / "quintet-demo" / "study") == rows  # nothing that had finished was run again


def ended(folder: Path) -> list[tuple[str, str]]:
    with Store(folder) as store:
        return [tuple(row) for row in store.rows("SELECT trial, ended FROM run ORDER BY trial")]


def test_the_demo_without_a_library_says_what_to_type(quintet, monkeypatch):
    monkeypatch.setattr(demo, "installed", list)
    said = quintet("demo")
    assert said.code == 2
    assert 'python -m pip install -e ".[torch]"' in said.err


@pytest.mark.data
def test_with_mnist_at_hand_the_digits_are_mnists():
    from quintet_systems.digits.system import SYSTEM

    prepared = SYSTEM.prepare()
    assert prepared.name == "mnist"
    sizes = {name: array.shape for name, array in prepared.arrays.items() if name.endswith("_x")}
    assert sizes == {"train_x": (55000, 28, 28, 1), "validation_x": (5000, 28, 28, 1), "test_x": (10000, 28, 28, 1)}
    assert np.bincount(prepared.arrays["validation_y"]).min() > 400
