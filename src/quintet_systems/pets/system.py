"""Pets as the core sees it: data, networks, scores and claims."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quintet.recipe import Claim, Recipe
from quintet.scores import classification_scores
from quintet.system import Prepared, check_network

if TYPE_CHECKING:
    from quintet.schedule import OnEvent


class Pets:
    """The system `pets`; see quintet.system.System."""

    name = "pets"
    question = "Which library and which network tell cats from dogs, or your own labels, best here?"
    default_network = "small"

    def prepare(self, data: str | None = None, cache: Path | None = None) -> Prepared:  # noqa: ARG002
        """Return the photos of a folder, a zip or a CSV; None or "dogs-vs-cats": the cats and dogs."""
        from quintet_systems.pets.data import prepare

        return prepare(data)

    def prepare_test(self, data: str | None, trained_on: str | None) -> Prepared:
        """Return the test split of the photos that the model was trained on; of other photos, all."""
        from quintet_systems.pets.data import prepare_test

        return prepare_test(data, trained_on)

    def networks(self) -> Sequence[str]:
        """Return the survey's two and the ladder's four."""
        from quintet_systems.pets.networks import NETWORKS

        return tuple(NETWORKS)

    def recipe(self, network: str, prepared: Prepared) -> Recipe:
        """Return the network with as many outputs as the data has labels, and its training."""
        from quintet_systems.pets.networks import NETWORKS

        return NETWORKS[check_network(self, network)](prepared.input_shape, len(prepared.labels))

    def parity_networks(self) -> Sequence[str]:
        """Return the survey's smaller net, and the smallest of the ladder for its BatchNorm and residual blocks."""
        return ("survey5", "nano")

    def score(self, truth: np.ndarray, output: np.ndarray) -> dict[str, float]:
        """Return accuracy, macro precision and macro recall."""
        return classification_scores(truth, output)

    def claims(self) -> Sequence[Claim]:
        """Return the survey's claim on size."""
        return (
            Claim(
                name="larger",
                sentence="The larger network is the more accurate.",
                source="Shiddieqy, Hariadi & Adiono, ISESD 2017, as the survey reports it",
            ),
        )

    def complete_bundle(self, bundle: Path, prepared: Prepared) -> None:
        """Add nothing yet: what decides (temperature, reject rule) is fitted after the export."""

    def demo(self, folder: Path, on_event: "OnEvent") -> Sequence[str]:
        """Train, export, sign and ask, on drawn photos; see quintet_systems.pets.demo."""
        from quintet_systems.pets.demo import run_demo

        return run_demo(folder, on_event)

    def commands(self) -> Any:
        """Return `quintet pets …`."""
        from quintet_systems.pets.commands import app

        return app


SYSTEM = Pets()
