"""What tests share: a system so small that a trial takes no time to train, and the rule for missing data."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quintet import machine
from quintet.layers import Activation, Dense, Flatten, Rescale
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.optimiser import SGD
from quintet.recipe import Claim, Recipe
from quintet.scores import classification_scores
from quintet.study import Study, make_study
from quintet.system import Prepared

RATES = {"plain": 0.1, "wild": 1e30}


class Tiny:
    """A system with 120 images of 8x8 in three classes; "wild" is "plain" at a rate that no training survives."""

    name = "tiny"
    question = "Does it run?"
    default_network = "plain"

    def prepare(self, data: str | None = None, cache: Path | None = None) -> Prepared:
        rng = np.random.default_rng(5)
        arrays = {}
        for part, n in (("train", 120), ("validation", 30), ("test", 60)):
            labels = np.arange(n) % 3
            images = rng.integers(0, 60, (n, 8, 8, 1))
            images[np.arange(n), 2 * labels] += 150
            arrays |= {f"{part}_x": images.astype(np.uint8), f"{part}_y": labels.astype(np.int64)}
        return Prepared(name="tiny", arrays=arrays, labels=["a", "b", "c"])

    def networks(self) -> tuple[str, ...]:
        return tuple(RATES)

    def recipe(self, network: str, prepared: Prepared) -> Recipe:
        layers = (Rescale(scale=1 / 255), Flatten(), Dense(units=8), Activation(kind="relu"), Dense(units=3))
        net = Net(name=network, input_shape=(8, 8, 1), layers=layers, loss=SoftmaxCrossEntropy())
        return Recipe(net=net, optimiser=SGD(momentum=0.9), rate=RATES[network], batch_size=30, epochs=2)

    def parity_networks(self) -> tuple[str, ...]:
        return ("plain",)

    def score(self, truth: np.ndarray, output: np.ndarray) -> dict[str, float]:
        return classification_scores(truth, output)

    def claims(self) -> tuple[Claim, ...]:
        return ()

    def complete_bundle(self, bundle: Path, prepared: Prepared) -> None:
        """Nothing to add."""

    def commands(self) -> Any:
        return None

    def demo(self, folder: Path, on_event: Any) -> tuple[str, ...]:
        return ()


@pytest.fixture
def tiny() -> Tiny:
    return Tiny()


@pytest.fixture
def tiny_study(monkeypatch) -> Callable[..., Study]:
    """Return a function that makes a study of the tiny system; nobody listens for a quiet machine meanwhile."""
    monkeypatch.setattr(machine, "other_load", lambda seconds=0.3: 0.0)

    def make(**settings: Any) -> Study:
        usual = {
            "system": "tiny", "networks": ["plain"], "libraries": ["reference"], "seeds": 2, "threads": 1,
            "repeats": 0, "parity": False, "max_load": 1.0, "evaluations": 2,
        }  # fmt: skip
        return make_study(usual | settings)

    return make


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a command left: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


@pytest.fixture
def quintet(tmp_path, monkeypatch, capsys) -> Callable[..., Said]:
    """Return a function that runs the program `quintet` in this process, in a folder of its own."""
    from quintet.cli import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QUINTET_CONFIG", str(tmp_path / "config"))  # signing keys

    def run(*arguments: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["quintet", *arguments])
        capsys.readouterr()
        code: Any = 0
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
        said = capsys.readouterr()
        return Said(code=int(code), out=said.out, err=said.err)

    return run


@pytest.fixture
def start(tmp_path):
    """Return a function that starts the program `quintet` as a process in a folder; it is ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str, folder: Path = tmp_path) -> subprocess.Popen[str]:
        folder.mkdir(parents=True, exist_ok=True)
        process = subprocess.Popen(
            [sys.executable, "-c", "from quintet.cli import main; main()", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "OMP_NUM_THREADS": "1"},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `data` needs MNIST: without it the test is skipped here, and fails in CI."""
    if item.get_closest_marker("data"):
        from quintet import datasets

        if not datasets.available("mnist"):
            reason = "MNIST is not at hand: set QUINTET_DATA, or type: quintet data get mnist"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
