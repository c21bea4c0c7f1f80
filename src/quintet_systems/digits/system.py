"""Digits as the core sees it: data, networks, scores and claims."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from quintet.recipe import Claim, Recipe
from quintet.scores import classification_scores
from quintet.system import Prepared, check_network
from quintet_systems.digits.networks import NETWORKS, recipe

if TYPE_CHECKING:
    from quintet.schedule import OnEvent

SPLIT_SEED = 20170901  # one validation split for everyone, so that what was chosen on it stays apart from the test set
VALIDATION_SHARE = {"mnist": 5000, "digits8x8": 0.2}


class Digits:
    """The system `digits`; see quintet.system.System."""

    name = "digits"
    question = "Which library reads handwritten digits best here?"
    default_network = "survey"
    model_card = MappingProxyType(
        {
            "intended_use": ("It reads single handwritten digits, and pages of them through quintet digits read.",),
            "limits": (
                "It reads the digits 0 to 9: no letters, signs or decimal points.",
                "A digit must come as the data set has it: alone, centred, light on dark; quintet digits read sees to that.",
            ),
            "not_tested": ("Writers who write their digits otherwise than those of the data set, as with a barred 7.",),
        }
    )

    def prepare(self, data: str | None = None, cache: Path | None = None) -> Prepared:  # noqa: ARG002
        """Return MNIST where it is at hand, else the 8x8 digits that scikit-learn carries; or the data set named."""
        from quintet import datasets

        chosen = data or ("mnist" if datasets.available("mnist") else "digits8x8")
        found = datasets.load(chosen)
        train, validation = datasets.split(found, VALIDATION_SHARE[chosen], np.random.default_rng(SPLIT_SEED))
        return Prepared(
            name=found.name,
            arrays={
                "train_x": found.train_x[train],
                "train_y": found.train_y[train],
                "validation_x": found.train_x[validation],
                "validation_y": found.train_y[validation],
                "test_x": found.test_x,
                "test_y": found.test_y,
            },
            labels=found.labels,
            provenance=asdict(found.provenance) | {"found": None},
        )

    def networks(self) -> Sequence[str]:
        """Return "survey", "fast" and "best"."""
        return tuple(NETWORKS)

    def recipe(self, network: str, prepared: Prepared) -> Recipe:
        """Return the network shaped for 28x28 or 8x8 images, with its training."""
        return recipe(check_network(self, network), prepared.input_shape)

    def parity_networks(self) -> Sequence[str]:
        """Return the survey's network, and the fast one for its BatchNorm."""
        return ("survey", "fast")

    def score(self, truth: np.ndarray, output: np.ndarray) -> dict[str, float]:
        """Return accuracy, macro precision and macro recall."""
        return classification_scores(truth, output)

    def claims(self) -> Sequence[Claim]:
        """Return the survey's claim on activations."""
        return (
            Claim(
                name="relu",
                sentence="ReLU gives the best accuracy of six activation functions on MNIST.",
                source="Ertam & Aydın, UBMK 2017, as the survey reports it",
            ),
        )

    def complete_bundle(self, bundle: Path, prepared: Prepared) -> None:
        """Add what the page reader needs: its temperature and its sense of the familiar."""
        from quintet_systems.digits.reader import fit_reader

        fit_reader(bundle, prepared)

    def demo(self, folder: Path, on_event: "OnEvent") -> Sequence[str]:
        """Compare, train, read a page; see quintet_systems.digits.demo."""
        from quintet_systems.digits.demo import run_demo

        return run_demo(folder, on_event)

    def commands(self) -> Any:
        """Return `quintet digits …`."""
        from quintet_systems.digits.commands import app

        return app


SYSTEM = Digits()
