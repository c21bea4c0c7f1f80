"""The engine that Quintet carries, for trying out with no download: two detectors and an embedder, each with its card.

They were trained by `quintet faces train-detectors`, and by `quintet train faces` with `quintet faces carry`; their files are
numbers only, at half precision.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from quintet.bundle import Bundle
from quintet.errors import DataError
from quintet.losses import MeanSquaredError
from quintet.network import Net
from quintet.network_json import from_json, to_json
from quintet_systems.faces.engine.cascade import Cascade, Thresholds
from quintet_systems.faces.engine.hog import Hog
from quintet_systems.faces.engine.net_embedder import NetEmbedder
from quintet_systems.faces.networks import cascade_nets

FOLDER = Path(__file__).parent
NAMES = ("hog", "cascade", "embedder")
USE = "for trying out, not for a real door"


def card(name: str, folder: Path = FOLDER) -> dict[str, Any]:
    """Return what a part says of itself: what it learnt from, what it measured, how it is made again.

    Raises:
        DataError: this copy of Quintet carries no such part.
    """
    file = folder / f"{name}.json"
    if name not in NAMES or not file.is_file():
        raise DataError(
            f"received {name}, which this copy of Quintet does not carry, expected one of {', '.join(carried())}"
        )
    return json.loads(file.read_text())


def carried() -> tuple[str, ...]:
    """Return the names of the parts that are there."""
    return tuple(name for name in NAMES if (FOLDER / f"{name}.json").is_file())


@cache
def open_hog() -> Hog:
    """Return the HOG detector."""
    return Hog(_arrays("hog")["weights"].astype(np.float32), card("hog")["threshold"])


def open_cascade() -> Cascade:
    """Return the cascade."""
    arrays = _arrays("cascade")
    nets = {
        name: Bundle(net=net, weights=_of(arrays, f"{name}."), labels=(), card={})
        for name, net in cascade_nets().items()
    }
    return Cascade(nets, Thresholds(**card("cascade")["thresholds"]))


def open_embedder(folder: Path = FOLDER) -> NetEmbedder:
    """Return the embedder."""
    own = card("embedder", folder)
    net = from_json(own["network"])
    assert isinstance(net, Net)
    bundle = Bundle(net=net, weights=_of(_arrays("embedder", folder), ""), labels=(), card={})
    return NetEmbedder(bundle, "quintet", {key: value for key, value in own.items() if key != "network"})


def keep(name: str, arrays: Mapping[str, np.ndarray], own: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Write a part: its numbers at half precision, then its card."""
    import io

    from quintet.job import write_whole

    stream = io.BytesIO()
    np.savez_compressed(stream, **{key: np.asarray(value, np.float16) for key, value in arrays.items()})  # type: ignore[arg-type]
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.npz", stream.getvalue())
    write_whole(folder / f"{name}.json", (json.dumps({**own, "use": USE}, indent=1) + "\n").encode())


def carry_embedder(bundle: Bundle, own: Mapping[str, Any], folder: Path = FOLDER) -> None:
    """Write a trained embedder as the one that is carried, without what only its training needs: a weight for each person."""
    weights = {name: value for name, value in bundle.weights.items() if not name.startswith("loss.")}
    net = replace(bundle.net, loss=MeanSquaredError())
    keep("embedder", weights, {**own, "network": to_json(net)}, folder)


def _arrays(name: str, folder: Path = FOLDER) -> dict[str, np.ndarray]:
    card(name, folder)
    with np.load(folder / f"{name}.npz", allow_pickle=False) as arrays:
        return {key: arrays[key].astype(np.float32) for key in arrays.files}


def _of(arrays: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {key.removeprefix(prefix): value for key, value in arrays.items() if key.startswith(prefix)}
