"""What a trained model's folder holds, and its way to disk and back. Nothing in it is executable or pickled.

    network.json   weights.safetensors   bundle.json (labels, figures with n and interval, recipe, provenance)   card.md
    and what others add: reader.json …, exports/, decision.json, answers.safetensors, manifest.json, manifest.sig

Format history
    2   2026-11: model_version (only grows), name, preprocessing, hashes of the data, own_test_n and own_test_interval,
        seed, card.md. Version 1 is refused: it says neither how old it is nor what it was tested on.
    1   2026-11: network.json, weights.safetensors, bundle.json.
"""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quintet.bundle.model_card import write_card
from quintet.errors import BundleError, StoreError
from quintet.job import write_whole
from quintet.network import Net
from quintet.network_json import from_json, to_json
from quintet.weights import Weights

VERSION = 2
# Made from the weights by later steps, so that none of it is true of new weights.
DERIVED = ("manifest.sig", "manifest.json", "exports", "answers.safetensors", "decision.json")
_KINDS = {
    "name": str, "system": str, "labels": list, "preprocessing": dict, "figures": dict, "recipe": dict, "data": dict,
    "machine": dict, "versions": dict, "model_card": dict, "own_test_accuracy": float | int, "own_test_n": int,
    "own_test_interval": dict,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A trained network with its labels and its card; `card` holds figures, recipe and provenance."""

    net: Net
    weights: Weights
    labels: Sequence[str]
    card: Mapping[str, Any]


def write_bundle(folder: Path, bundle: Bundle) -> Path:
    """Write `bundle` into `folder`, bundle.json last, and return the folder.

    What was made from an earlier model in this folder (DERIVED) is removed first. Where the card names no
    `model_version`, it becomes the seconds since 1970, and always more than that of the bundle that was here.
    """
    from safetensors.numpy import save

    version = bundle.card.get("model_version") or next_model_version(folder)
    _remove_derived(folder)
    arrays = {name: np.ascontiguousarray(array, np.float32) for name, array in bundle.weights.items()}
    write_whole(folder / "network.json", json.dumps(to_json(bundle.net), indent=1).encode())
    write_whole(folder / "weights.safetensors", save(arrays))
    own = {
        "format": "quintet-bundle",
        "version": VERSION,
        "name": bundle.net.name,
        "labels": list(bundle.labels),
        "preprocessing": preprocessing(bundle.net),
        "parameters": bundle.net.parameter_count(),
    }
    record = own | dict(bundle.card) | {"model_version": version}
    write_whole(folder / "bundle.json", json.dumps(record, indent=1, default=str).encode())
    write_card(folder)
    return folder


def next_model_version(folder: Path) -> int:
    """Return the seconds since 1970, or one more than the version of the bundle in `folder` where its clock ran ahead."""
    try:
        before = int(json.loads((folder / "bundle.json").read_text())["model_version"])
    except (OSError, ValueError, KeyError, TypeError):
        before = 0
    return max(int(time.time()), before + 1)


def preprocessing(net: Net) -> dict[str, Any] | None:
    """Return how a picture becomes an input (see quintet.images); None where the inputs are no pictures."""
    if len(net.input_shape) != 3:
        return None
    sides = dict(zip(("height", "width", "channels"), net.input_shape, strict=True))
    return {**sides, "resample": "hamming", "whole_picture_squashed": True}


def read_bundle(folder: Path) -> Bundle:
    """Return the bundle in `folder`, its weights checked against its network. Its signature is not: see `verify`.

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
            f"received {folder} of version {card.get('version')}, expected a bundle of version {VERSION};"
            " train it again (the same command: seeds that have finished are not trained anew)"
        )
    check_card(folder, card)
    wanted = {p.name: p.shape for p in net.parameters()}
    found = {name: array.shape for name, array in weights.items()}
    if wanted != found:
        odd = sorted(set(wanted.items()) ^ set(found.items()))[0]
        raise BundleError(
            f"received weights in {folder} that do not fit the network (first: {odd[0]} {odd[1]}); train it again"
        )
    return Bundle(net=net, weights=weights, labels=labels, card=card)


def check_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Hold bundle.json to what others rely on: `model_version`, and the kinds of the entries that are there.

    Raises:
        BundleError: an entry is of another kind; it is named.
    """
    version = card.get("model_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise BundleError(f"received {folder} with model_version {version!r}, expected a count from 1; train it again")
    figures = card.get("figures")
    odd = [
        *(key for key, kind in _KINDS.items() if not isinstance(card.get(key), kind | None)),
        *(
            f"figures.{name}"
            for name, summary in (figures if isinstance(figures, dict) else {}).items()
            if not _is_figure(summary)
        ),
        *("labels" for label in card["labels"] if not isinstance(label, str)),
    ]
    if not _is_interval(card.get("own_test_interval")):
        odd.append("own_test_interval")
    if odd:
        raise BundleError(
            f"received {folder} with an odd {odd[0]} in bundle.json, expected it as Quintet writes it; copy it again"
        )


def _is_figure(summary: Any) -> bool:
    return (
        isinstance(summary, dict)
        and isinstance(summary.get("mean"), float | int | None)
        and _is_interval(summary.get("interval"))
    )


def _is_interval(span: Any) -> bool:
    bounds = [span.get("low"), span.get("high")] if isinstance(span, dict) else [None]
    return isinstance(span, dict | None) and all(isinstance(bound, float | int | None) for bound in bounds)


def _remove_derived(folder: Path) -> None:
    for name in DERIVED:
        path = folder / name
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(
                f"received {error.strerror} while removing {path}, which belongs to an earlier model, expected a folder"
                " that this user may write; choose another folder"
            ) from error
