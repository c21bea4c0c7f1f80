"""A trained model as a folder: network, weights, labels and what is known of it. Nothing in it is executable or pickled.

    network.json   weights.safetensors   bundle.json (labels, figures with n and interval, recipe, provenance)

Format history
    1   2026-11: the three files above.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quintet.errors import BundleError
from quintet.job import write_whole
from quintet.network import Net
from quintet.network_json import from_json, to_json
from quintet.weights import Weights

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A trained network with its labels and its card; `card` holds figures, recipe and provenance."""

    net: Net
    weights: Weights
    labels: Sequence[str]
    card: Mapping[str, Any]


def write_bundle(folder: Path, bundle: Bundle) -> Path:
    """Write `bundle` into `folder`, bundle.json last, and return the folder."""
    from safetensors.numpy import save

    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in bundle.weights.items()}
    write_whole(folder / "network.json", json.dumps(to_json(bundle.net), indent=1).encode())
    write_whole(folder / "weights.safetensors", save(arrays))
    record = {"format": "quintet-bundle", "version": VERSION, "labels": list(bundle.labels), **bundle.card}
    write_whole(folder / "bundle.json", json.dumps(record, indent=1, default=str).encode())
    return folder


def read_bundle(folder: Path) -> Bundle:
    """Return the bundle in `folder`, its weights checked against its network.

    Raises:
        BundleError: a file is missing or not what it should be.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        card = json.loads((folder / "bundle.json").read_text())
        labels = card["labels"]
        net = from_json(json.loads((folder / "network.json").read_text()))
        weights = load((folder / "weights.safetensors").read_bytes())
    except OSError as error:
        raise BundleError(
            f"received {folder}, expected a trained model's folder ({error.strerror}: {Path(error.filename).name});"
            " make one with: quintet train SYSTEM"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise BundleError(f"received {folder}, expected whole bundle files ({error}); train or copy it again") from None
    if card.get("format") != "quintet-bundle" or card.get("version") != VERSION or not isinstance(net, Net):
        raise BundleError(
            f"received {folder} of version {card.get('version')}, expected a bundle of version {VERSION}; train it again"
        )
    wanted = {p.name: p.shape for p in net.parameters()}
    found = {name: array.shape for name, array in weights.items()}
    if wanted != found:
        odd = sorted(set(wanted.items()) ^ set(found.items()))[0]
        raise BundleError(
            f"received weights in {folder} that do not fit the network (first: {odd[0]} {odd[1]}); train it again"
        )
    return Bundle(net=net, weights=weights, labels=labels, card=card)
