"""What is given to an emulated board: which exports of a bundle, and which pictures of its system's test set."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from quintet.bundle import read_bundle
from quintet.errors import BundleError, DataError
from quintet.export.record import read_exports
from quintet.runtimes.choosing import installed_runtimes
from quintet.runtimes.opening import FILES
from quintet.system import load_system


def pictures(folder: Path, count: int, data: str | None = None) -> np.ndarray:
    """Return `count` samples `(count, …)` of the bundle's test set, spread over it, or all where it has fewer.

    Raises:
        BundleError: the bundle names no system.
        DataError: the data have another shape.
    """
    bundle = read_bundle(folder)
    if not bundle.card.get("system"):
        raise BundleError(
            f"received {folder}, which names no system, expected one that has test pictures; train it again"
        )
    prepared = load_system(bundle.card["system"]).prepare(data or (bundle.card.get("data") or {}).get("name"))
    if tuple(prepared.input_shape) != tuple(bundle.net.input_shape):
        raise DataError(
            f"received data of shape {tuple(prepared.input_shape)}, expected {tuple(bundle.net.input_shape)} for {folder};"
            " name the data it was trained on with --data"
        )
    x = prepared.arrays["test_x"]
    chosen = np.random.default_rng(0).permutation(len(x))[:count]
    return x[np.sort(chosen)]


def exports_here(folder: Path, runtimes: Sequence[str], precisions: Sequence[str]) -> list[tuple[str, str]]:
    """Return the (runtime, precision) pairs that were exported and kept, of runtimes that are installed here.

    Raises:
        BundleError: there is none.
    """
    exports, here = read_exports(folder), installed_runtimes()
    found = [
        (runtime, precision)
        for runtime in runtimes
        if runtime in FILES and runtime in here
        for precision in precisions
        if exports.get(f"{FILES[runtime][0]}-{precision}", {}).get("kept")
    ]
    if not found:
        raise BundleError(
            f"received {folder} without a kept export for {', '.join(runtimes)}, expected one;"
            f" make it with: quintet export {folder}"
        )
    return found
