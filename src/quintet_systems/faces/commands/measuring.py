"""`quintet faces lfw|measure|compare`: how good an engine is, and which features hold."""

from pathlib import Path
from typing import Annotated

import typer

from quintet.cli.show import AsJson, print_json, progress
from quintet_systems.faces.commands.shared import (
    WithDetector,
    WithEmbedder,
    open_parts,
    say,
    say_faults,
    several,
    share,
    span,
    using,
)


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

    from quintet.errors import DataError
    from quintet.schedule import Event
    from quintet_systems.faces.engine.opening import open_detector, open_embedder
    from quintet_systems.faces.engine.pipeline import Engine
    from quintet_systems.faces.protocols.lfw import run_own_folds, run_view2

    finds, card = open_detector(detector, data)
    embedders = [open_embedder(name, data) for name in several("embedder", embedder)]
    folds = [one.card.get("fold") for one in embedders]
    if len(set(folds)) < len(folds) or (len(folds) > 1 and None in folds):
        raise DataError(
            f"received embedders for the folds {folds}, expected one embedder, or bundles of different folds"
        )
    cards = {"detector": card, "embedders": [dict(one.card) for one in embedders]}
    for one in (card, *cards["embedders"]):
        say(using(one))
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
        error = f" ± {100 * result.standard_error:.2f} (standard error){span(result.interval)}"
    which = "ten folds" if folds == [None] else f"fold{'s' if len(folds) > 1 else ''} {', '.join(map(str, folds))}"
    say(
        f"LFW View 2, {which}, {result.n_pairs:,} pairs: {100 * result.mean:.2f} %{error}; {result.not_compared} pairs with a"
        " face that was not found, answered as two people"
    )


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

    engine, cards = open_parts(detector, embedder, data)
    pictures = named(source, data)
    say_faults(pictures)
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
    say(f"equal error rate {share(result.eer, result.eer_interval)}")
    for rate, point in result.points.items():
        say(
            f"at a false match rate of {rate}: threshold {point.threshold:.3f}, false non-match rate"
            f" {share(point.fnmr, point.fnmr_interval)}, n {point.n_mated:,} mated, {point.n_impostor:,} impostor"
        )
    if result.cmc and result.rank1_interval:
        say(f"closed set, one picture enrolled: rank 1 {share(result.cmc[0], result.rank1_interval)}")
    for rate, point in result.open_set.items():
        say(
            f"open set, {rate} of strangers taken for someone: {share(point.tpir, point.tpir_interval)} of the enrolled found,"
            f" n {point.n_mated:,} and {point.n_strangers:,} strangers"
        )
    for reason in result.refused:
        say(f"not measured: {reason}")


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

    if out.exists() and not out.is_dir():
        raise DataError(f"received --out {out}, a file, expected a folder; name another")
    named = several("set", sets)
    if len({Path(one).name for one in named}) < len(named):
        raise DataError(f"received the sets {sets}, two of one name, expected different ones; rename a folder")
    chosen = list(dict.fromkeys(split(conditions))) or list(CONDITIONS)
    unknown = [one for one in chosen if one not in CONDITIONS]
    if unknown:
        raise DataError(f'received condition "{unknown[0]}", {nearest(unknown[0], CONDITIONS)}')
    finds, card = open_detector(detector, data)
    names = at_hand(EMBEDDERS, data) if embedders == "auto" else several("embedder", embedders)
    threads = len(cores())
    methods = [learned(open_embedder(name, data, threads)) for name in names] + handcrafted()
    for one in (card, *(m.card for m in methods if m.kind == "learned")):
        say(using(one))
    with progress() as on_event:
        result = compare_faces(
            finds,
            card,
            methods,
            data,
            sets=named,
            conditions=chosen,
            splits=splits,
            pairs_per_fold=pairs,
            detectors=[open_detector(name, data)[0] for name in at_hand(DETECTORS, data)] if "lfw" in named else [],
            on_step=lambda phase, done, total: on_event(Event(phase=phase, done=done, total=total, text="")),  # type: ignore[arg-type]
        )
    words = f"quintet faces compare --sets {','.join(named)} --splits {splits} --pairs {pairs}"
    written = write_report(
        result, out, how_it_was_run(words if not conditions else f"{words} --conditions {conditions}")
    )
    if json:
        print_json({**asdict(result), "report": [str(file) for file in written]})
        return
    for sentence in result.claims:
        say(sentence)
    say(f"Tables, plots and every pair: {written[0]}")


def how_it_was_run(words: str) -> str:
    """Return the sentences of a report that say where, when and with what the command `words` was run."""
    from datetime import UTC, datetime
    from importlib.metadata import version

    from quintet.machine import describe

    where = describe()
    packages = ("opencv-python-headless", "onnxruntime", "scikit-learn", "scikit-image", "numpy")
    return (
        f"Run with `{words}` on {datetime.now(UTC):%Y-%m-%d} on {where['processor']}, {where['cores']} cores,"
        f" {where['memory_gib']} GiB of memory, {where['system']}, Python {where['python']};"
        f" {', '.join(f'{name} {version(name)}' for name in packages)}. Splits are drawn from seed 1, conditions from seed 0."
    )
