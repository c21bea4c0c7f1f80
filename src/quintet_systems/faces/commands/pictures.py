"""`quintet faces detect|verify|identify|embed`: what the engine does with pictures."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quintet.cli.show import AsJson, print_json
from quintet_systems.faces.commands.shared import (
    WithDetector,
    WithEmbedder,
    WithModels,
    WithThreshold,
    open_parts,
    say,
    say_faults,
    using,
)

if TYPE_CHECKING:
    import numpy as np


def detect(
    source: Annotated[Path, typer.Argument(help="A picture, or a folder of them.")],
    detector: WithDetector = "auto",
    models: WithModels = None,
    out: Annotated[Path | None, typer.Option(help="A folder for copies with boxes drawn.")] = None,
    json: AsJson = False,
) -> None:
    """Find faces: box, score, five landmarks. Exit code 1 where a picture has none, or could not be read."""
    from quintet.errors import DataError
    from quintet_systems.faces.drawing import draw
    from quintet_systems.faces.engine.opening import open_detector

    if out and out.exists() and not out.is_dir():
        raise DataError(f"received --out {out}, a file, expected a folder; name another")
    finds, card = open_detector(detector, models)
    say(using(card))
    records = []
    for name, picture, reason in _pictures(source):
        found = [] if picture is None else list(finds(picture))
        record: dict[str, Any] = {"file": name, "faces": [one.to_json() for one in found]}
        if picture is None:
            record["error"] = reason
        elif out:
            inside = Path(name).relative_to(source) if source.is_dir() else Path(name).name
            # The suffix stays: a.jpg and a.png are two pictures.
            record["drawn"] = str(draw(picture, found, out / f"{inside}.png"))
        records.append(record)
        say(f"{name}: {reason or _count(len(found))}")
    if json:
        print_json({"detector": card, "pictures": records})
    raise typer.Exit(0 if all(one["faces"] for one in records) else 1)


def verify(
    first: Annotated[Path, typer.Argument(help="A picture.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
    detector: WithDetector = "auto",
    embedder: WithEmbedder = "auto",
    models: WithModels = None,
    threshold: WithThreshold = None,
    json: AsJson = False,
) -> None:
    """Say whether two pictures show one person, by the largest whole face of each. Exit code 1: no, or a face is missing."""
    from quintet_systems.faces.engine.pipeline import by_prominence

    _check_threshold(threshold)
    engine, cards = open_parts(detector, embedder, models)
    threshold, why = _threshold(threshold, cards["embedder"])
    seen = [engine(_read(file)) for file in (first, second)]
    for file, one in zip((first, second), seen, strict=True):
        _say_many(str(file), len(one.faces))
    missing = [str(file) for file, one in zip((first, second), seen, strict=True) if not one.faces]
    if missing:
        say(f"no face was found in {' nor in '.join(missing)}: nothing can be compared")
        if json:
            print_json({"engine": cards, "same": None, "cosine": None, "no_face_in": missing})
        raise typer.Exit(1)
    a, b = (by_prominence(one.faces)[0] for one in seen)
    cosine = float(a.embedding @ b.embedding)
    same = cosine >= threshold
    if json:
        print_json(
            {
                "engine": cards,
                "same": same,
                "cosine": cosine,
                "threshold": threshold,
                "pictures": [
                    {
                        "file": str(file),
                        "faces": len(one.faces),
                        **face.detection.to_json(),
                        "quality": face.quality.to_json(),
                        "stage_ms": one.stage_ms,
                    }
                    for file, one, face in zip((first, second), seen, (a, b), strict=True)
                ],
            }
        )
    word = "one person" if same else "two people"
    say(f"{word}: cosine {cosine:.3f}, threshold {threshold:g}{why}{_doubts((a.quality.reasons, b.quality.reasons))}")
    raise typer.Exit(0 if same else 1)


def identify(
    source: Annotated[Path, typer.Argument(help="A picture, or a folder of them.")],
    gallery: Annotated[Path, typer.Option(help="A folder with a folder of pictures for each person.")],
    detector: WithDetector = "auto",
    embedder: WithEmbedder = "auto",
    models: WithModels = None,
    threshold: WithThreshold = None,
    json: AsJson = False,
) -> None:
    """Say who is in pictures, of the people of a gallery. Exit code 1 where somebody is unknown or no face was found."""
    import numpy as np

    from quintet.errors import DataError
    from quintet_systems.faces.data.gallery import folder
    from quintet_systems.faces.engine.pipeline import by_prominence
    from quintet_systems.faces.protocols.identification import templates

    _check_threshold(threshold)
    engine, cards = open_parts(detector, embedder, models)
    threshold, why = _threshold(threshold, cards["embedder"])
    say(f"unknown below a cosine of {threshold:g}{why}")
    known = folder(gallery, least=1)
    say_faults(known)
    faces = [by_prominence(engine(picture).faces) for picture in known.pictures]
    for name, own in zip(known.names, faces, strict=True):
        _say_many(name, len(own))
    found = np.array([bool(one) for one in faces])
    for name in np.array(known.names)[~found]:
        say(f"no face was found in {name}: it is left out of the gallery")
    if not found.any():
        raise DataError(f"received {gallery}, in whose pictures no face was found, expected faces; use other pictures")
    embeddings = np.stack([one[0].embedding for one in faces if one])
    enrolled, people = templates(embeddings, known.people[found])
    records = []
    for name, picture, reason in _pictures(source):
        answers = []
        seen = engine(picture) if picture is not None else None
        for face in seen.faces if seen else ():
            scores = enrolled @ face.embedding
            best = int(scores.argmax())
            person = str(people[best]) if scores[best] >= threshold else None
            answers.append(
                {
                    **face.detection.to_json(),
                    "person": person,
                    "cosine": float(scores[best]),
                    "nearest": str(people[best]),
                    "quality": face.quality.to_json(),
                }
            )
        records.append({"file": name, "faces": answers, **({"stage_ms": seen.stage_ms} if seen else {"error": reason})})
        said = ", ".join(f"{a['person'] or 'unknown'} ({a['cosine']:.3f}{_why(a['quality'])})" for a in answers)
        say(f"{name}: {reason or said or 'no face'}")
    if json:
        print_json({"engine": cards, "gallery": sorted(map(str, people)), "threshold": threshold, "pictures": records})
    sure = all(one["faces"] and all(face["person"] for face in one["faces"]) for one in records)
    raise typer.Exit(0 if sure else 1)


def embed(
    source: Annotated[Path, typer.Argument(help="A picture, or a folder of them.")],
    out: Annotated[Path, typer.Option(help="The .npz to write: embeddings, files, boxes.")],
    detector: WithDetector = "auto",
    embedder: WithEmbedder = "auto",
    models: WithModels = None,
    json: AsJson = False,
) -> None:
    """Write the embedding of every face. Exit code 1 where no face was found at all."""
    import io

    import numpy as np

    from quintet.errors import DataError
    from quintet.job import write_whole

    if out.suffix != ".npz" or out.is_dir():
        raise DataError(f"received --out {out}, expected a file whose name ends in .npz; name another")
    engine, cards = open_parts(detector, embedder, models)
    rows: list[tuple[str, Any]] = []
    for name, picture, reason in _pictures(source):
        faces = engine(picture).faces if picture is not None else ()
        rows += [(name, face) for face in faces]
        say(f"{name}: {reason or _count(len(faces))}")
    if rows:
        stream = io.BytesIO()
        np.savez(
            stream,
            embeddings=np.stack([face.embedding for _, face in rows]),
            files=np.array([name for name, _ in rows]),
            boxes=np.array([face.detection.box for _, face in rows], np.float32),
        )
        write_whole(out, stream.getvalue())
    say(f"{out}: {_count(len(rows))}" if rows else f"no face: {out} was not written")
    if json:
        print_json({"engine": cards, "faces": len(rows), "out": str(out) if rows else None})
    raise typer.Exit(0 if rows else 1)


def _check_threshold(given: float | None) -> None:
    from quintet.errors import DataError

    if given is not None and not -1 <= given <= 1:
        raise DataError(f"received --threshold {given}, expected a cosine from -1 to 1")


def _threshold(given: float | None, card: Mapping[str, Any]) -> tuple[float, str]:
    """Return the threshold, and where it comes from."""
    from quintet.errors import DataError

    if given is not None:
        return given, ""
    if "threshold" not in card:
        raise DataError(
            f"received no --threshold for {card['name']}, for which none was measured, expected one; measure some with:"
            f" quintet faces measure FOLDER --embedder {card.get('file', card['name'])}"
        )
    return card["threshold"], f" ({card['threshold_of']})"


def _pictures(source: Path) -> "Iterator[tuple[str, Any, str]]":
    """Yield (name, picture or None, why it could not be read)."""
    from quintet.errors import DataError
    from quintet.images import SUFFIXES, read_image

    if not source.exists():
        raise DataError(f"received {source}, which is not there, expected a picture or a folder of pictures")
    inside = source.is_dir()
    found = source.rglob("*") if inside else []
    files = sorted(f for f in found if f.suffix.lower() in SUFFIXES and f.is_file()) if inside else [source]
    if not files:
        raise DataError(f"received {source}, a folder without pictures, expected {', '.join(SUFFIXES)}")
    for file in files:
        try:
            yield str(file), read_image(file), ""
        except DataError as error:
            if not inside:
                raise
            yield str(file), None, str(error).removeprefix(f"{file}: ")


def _read(file: Path) -> "np.ndarray":
    from quintet.errors import DataError
    from quintet.images import read_image

    if not file.is_file():
        raise DataError(f"received {file}, which is not there, expected a picture")
    return read_image(file)


def _say_many(file: str, faces: int) -> None:
    if faces > 1:
        say(f"{file}: {faces} faces; the largest that the edge does not cut off is taken")


def _why(quality: Mapping[str, Any]) -> str:
    return f"; {', '.join(quality['reasons'])}" if quality["reasons"] else ""


def _count(n: int) -> str:
    return "no face" if n == 0 else "1 face" if n == 1 else f"{n} faces"


def _doubts(reasons: tuple[tuple[str, ...], ...]) -> str:
    said = [
        f"the {which} face is {', '.join(why)}" for which, why in zip(("first", "second"), reasons, strict=True) if why
    ]
    return f"; take care: {'; '.join(said)}" if said else ""
