"""Choosing the engine's parts: the catalogue's models where they are at hand, else those that Quintet carries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quintet.errors import DataError, nearest
from quintet_systems.faces.catalogue import MODELS, model
from quintet_systems.faces.engine.onnx_embedder import OnnxEmbedder
from quintet_systems.faces.engine.parts import Detector, Embedder
from quintet_systems.faces.engine.pipeline import Engine
from quintet_systems.faces.engine.yunet import YuNet

DETECTORS = ("yunet",)
EMBEDDERS = ("mobilefacenet", "sface")


def open_engine(
    detector: str = "auto", embedder: str = "auto", data: Path | None = None, threads: int = 1
) -> tuple[Engine, Mapping[str, Any]]:
    """Return the engine, and the cards of its parts.

    Args:
        detector, embedder: a name, or "auto": the first at hand; the embedder may be an ONNX file's path.
        data: the folder that has face-models; None: QUINTET_DATA and the cache.

    Raises:
        DataError: no such part, or its file is nowhere or not what its checksum says.
    """
    found, card = open_detector(detector, data)
    embeds = open_embedder(embedder, data, threads)
    return Engine(found, embeds), {"detector": card, "embedder": dict(embeds.card)}


def open_detector(name: str = "auto", data: Path | None = None) -> tuple[Detector, Mapping[str, Any]]:
    """Return the detector called `name` with its card; see open_engine."""
    chosen = _first_at_hand(DETECTORS, data) if name == "auto" else name
    if chosen not in DETECTORS:
        raise DataError(f'received detector "{chosen}", {nearest(chosen, DETECTORS)}')
    known = model(chosen)
    return YuNet(known.path(data)), known.card()


def open_embedder(name: str = "auto", data: Path | None = None, threads: int = 1) -> Embedder:
    """Return the embedder called `name`, or that of an ONNX file; see open_engine."""
    chosen = _first_at_hand(EMBEDDERS, data) if name == "auto" else name
    if chosen.endswith(".onnx"):
        card = {
            "name": Path(chosen).stem,
            "file": chosen,
            "licence": "unknown to Quintet",
            "source": "the user's own file",
        }
        return OnnxEmbedder(
            Path(chosen), name=Path(chosen).stem, mean=(127.5,) * 3, deviation=(127.5,) * 3, threads=threads, card=card
        )
    if chosen not in EMBEDDERS:
        raise DataError(f'received embedder "{chosen}", {nearest(chosen, EMBEDDERS)}, or the path of an ONNX file')
    known = model(chosen)
    return OnnxEmbedder(known.path(data), name=chosen, threads=threads, card=known.card(), **known.settings)


def embedders_at_hand(data: Path | None = None) -> list[str]:
    """Return the names of the embedders whose files are at hand."""
    return [name for name in EMBEDDERS if _at_hand(name, data)]


def _first_at_hand(names: tuple[str, ...], data: Path | None) -> str:
    return next((name for name in names if _at_hand(name, data)), names[0])


def _at_hand(name: str, data: Path | None) -> bool:
    try:
        MODELS[name].path(data)
    except DataError:
        return False
    return True
