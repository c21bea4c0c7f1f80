"""Faces as the core sees it: aligned faces of LFW for training an embedder, and how an embedder is scored."""

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from quintet.recipe import Claim, Recipe
from quintet.system import Prepared, check_network

if TYPE_CHECKING:
    from quintet.schedule import OnEvent


class Faces:
    """The system `faces`; see quintet.system.System."""

    name = "faces"
    question = "Which features hold under which condition, and which library trains them best here?"
    default_network = "small"
    model_card = MappingProxyType(
        {
            "intended_use": ("It compares aligned faces: for trying out, for teaching, for research.",),
            "limits": (
                "It is not fit for a real door: it was trained on few people, and measured on pictures of the press.",
            ),
            "not_tested": ("Children, masks, infrared cameras; whether it errs more often for some groups of people.",),
        }
    )

    def prepare(self, data: str | None = None, cache: Path | None = None) -> Prepared:  # noqa: ARG002
        """Return aligned faces of LFW: "lfw-fold3" (0 to 9; default 0) has the people of all folds of its pairs but that one."""
        from quintet_systems.faces.training.embedder_data import prepare

        return prepare(data)

    def prepare_test(self, data: str | None, trained_on: str | None) -> Prepared:  # noqa: ARG002
        """Return the same data, whose test split holds none of its training people."""
        return self.prepare(data)

    def networks(self) -> Sequence[str]:
        """Return the embedders' names."""
        from quintet_systems.faces.networks import SIZES

        return tuple(SIZES)

    def recipe(self, network: str, prepared: Prepared) -> Recipe:
        """Return the embedder with as many classes as there are training people, and its training."""
        from quintet_systems.faces.networks import embedder_recipe

        people = int(prepared.arrays["train_y"].max()) + 1
        return embedder_recipe(check_network(self, network), prepared.input_shape, people)

    def parity_networks(self) -> Sequence[str]:
        """Return the smallest embedder."""
        return ("tiny",)

    def score(self, truth: np.ndarray, output: np.ndarray) -> dict[str, float]:
        """Return accuracy: the share of pictures whose most similar other picture shows the same person.

        People with one picture among them are nobody's match, and are left out of the share.
        """
        return {"accuracy": nearest_is_the_same(truth, output)}

    def claims(self) -> Sequence[Claim]:
        """Return the survey's two claims on faces."""
        source = "Yuan et al. 2017, as the survey reports it"
        return (
            Claim(name="robust", sentence="Learned features are more robust than hand-crafted ones.", source=source),
            Claim(name="cascade", sentence="A cascade of CNNs improves detection.", source=source),
        )

    def complete_bundle(self, bundle: Path, prepared: Prepared) -> None:
        """Add nothing: an embedder's bundle is whole as it is."""

    def demo(self, folder: Path, on_event: "OnEvent") -> Sequence[str]:
        """Train an embedder on drawn faces and compare it; see quintet_systems.faces.demo."""
        from quintet_systems.faces.demo import run_demo

        return run_demo(folder, on_event)

    def commands(self) -> Any:
        """Return `quintet faces …`."""
        from quintet_systems.faces.commands import app

        return app


def nearest_is_the_same(people: np.ndarray, embeddings: np.ndarray) -> float:
    """Return the share of pictures, of people with at least two, whose nearest other picture by cosine is of that person.

    >>> nearest_is_the_same(np.array([0, 0, 1]), np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]]))
    1.0
    """
    x = embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
    cosine = x @ x.T
    np.fill_diagonal(cosine, -np.inf)
    several = np.bincount(people)[people] > 1
    return float((people[cosine.argmax(1)] == people)[several].mean()) if several.any() else 0.0


SYSTEM = Faces()
