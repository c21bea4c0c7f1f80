"""Choosing the engine's parts: the catalogue's models where they are at hand, else those that Quintet carries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quintet.errors import DataError, nearest
from quintet_systems.faces import defaults
from quintet_systems.faces.catalogue import MODELS, model
from quintet_systems.faces.engine.net_embedder import NetEmbedder
from quintet_systems.faces.engine.onnx_embedder import OnnxEmbedder
from quintet_systems.faces.engine.parts import Detector, Embedder
from quintet_systems.faces.engine.pipeline import Engine
from quintet_systems.faces.engine.yunet import YuNet
from quintet_systems.faces.training.splits import fold_of

DETECTORS = ("yunet", "hog", "cascade")  # in the order in which "auto" takes them
EMBEDDERS = ("mobilefacenet", "sface", "quintet")
CARRIED = {"cascade": "cascade", "hog": "hog", "quintet": "embedder"}
OWN_FILE = {"licence": "unknown to Quintet", "source": "the user's own file"}


def open_engine(
    detector: str = "auto", embedder: str = "auto", data: Path | None = None, threads: int = 1
) -> tuple[Engine, Mapping[str, Any]]:
    """Return the engine, and the cards of its parts.

    Args:
        detector, embedder: a name, or "auto": the first at hand; the embedder may be the path of an ONNX file or a bundle.
        data: the folder that has face-models; None: QUINTET_DATA and the cache.

    Raises:
        DataError: no such part, or its file is nowhere or not what its checksum says.
    """
    found, card = open_detector(detector, data)
    embeds = open_embedder(embedder, data, threads)
    return Engine(found, embeds), {"detector": card, "embedder": dict(embeds.card)}


def open_detector(name: str = "auto", data: Path | None = None) -> tuple[Detector, Mapping[str, Any]]:
    """Return the detector called `name` with its card; see open_engine."""
    chosen = at_hand(DETECTORS, data)[0] if name == "auto" else name
    if chosen not in DETECTORS:
        raise DataError(f'received detector "{chosen}", {nearest(chosen, DETECTORS)}')
    if chosen == "hog":
        return defaults.open_hog(), defaults.card("hog")
    if chosen == "cascade":
        return defaults.open_cascade(), defaults.card("cascade")
    known = model(chosen)
    return YuNet(known.path(data)), known.card()


def open_embedder(name: str = "auto", data: Path | None = None, threads: int = 1) -> Embedder:
    """Return the embedder called `name`, or that of an ONNX file or a bundle; see open_engine."""
    chosen = at_hand(EMBEDDERS, data)[0] if name == "auto" else name
    if chosen.endswith(".onnx"):
        own = Path(chosen)
        card = {"name": own.stem, "file": chosen, **OWN_FILE}
        grey = (127.5,) * 3
        return OnnxEmbedder(own, name=own.stem, mean=grey, deviation=grey, threads=threads, card=card)
    if (Path(chosen) / "bundle.json").is_file():
        return open_bundle(Path(chosen))
    if chosen not in EMBEDDERS:
        raise DataError(
            f'received embedder "{chosen}", {nearest(chosen, EMBEDDERS)}, or the path of an ONNX file or of a bundle'
        )
    if chosen == "quintet":
        return defaults.open_embedder()
    known = model(chosen)
    return OnnxEmbedder(known.path(data), name=chosen, threads=threads, card=known.card(), **known.settings)


def open_bundle(folder: Path) -> NetEmbedder:
    """Return the embedder that `quintet train faces` wrote into `folder`."""
    from quintet.bundle import read_bundle

    bundle = read_bundle(folder)
    learnt = (bundle.card.get("data") or {}).get("name", "")
    fold = fold_of(learnt)
    card = {
        "name": folder.parent.name if folder.name == "bundle" else folder.name,
        "kind": "embedder",
        "file": str(folder),
        "licence": "as its pictures allow",
        "source": "trained by Quintet: quintet train faces",
        "trained_on": learnt,
        "knows": [] if fold is None else ["lfw"],
        "fold": fold,
    }
    return NetEmbedder(bundle, card["name"], card)


def at_hand(names: tuple[str, ...], data: Path | None = None) -> list[str]:
    """Return those of the parts `names` whose files are at hand.

    Raises:
        DataError: none is.
    """
    found = [name for name in names if _is_at_hand(name, data)]
    if not found:
        raise DataError(
            f"received no {' and no '.join(names)}, expected one of them; set QUINTET_DATA to a folder that has it"
        )
    return found


def _is_at_hand(name: str, data: Path | None) -> bool:
    if name in CARRIED:
        return CARRIED[name] in defaults.carried()
    try:
        MODELS[name].path(data)
    except DataError:
        return False
    return True
