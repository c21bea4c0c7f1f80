"""The benchmarks on made-up measurements: what they measure in which order, their verdicts, exit codes and pages."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def load(monkeypatch, tmp_path):
    """Return a function that imports a module of benchmarks/; its pages go below `tmp_path`."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    monkeypatch.chdir(tmp_path)
    measurement = importlib.import_module("measurement")
    monkeypatch.setattr(measurement, "ROOT", tmp_path)
    monkeypatch.setattr(measurement, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(measurement.machine, "other_load", lambda: 0.25)
    return importlib.import_module


@pytest.fixture
def overhead(load) -> ModuleType:
    return load("overhead")


@pytest.fixture
def time_to_99(load) -> ModuleType:
    return load("time_to_99")


def test_table_columns_line_up(load) -> None:
    text = load("measurement").table(["library", "n"], [["jax", "5"], ["tensorflow", "12"]])
    assert text.splitlines() == [
        "| library    | n  |",
        "|------------|----|",
        "| jax        | 5  |",
        "| tensorflow | 12 |",
    ]


def test_overhead_interleaves_and_judges_each_library(overhead, capsys, tmp_path) -> None:
    seen = []

    def measure(side: str, library: str, seed: int, steps: int) -> float:
        seen.append((seed, library, side))
        factor = {"plain": 1.0, "quintet": 0.9 if library == "jax" else 1.1}[side]
        return factor * (1000 + 10 * seed)

    code = overhead.main(
        ["--libraries", "torch,jax", "--repeats", "3", "--json", "--write", "--date", "2026-01-02"], measure
    )
    assert seen[:4] == [(0, "torch", "quintet"), (0, "torch", "plain"), (0, "jax", "quintet"), (0, "jax", "plain")]
    assert seen[4:6] == [(1, "torch", "plain"), (1, "torch", "quintet")]
    record = json.loads(capsys.readouterr().out)
    assert {row["library"]: round(row["ratio"], 6) for row in record["rows"]} == {"torch": 1.1, "jax": 0.9}
    assert code == 1
    assert not record["passed"]
    page = (tmp_path / "results" / "overhead.md").read_text()
    assert "| jax " in page
    assert "2026-01-02" in page
    assert "25%" in page
    assert overhead.main(["--libraries", "torch", "--repeats", "1"], measure) == 0


@pytest.mark.parametrize(
    "arguments", [["--libraries", "tourch"], ["--steps", "0"], ["--steps", "469"], ["--repeats", "x"]]
)
def test_overhead_refuses_what_it_cannot_measure(overhead, arguments, capsys) -> None:
    with pytest.raises(SystemExit) as end:
        overhead.main(arguments, lambda *_: 1.0)
    assert end.value.code == 2
    assert "expected" in capsys.readouterr().err or arguments == ["--repeats", "x"]


def test_plain_scripts_and_classic_network_are_of_one_size(overhead) -> None:
    # 320 + 18,496 + 1,179,776 + 1,290: what Keras's summary says of keras_plain.py's model.
    assert overhead.classic().net.parameter_count() == 1_199_882


def test_target_counts_for_the_mean_over_seeds(time_to_99) -> None:
    curves = [
        [{"train_s": 10.0, "accuracy": 0.992}, {"train_s": 20.0, "accuracy": 0.993}],
        [{"train_s": 12.0, "accuracy": 0.986}, {"train_s": 24.0, "accuracy": 0.989}],
    ]
    place = time_to_99.reached(curves, 0.99)
    assert place.look == 2
    assert place.seconds == [20.0, 24.0]
    assert time_to_99.reached(curves, 0.995) is None


class Made:
    """Measurements made up: Quintet takes `quintet_s`, PyTorch's example is there after 7 epochs of 30 s, Keras's never."""

    def __init__(self, quintet_s: float) -> None:
        self.quintet_s = quintet_s
        self.runs: list[tuple[str, int, int]] = []

    def __call__(self, recipe, seed: int, epochs: int) -> list[dict[str, float]]:
        self.runs.append((recipe.library, seed, epochs))
        if recipe.script is None:
            return [{"train_s": self.quintet_s + seed, "accuracy": 0.991}]
        step = 0.002 if recipe.library == "torch" else 0.0001
        return [{"train_s": 30.0 * (i + 1) + seed, "accuracy": 0.9761 + step * (i + 1)} for i in range(epochs)]


def test_time_to_99_extends_resumes_and_judges(time_to_99, capsys, tmp_path) -> None:
    made = Made(20.0)
    arguments = ["--libraries", "torch", "--seeds", "2", "--json", "--write", "--out", "kept"]
    assert time_to_99.main(arguments, made) == 0
    assert made.runs[:3] == [("torch", 0, 1), ("torch", 0, 5), ("keras-tensorflow", 0, 10)]  # Quintet first
    assert ("torch", 1, 9) in made.runs
    assert ("torch", 1, 13) not in made.runs
    assert ("keras-tensorflow", 1, 14) in made.runs
    rows = {row["recipe"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["PyTorch's example"]["epochs"] == 7
    assert rows["Keras's example"]["seconds"] is None
    assert rows["Quintet, fast"]["ratio"] == pytest.approx((20 / 210 * 21 / 211) ** 0.5)
    assert "not reached" in (tmp_path / "results" / "time-to-99.md").read_text()

    again = Made(20.0)
    assert time_to_99.main(arguments, again) == 0
    assert again.runs == []  # every run was kept
    assert time_to_99.main([*arguments, "--images", "1000"], again) == 0
    assert again.runs  # kept runs of other images are not taken


def test_time_to_99_says_no(time_to_99, capsys) -> None:
    assert time_to_99.main(["--libraries", "torch", "--seeds", "1"], Made(100.0)) == 1
    assert time_to_99.main(["--seeds", "1", "--target", "0.999", "--max-epochs", "6", "--out", "other"], Made(1.0)) == 1
    assert "not reached" in capsys.readouterr().out


class Contender:
    """A made-up process: every prediction takes `ms`, give or take a percent in turn."""

    def __init__(self, name: str, ms: float, asked: list[tuple[str, int]]) -> None:
        self.name, self.ms, self.asked = name, ms, asked
        self.closed = False

    def round(self, calls: int) -> dict[str, list[float]]:
        self.asked.append((self.name, calls))
        return {"ms": [self.ms * (0.99 if len(self.asked) % 2 else 1.01)] * calls}

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def edge(load, monkeypatch) -> ModuleType:
    from quintet.runtimes.choosing import Choice

    module = load("edge")
    monkeypatch.setattr(module, "chosen_path", lambda bundle: Choice("litert", "int8", 1))
    about = {"name": "made-up", "model_version": 3, "parameters": 300_000, "multiply_adds": 20_000_000}
    monkeypatch.setattr(module, "described", lambda bundle: about)
    return module


def run_edge(edge, monkeypatch, quintet=1.0, litert=1.0, predict=60.0, start=0.4, more=()):
    asked: list[tuple[str, int]] = []
    usual = {"quintet": quintet, "litert": litert, "onnxruntime": 1.5, "openvino": 2.0, edge.KERAS: predict}
    made = {name: Contender(name, ms, asked) for name, ms in usual.items()}
    monkeypatch.setattr(edge, "cold_starts", lambda bundle, choice, folder, count: [start, start + 0.01, start - 0.01])
    code = edge.main(["bundle", "--rounds", "4", "--calls", "30", "--json", *more], lambda *_: made)
    assert all(one.closed for one in made.values())
    return code, asked


def test_edge_interleaves_and_meets_its_bars(edge, monkeypatch, capsys, tmp_path) -> None:
    code, asked = run_edge(edge, monkeypatch, more=["--write", "--date", "2026-01-02"])
    names = ["quintet", "litert", "onnxruntime", "openvino", edge.KERAS]
    assert [name for name, _ in asked] == [*names, *names[::-1]] * 2
    assert {calls for name, calls in asked if name != edge.KERAS} == {30}
    assert {calls for name, calls in asked if name == edge.KERAS} == {edge.KERAS_CALLS}
    record = json.loads(capsys.readouterr().out)
    assert code == 0
    assert record["passed"]
    assert record["best"] == "litert"
    rows = {row["path"]: row for row in record["rows"]}
    assert rows["openvino"]["ratio"] == pytest.approx(0.5, rel=0.03)
    assert rows["quintet"]["predictions"] == 120
    assert record["times_faster_than_predict"] == pytest.approx(60, rel=0.03)
    text = (tmp_path / "results" / "edge.md").read_text()
    assert "made-up, 300,000 parameters" in text
    assert "2026-01-02" in text
    assert text.count("- Met: ") == 3


@pytest.mark.parametrize(
    ("changed", "bar"),
    [
        ({"litert": 0.9}, "best_of_three"),
        ({"predict": 40.0}, "keras_predict"),
        ({"start": 0.7}, "cold_start"),
    ],
)
def test_edge_says_which_bar_is_not_met(edge, monkeypatch, capsys, changed, bar) -> None:
    code, _ = run_edge(edge, monkeypatch, **changed)
    said = capsys.readouterr()
    record = json.loads(said.out)
    assert code == 1
    assert [name for name, met in record["met"].items() if not met] == [bar]
    assert said.err.count("NOT met") == 1


@pytest.mark.slow
@pytest.mark.data
def test_overhead_for_real(tmp_path) -> None:
    """One pair of measurements in real processes; its ratio says nothing, so either verdict will do."""
    pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "overhead.py"), "--libraries", "torch", "--repeats", "1", "--steps", "2",
         "--json"],
        cwd=tmp_path, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stderr
    assert json.loads(done.stdout)["rows"][0]["ratio"] > 0
