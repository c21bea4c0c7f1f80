"""`quintet faces detect|verify|identify|embed|lfw|measure|train-detectors|carry|compare`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quintet.cli.show import AsJson, print_json, progress, talk

if TYPE_CHECKING:
    from quintet.statistics import Interval
    from quintet_systems.faces.data.gallery import Gallery
    from quintet_systems.faces.engine.pipeline import Engine, Seen

app = typer.Typer(help="Faces: find, compare, identify; and measure how well.", no_args_is_help=True)

WithDetector = Annotated[str, typer.Option(help="yunet, cascade or hog; auto: the best at hand.")]
WithEmbedder = Annotated[
    str, typer.Option(help="mobilefacenet, sface, quintet, or an ONNX file; auto: the best at hand.")
]
WithModels = Annotated[Path | None, typer.Option(help="The folder that has face-models; default: QUINTET_DATA.")]
WithThreshold = Annotated[
    float | None, typer.Option(help="The least cosine of one person; default: as measured for the embedder.")
]


def say(text: str) -> None:
    """Print for people, a line as long as it is: paths stay whole."""
    talk().print(text, soft_wrap=True)


@app.callback()
def group() -> None:
    """Faces: find, compare, identify; and measure how well."""


@app.command()
def detect(
    source: Annotated[Path, typer.Argument(help="A picture, or a folder of them.")],
    detector: WithDetector = "auto",
    models: WithModels = None,
    out: Annotated[Path | None, typer.Option(help="A folder for copies with boxes drawn.")] = None,
    json: AsJson = False,
) -> None:
    """Find faces: box, score, five landmarks. Exit code 1 where a picture has none, or could not be read."""
    from quintet_systems.faces.drawing import draw
    from quintet_systems.faces.engine.opening import open_detector

    finds, card = open_detector(detector, models)
    say(_using(card))
    records = []
    for name, picture, reason in _pictures(source):
        found = [] if picture is None else list(finds(picture))
        record: dict[str, Any] = {"file": name, "faces": [one.to_json() for one in found]}
        if picture is None:
            record["error"] = reason
        elif out:
            record["drawn"] = str(draw(picture, found, out / f"{Path(name).stem}.png"))
        records.append(record)
        say(f"{name}: {reason or _count(len(found))}")
    if json:
        print_json({"detector": card, "pictures": records})
    raise typer.Exit(0 if all(one["faces"] for one in records) else 1)


@app.command()
def verify(
    first: Annotated[Path, typer.Argument(help="A picture.")],
    second: Annotated[Path, typer.Argument(help="Another.")],
    detector: WithDetector = "auto",
    embedder: WithEmbedder = "auto",
    models: WithModels = None,
    threshold: WithThreshold = None,
    json: AsJson = False,
) -> None:
    """Say whether two pictures show one person, by the largest face of each. Exit code 1: they do not, or a face is missing."""
    engine, cards = _open(detector, embedder, models)
    threshold, why = _threshold(threshold, cards["embedder"])
    seen = [_largest(engine, file) for file in (first, second)]
    missing = [str(file) for file, one in zip((first, second), seen, strict=True) if not one.faces]
    if missing:
        say(f"no face was found in {' nor in '.join(missing)}: nothing can be compared")
        if json:
            print_json({"engine": cards, "same": None, "cosine": None, "no_face_in": missing})
        raise typer.Exit(1)
    a, b = (one.faces[0] for one in seen)
    cosine = float(a.embedding @ b.embedding)
    same = cosine >= threshold
    if json:
        print_json(
            {
                "engine": cards,
                "same": same,
                "cosine": cosine,
                "threshold": threshold,
                "quality": [list(one.quality.reasons) for one in (a, b)],
            }
        )
    word = "one person" if same else "two people"
    say(f"{word}: cosine {cosine:.3f}, threshold {threshold:g}{why}{_doubts((a.quality.reasons, b.quality.reasons))}")
    raise typer.Exit(0 if same else 1)


@app.command()
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
    from quintet_systems.faces.protocols.identification import templates

    engine, cards = _open(detector, embedder, models)
    threshold, why = _threshold(threshold, cards["embedder"])
    say(f"unknown below a cosine of {threshold:g}{why}")
    known = folder(gallery)
    _say_faults(known)
    faces = [engine(picture, most=1).faces for picture in known.pictures]
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
        for face in engine(picture).faces if picture is not None else ():
            scores = enrolled @ face.embedding
            best = int(scores.argmax())
            person = str(people[best]) if scores[best] >= threshold else None
            answers.append(
                {
                    **face.detection.to_json(),
                    "person": person,
                    "cosine": float(scores[best]),
                    "nearest": str(people[best]),
                }
            )
        records.append({"file": name, "faces": answers, **({"error": reason} if picture is None else {})})
        said = ", ".join(f"{a['person'] or 'unknown'} ({a['cosine']:.3f})" for a in answers)
        say(f"{name}: {reason or said or 'no face'}")
    if json:
        print_json({"engine": cards, "gallery": sorted(map(str, people)), "threshold": threshold, "pictures": records})
    sure = all(one["faces"] and all(face["person"] for face in one["faces"]) for one in records)
    raise typer.Exit(0 if sure else 1)


@app.command()
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

    from quintet.job import write_whole

    engine, cards = _open(detector, embedder, models)
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
    if json:
        print_json({"engine": cards, "faces": len(rows), "out": str(out) if rows else None})
    raise typer.Exit(0 if rows else 1)


@app.command()
def lfw(
    data: Annotated[Path | None, typer.Option(help="The folder that has lfw; default: QUINTET_DATA.")] = None,
    detector: WithDetector = "auto",
    embedder: Annotated[
        str,
        typer.Option(
            help="As elsewhere; or bundles trained on lfw-fold0, lfw-fold1, …, with commas: each on its fold."
        ),
    ] = "auto",
    json: AsJson = False,
) -> None:
    """Measure the engine by LFW's View 2, end to end: a face that is not found is an error."""
    from dataclasses import asdict

    from quintet.cli.parity import split
    from quintet.errors import DataError
    from quintet.schedule import Event
    from quintet_systems.faces.engine.opening import open_detector, open_embedder
    from quintet_systems.faces.engine.pipeline import Engine
    from quintet_systems.faces.protocols.lfw import run_own_folds, run_view2

    finds, card = open_detector(detector, data)
    embedders = [open_embedder(name, data) for name in split(embedder)]
    folds = [one.card.get("fold") for one in embedders]
    if len(set(folds)) < len(folds) or (len(folds) > 1 and None in folds):
        raise DataError(
            f"received embedders for the folds {folds}, expected one embedder, or bundles of different folds"
        )
    cards = {"detector": card, "embedders": [dict(one.card) for one in embedders]}
    for one in (card, *cards["embedders"]):
        say(_using(one))
    with progress() as on_event:

        def shown(done: int, total: int) -> None:
            on_event(Event(phase="faces", done=done, total=total, text=""))

        if folds == [None]:
            result = run_view2(Engine(finds, embedders[0]), data, shown)
        else:
            own = [(int(one.card["fold"]), one) for one in embedders]
            result = run_own_folds(finds, own, data, shown)
    if json:
        print_json({"engine": cards, "folds_tested": folds, **asdict(result)})
        return
    error = ""
    if result.standard_error is not None:
        error = f" ± {100 * result.standard_error:.2f} (standard error){_span(result.interval)}"
    which = "ten folds" if folds == [None] else f"fold{'s' if len(folds) > 1 else ''} {', '.join(map(str, folds))}"
    say(
        f"LFW View 2, {which}, {result.n_pairs:,} pairs: {100 * result.mean:.2f} %{error}; {result.not_compared} pairs with a"
        " face that was not found, answered as two people"
    )


@app.command()
def measure(
    source: Annotated[str, typer.Argument(help="att, yale, or a folder with a folder of pictures for each person.")],
    data: Annotated[
        Path | None, typer.Option(help="The folder that has faces, face-models; default: QUINTET_DATA.")
    ] = None,
    detector: WithDetector = "auto",
    embedder: WithEmbedder = "auto",
    json: AsJson = False,
) -> None:
    """Measure the engine on named faces: error rates, identification, open and closed, in the terms of ISO/IEC 19795-1."""
    from dataclasses import asdict

    from quintet.schedule import Event
    from quintet_systems.faces.comparison.crops import aligned
    from quintet_systems.faces.data.gallery import named
    from quintet_systems.faces.protocols.lfw import embed_found
    from quintet_systems.faces.protocols.measuring import measure_set

    engine, cards = _open(detector, embedder, data)
    pictures = named(source, data)
    _say_faults(pictures)
    with progress() as on_event:
        faces = aligned(
            pictures,
            engine.detector,
            on_picture=lambda done, total: on_event(Event(phase="faces", done=done, total=total, text="")),
        )
        result = measure_set(embed_found(engine.embedder, faces.crops, faces.found), faces.people, faces.found)
    if json:
        print_json({"engine": cards, **asdict(result)})
        return
    say(f"{result.pictures:,} pictures of {result.people:,} people; in {100 * result.fta:.1f} % no face was found")
    say(f"equal error rate {_share(result.eer, result.eer_interval)}")
    for rate, point in result.points.items():
        say(
            f"at a false match rate of {rate}: threshold {point.threshold:.3f}, false non-match rate"
            f" {_share(point.fnmr, point.fnmr_interval)}, n {point.n_mated:,} mated, {point.n_impostor:,} impostor"
        )
    if result.cmc and result.rank1_interval:
        say(f"closed set, one picture enrolled: rank 1 {_share(result.cmc[0], result.rank1_interval)}")
    for rate, point in result.open_set.items():
        say(
            f"open set, {rate} of strangers taken for someone: {_share(point.tpir, point.tpir_interval)} of the enrolled found,"
            f" n {point.n_mated:,} and {point.n_strangers:,} strangers"
        )
    for reason in result.refused:
        say(f"not measured: {reason}")


@app.command("train-detectors")
def train_detectors(
    data: Annotated[
        Path | None, typer.Option(help="The folder that has lfw, negatives, face-models; default: QUINTET_DATA.")
    ] = None,
    library: Annotated[str, typer.Option(help="The library that trains the cascade's nets.")] = "torch",
    out: Annotated[
        Path | None, typer.Option(help="The folder; default: the parts that Quintet carries are replaced.")
    ] = None,
    work: Annotated[Path, typer.Option(help="The folder for the jobs.")] = Path("quintet-models/faces-detectors"),
    json: AsJson = False,
) -> None:
    """Train the HOG detector and the cascade, and measure them on people and scenes that they have not seen."""
    from dataclasses import asdict

    from quintet_systems.faces import defaults
    from quintet_systems.faces.training.detectors import train_detectors as train

    found = train(data, work, library, out or defaults.FOLDER, on_stage=lambda stage: say(f"training: {stage}"))
    if json:
        print_json({name: asdict(one) for name, one in found.items()})
    for name, one in found.items():
        say(f"{name}: {one.told()}, {one.p50_ms:.1f} ms a picture")


@app.command()
def carry(
    bundle: Annotated[Path, typer.Argument(help="A bundle of `quintet train faces`.")],
    detector: WithDetector = "auto",
    data: Annotated[Path | None, typer.Option(help="The folder that has lfw; default: QUINTET_DATA.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder; default: the part that Quintet carries is replaced.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Make a trained embedder the one that Quintet carries, measured on the fold of LFW that it did not learn from."""
    from dataclasses import asdict

    from quintet.bundle import read_bundle
    from quintet.errors import DataError
    from quintet_systems.faces import defaults
    from quintet_systems.faces.engine.opening import open_bundle, open_detector
    from quintet_systems.faces.protocols.lfw import run_own_folds

    made = open_bundle(bundle)
    fold = made.card["fold"]
    if fold is None:
        raise DataError(f"received a bundle trained on {made.card['trained_on']}, expected lfw-fold0 to lfw-fold9")
    finds, card = open_detector(detector, data)
    found = run_own_folds(finds, [(fold, made)], data)
    own = {
        **made.card,
        "name": "quintet",
        "licence": "MIT, as Quintet; LFW states no licence for what is learnt from it",
        "source": "trained by Quintet: quintet train faces, then quintet faces carry",
        "trained_on": f"LFW, the people of all folds of its pairs but {fold}",
        "threshold": round(found.thresholds[0], 3),
        "threshold_of": "the most accurate on LFW pairs of people whom it did not learn from",
        "measured": f"{100 * found.mean:.2f} % of {found.n_pairs} pairs of LFW's View 2, fold {fold}, with {card['name']}",
        "figures": asdict(found),
    }
    defaults.carry_embedder(read_bundle(bundle), own, out or defaults.FOLDER)
    if json:
        print_json(own)
    say(f"carried: {own['measured']}; threshold {own['threshold']:.3f}")


@app.command()
def compare(
    data: Annotated[
        Path | None, typer.Option(help="The folder that has faces, lfw, face-models; default: QUINTET_DATA.")
    ] = None,
    sets: Annotated[str, typer.Option(help="att, yale, lfw, or folders of faces; with commas.")] = "att,yale,lfw",
    conditions: Annotated[str, typer.Option(help="Conditions, with commas; default: all.")] = "",
    detector: WithDetector = "auto",
    embedders: Annotated[str, typer.Option(help="Learned methods, with commas; auto: all at hand.")] = "auto",
    splits: Annotated[int, typer.Option(help="Random splits of a gallery.", min=1)] = 10,
    pairs: Annotated[int, typer.Option(help="LFW's pairs of each fold, of 600.", min=20, max=600)] = 100,
    out: Annotated[Path, typer.Option(help="The folder of the report.")] = Path("quintet-results/faces"),
    json: AsJson = False,
) -> None:
    """Which features hold under which condition? Learned and hand-crafted ones, on the same aligned faces."""
    from dataclasses import asdict

    from quintet.cli.parity import split
    from quintet.errors import DataError, nearest
    from quintet.machine import cores
    from quintet.schedule import Event
    from quintet_systems.faces.comparison.methods import handcrafted, learned
    from quintet_systems.faces.comparison.report import write_report
    from quintet_systems.faces.comparison.study import compare_faces
    from quintet_systems.faces.conditions import CONDITIONS
    from quintet_systems.faces.engine.opening import DETECTORS, EMBEDDERS, at_hand, open_detector, open_embedder

    chosen = split(conditions) or list(CONDITIONS)
    unknown = [one for one in chosen if one not in CONDITIONS]
    if unknown:
        raise DataError(f'received condition "{unknown[0]}", {nearest(unknown[0], CONDITIONS)}')
    finds, card = open_detector(detector, data)
    names = at_hand(EMBEDDERS, data) if embedders == "auto" else split(embedders)
    threads = len(cores())
    methods = [learned(open_embedder(name, data, threads)) for name in names] + handcrafted()
    for one in (card, *(m.card for m in methods if m.kind == "learned")):
        say(_using(one))
    with progress() as on_event:
        result = compare_faces(
            finds,
            card,
            methods,
            data,
            sets=split(sets),
            conditions=chosen,
            splits=splits,
            pairs_per_fold=pairs,
            detectors=[open_detector(name, data)[0] for name in at_hand(DETECTORS, data)]
            if "lfw" in split(sets)
            else [],
            on_step=lambda phase, done, total: on_event(Event(phase=phase, done=done, total=total, text="")),  # type: ignore[arg-type]
        )
    written = write_report(result, out)
    if json:
        print_json({**asdict(result), "report": [str(file) for file in written]})
        return
    for sentence in result.claims:
        say(sentence)
    say(f"Tables, plots and every pair: {written[0]}")


def _open(detector: str, embedder: str, models: Path | None) -> "tuple[Engine, Mapping[str, Any]]":
    from quintet_systems.faces.engine.opening import open_engine

    engine, cards = open_engine(detector, embedder, models)
    for card in cards.values():
        say(_using(card))
    return engine, cards


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


def _say_faults(pictures: "Gallery") -> None:
    for one, other in pictures.twins:
        say(f"the same picture under two names: {one}, {other}")
    for name, why in pictures.broken:
        say(f"set aside: {name}: {why}")


def _share(value: float, bounds: "Interval") -> str:
    return f"{100 * value:.2f} %{_span(bounds)}"


def _span(bounds: "Interval") -> str:
    if bounds.low is None or bounds.high is None:
        return ""
    return f" (95 %: {100 * max(bounds.low, 0):.2f} to {100 * min(bounds.high, 1):.2f})"


def _using(card: Mapping[str, Any]) -> str:
    more = "".join(
        f"; {word}{card[key]}"
        for key, word in (("trained_on", "trained on "), ("measured", "measured: "), ("use", ""))
        if card.get(key)
    )
    return f"using {card['name']}, licence: {card['licence']}{more}"


def _pictures(source: Path) -> "Iterator[tuple[str, Any, str]]":
    """Yield (name, picture or None, why it could not be read)."""
    from quintet.errors import DataError
    from quintet.images import SUFFIXES, read_image

    if not source.exists():
        raise DataError(f"received {source}, which is not there, expected a picture or a folder of pictures")
    inside = source.is_dir()
    files = sorted(f for f in source.rglob("*") if f.suffix.lower() in SUFFIXES) if inside else [source]
    if not files:
        raise DataError(f"received {source}, a folder without pictures, expected {', '.join(SUFFIXES)}")
    for file in files:
        try:
            yield str(file), read_image(file), ""
        except DataError as error:
            if not inside:
                raise
            yield str(file), None, str(error)


def _largest(engine: "Engine", file: Path) -> "Seen":
    """Return what the engine saw, the largest face first."""
    from dataclasses import replace

    from quintet.images import read_image

    seen = engine(read_image(file))
    faces = sorted(seen.faces, key=lambda f: -f.detection.box[2] * f.detection.box[3])
    if len(faces) > 1:
        say(f"{file}: {len(faces)} faces; the largest is taken")
    return replace(seen, faces=tuple(faces))


def _count(n: int) -> str:
    return "no face" if n == 0 else "1 face" if n == 1 else f"{n} faces"


def _doubts(reasons: tuple[tuple[str, ...], ...]) -> str:
    said = [
        f"the {which} face is {', '.join(why)}" for which, why in zip(("first", "second"), reasons, strict=True) if why
    ]
    return f"; take care: {'; '.join(said)}" if said else ""
