"""What the commands of `quintet faces` share: options, and what is said."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quintet.cli.show import talk

if TYPE_CHECKING:
    from quintet.statistics import Interval
    from quintet_systems.faces.data.gallery import Gallery
    from quintet_systems.faces.engine.pipeline import Engine

WithDetector = Annotated[str, typer.Option(help="yunet, hog or cascade; auto: the best at hand.")]
WithEmbedder = Annotated[
    str, typer.Option(help="mobilefacenet, sface, quintet, an ONNX file, or a bundle; auto: the best at hand.")
]
WithModels = Annotated[
    Path | None, typer.Option("--data", help="The folder that has face-models; default: QUINTET_DATA.")
]
WithThreshold = Annotated[
    float | None, typer.Option(help="The least cosine of one person; default: as measured for the embedder.")
]


def say(text: str) -> None:
    """Print for people, a line as long as it is: paths stay whole."""
    talk().print(text, soft_wrap=True)


def several(what: str, text: str) -> list[str]:
    """Return the names in `text`, with commas, each once; refuse none."""
    from quintet.cli.parity import split
    from quintet.errors import DataError

    names = list(dict.fromkeys(split(text)))
    if not names:
        raise DataError(f'received "{text}", expected at least one {what}, several with commas')
    return names


def open_parts(detector: str, embedder: str, models: Path | None) -> "tuple[Engine, Mapping[str, Any]]":
    from quintet_systems.faces.engine.opening import open_engine

    engine, cards = open_engine(detector, embedder, models)
    for card in cards.values():
        say(using(card))
    return engine, cards


def say_faults(pictures: "Gallery") -> None:
    for one, other in pictures.twins:
        say(f"the same picture under two names: {one}, {other}")
    for name, why in pictures.broken:
        say(f"set aside: {name}: {why}")


def share(value: float, bounds: "Interval") -> str:
    return f"{100 * value:.2f} %{span(bounds)}"


def span(bounds: "Interval") -> str:
    if bounds.low is None or bounds.high is None:
        return ""
    return f" (95 %: {100 * max(bounds.low, 0):.2f} to {100 * min(bounds.high, 1):.2f})"


def using(card: Mapping[str, Any]) -> str:
    more = "".join(
        f"; {word}{card[key]}"
        for key, word in (("trained_on", "trained on "), ("measured", "measured: "), ("use", ""))
        if card.get(key)
    )
    return f"using {card['name']}, licence: {card['licence']}{more}"
