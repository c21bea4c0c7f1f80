"""A job folder: what the core hands to a worker. Arrays are stored once, by hash, and shared by all jobs of a study."""

import hashlib
import io
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from quintet.errors import StoreError
from quintet.network import Adversarial, Net
from quintet.network_json import resolved
from quintet.optimiser import Optimiser, wire_form
from quintet.weights import Weights
from quintet_worker import wire

PRECISIONS = ("float64", "float32", "bfloat16")


class ArrayStore:
    """A folder of arrays named by the hash of their content, so that each is written once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, value: np.ndarray) -> Path:
        """Write one array as .npy; return its path."""
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(value), allow_pickle=False)
        return self._put(buffer.getvalue(), ".npy")

    def put_set(self, values: Weights) -> Path:
        """Write a set of arrays by name as .npz; return its path."""
        sha = hashlib.sha256()
        for name in sorted(values):
            sha.update(name.encode() + str(values[name].dtype).encode() + values[name].tobytes())
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **values)
        return self._put(buffer.getvalue(), ".npz", sha.hexdigest())

    def _put(self, content: bytes, suffix: str, digest: str | None = None) -> Path:
        path = self.folder / ((digest or hashlib.sha256(content).hexdigest())[:32] + suffix)
        if not path.exists():
            write_whole(path, content)
        return path


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker is to do.

    Args:
        data: "train_x", "train_y", "validation_x", "test_x": paths of arrays; x `(samples, height, width, channels)`.
        order: path of the index matrix `(steps, batch)`, `int32`.
        learning_rates: path of the rates `(steps,)`, `float64`.
        seed: of the worker's own streams (augmentation, dropout, noise).
        evaluate_at: steps after which the validation outputs are taken.
        measure: {"inference_passes": n, "latency_calls": n}.
        save: keep the final weights beside the result.
    """

    task: Literal["train", "ladder"]
    library: str
    network: Net | Adversarial
    weights: Path
    optimiser: Optimiser
    precision: str = "float32"
    threads: int = 1
    device: str = "cpu"
    data: Mapping[str, Path]
    order: Path
    learning_rates: Path
    augment: Mapping[str, Any] | None = None
    seed: int = 0
    evaluate_at: Sequence[int] = ()
    measure: Mapping[str, int] = field(default_factory=dict)
    save: bool = False
    ladder_steps: int = 0

    def record(self, folder: Path) -> dict[str, Any]:
        """Return job.json's content; paths are relative to `folder`."""

        def near(path: Path) -> str:
            return os.path.relpath(path, folder)

        return {
            "version": wire.VERSION,
            "task": self.task,
            "library": self.library,
            "network": resolved(self.network),
            "weights": near(self.weights),
            "optimiser": wire_form(self.optimiser),
            "precision": self.precision,
            "threads": self.threads,
            "device": self.device,
            "data": {name: near(path) for name, path in self.data.items()},
            "order": near(self.order),
            "learning_rates": near(self.learning_rates),
            "augment": dict(self.augment) if self.augment else None,
            "seed": self.seed,
            "evaluate_at": list(self.evaluate_at),
            "measure": dict(self.measure),
            "save": self.save,
            "ladder_steps": self.ladder_steps,
        }

    def write(self, folder: Path) -> str:
        """Write job.json into `folder`; return its content, by which an equal job is known again."""
        content = json.dumps(self.record(folder), indent=1, sort_keys=True)
        write_whole(folder / "job.json", content.encode())
        return content


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:  # Ctrl-C too leaves nothing half-written
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StoreError(
            f"received {error.strerror or error} while writing {path}, expected a folder with room that this user may write;"
            " free some space or choose another folder"
        ) from error
