"""What a system is to the core, and how systems are found: by entry point, the built-in ones included.

The core never imports a system by name; a system never imports an adapter.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from quintet.errors import StudyError, nearest
from quintet.recipe import Claim, Recipe

if TYPE_CHECKING:
    from quintet.schedule import OnEvent

GROUP = "quintet.systems"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A system's data, ready for a job.

    Args:
        name: of the data set.
        arrays: "train_x", "train_y", "validation_x", "validation_y", "test_x", "test_y"; x `(samples, height, width,
            channels)` uint8 or `(samples, features)`, y `(samples,)` int64.
        labels: the classes' names.
        provenance: source, licence, hashes, for reports and model cards.
    """

    name: str
    arrays: Mapping[str, np.ndarray]
    labels: Sequence[str]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """One sample's shape."""
        return self.arrays["train_x"].shape[1:]

    def sha256(self) -> str:
        """Return what the model learnt from, as a hash: of its files' hashes where provenance has them, else of its arrays."""
        files = self.provenance.get("sha256")
        if files:
            return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
        return self._sha256("train_x", "train_y")

    def test_sha256(self) -> str:
        """Return the hash of the test arrays, by which one test set is told from another."""
        return self._sha256("test_x", "test_y")

    def _sha256(self, *names: str) -> str:
        sha = hashlib.sha256()
        for name in names:
            array = np.ascontiguousarray(self.arrays[name])
            sha.update(f"{name} {array.dtype.str} {array.shape};".encode())
            sha.update(array.data)
        return sha.hexdigest()


class System(Protocol):
    """One application with its data, networks and scores.

    `commands` is a typer application that the command line mounts under the system's name, or None. A system may also have
    `model_card`: {"intended_use", "limits", "not_tested"}, lists of sentences for the model card of its bundles.
    """

    name: str
    question: str
    default_network: str

    def prepare(self, data: str | None = None, cache: Path | None = None) -> Prepared:
        """Return the data called `data`; None: the best that is at hand without a download."""
        ...

    def networks(self) -> Sequence[str]:
        """Return the names of the networks."""
        ...

    def recipe(self, network: str, prepared: Prepared) -> Recipe:
        """Return the network called `network`, shaped for the data, with its training."""
        ...

    def parity_networks(self) -> Sequence[str]:
        """Return the networks that the ladder runs on by default; one with BatchNorm is among them."""
        ...

    def score(self, truth: np.ndarray, output: np.ndarray) -> dict[str, float]:
        """Return {"accuracy": …, …} of outputs `(samples, …)` against `truth` `(samples,)`."""
        ...

    def claims(self) -> Sequence[Claim]:
        """Return what the survey says of this system."""
        ...

    def complete_bundle(self, bundle: Path, prepared: Prepared) -> None:
        """Add to a new bundle's folder what the system's application needs besides: thresholds, calibration."""
        ...

    def commands(self) -> Any:
        """Return the system's own typer application, or None."""
        ...

    def demo(self, folder: Path, on_event: "OnEvent") -> Sequence[str]:
        """Go the whole way on embedded data, leave everything in `folder`, and return lines that say what came of it."""
        ...


def system_names() -> list[str]:
    """Return the names of the systems that are installed."""
    return sorted({point.name for point in importlib.metadata.entry_points(group=GROUP)})


def load_system(name: str) -> System:
    """Return the system called `name`.

    Raises:
        StudyError: no such system is installed.
    """
    for point in importlib.metadata.entry_points(group=GROUP):
        if point.name == name:
            return point.load()
    raise StudyError(f'received system "{name}", {nearest(name, system_names())}')


def check_network(system: System, name: str) -> str:
    """Return `name`, which is one of the system's networks.

    Raises:
        StudyError: it is not; the message gives the nearest name.
    """
    if name not in system.networks():
        raise StudyError(f'received network "{name}" for {system.name}, {nearest(name, system.networks())}')
    return name
