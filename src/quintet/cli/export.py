"""`quintet export BUNDLE`: files for other runtimes, each judged again."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quintet.cli.show import AsJson, print_json, progress, talk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quintet.export import Export


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    bundle: Annotated[Path, typer.Argument(help="A trained model's folder.")],
    to: Annotated[
        str, typer.Option(help="Targets, separated by commas: onnx, litert, openvino.")
    ] = "onnx,litert,openvino",
    precision: Annotated[str, typer.Option(help="Precisions, separated by commas: float32, int8.")] = "float32,int8",
    margin: Annotated[
        float,
        typer.Option(
            help="How much accuracy an export may lose and still be kept; 0.01 is one point.", min=0.0, max=1.0
        ),
    ] = 0.01,
    data: Annotated[
        str, typer.Option(help="The data to calibrate and judge with; default: what the model was trained on.")
    ] = "",
    calibration: Annotated[int, typer.Option(help="How many training samples choose the ranges of int8.", min=1)] = 512,
    coverage: Annotated[
        float,
        typer.Option(
            help="The share of pictures that is to be answered; of the rest it says that it is unsure.",
            min=0.01,
            max=1.0,
        ),
    ] = 0.95,
    threads: Annotated[int, typer.Option(help="Processor threads.", min=1)] = 1,
    json: AsJson = False,
) -> None:
    """Write a model as ONNX, LiteRT and OpenVINO files and judge each on the test set; exit code 1: one was refused."""
    from dataclasses import asdict

    import numpy as np

    from quintet.bundle import read_bundle
    from quintet.errors import BundleError, DataError
    from quintet.export import complete_exports, export_bundle
    from quintet.system import load_system

    found = read_bundle(bundle)
    if not found.card.get("system"):
        raise BundleError(f"received {bundle}, which names no system, expected one to judge it by; train it again")
    prepared = load_system(found.card["system"]).prepare(data or (found.card.get("data") or {}).get("name"))
    if prepared.input_shape != found.net.input_shape:
        raise DataError(
            f"received data of shape {prepared.input_shape}, expected {found.net.input_shape} for {bundle};"
            " name the data it was trained on with --data"
        )
    train_x = prepared.arrays["train_x"]
    chosen = np.sort(np.random.default_rng(0).permutation(len(train_x))[:calibration])
    with progress() as on_event:
        exports = export_bundle(
            bundle,
            _words(to),
            _words(precision),
            train_x[chosen],
            prepared.arrays["test_x"],
            prepared.arrays["test_y"],
            margin,
            threads,
            on_event,
        )
        decided = complete_exports(bundle, exports, prepared, coverage, on_event)
    if json:
        record = {e.name: asdict(e) for e in exports}
        print_json({"bundle": str(bundle), "margin": margin, "exports": record, "decision": decided})
    else:
        for one in exports:
            talk().print(sentence(one))
        for name, figures in list(decided.items())[:1]:
            talk().print(decided_sentence(name, figures))
        talk().print(f"The files and their figures are in {bundle / 'exports'}")
        if (bundle / "manifest.sig").exists():
            talk().print(f"The bundle has changed: sign it again with quintet bundle sign {bundle}")
    raise typer.Exit(0 if all(one.kept for one in exports) else 1)


def sentence(export: "Export") -> str:
    """Return what became of one export, in words."""
    low, high = export.interval.low, export.interval.high
    span = "" if low is None or high is None else f", 95 % interval {100 * low:+.2f} to {100 * high:+.2f}"
    figures = (
        f"{100 * export.accuracy:.2f} %, float32 network {100 * export.reference_accuracy:.2f} %,"
        f" difference {100 * export.difference:+.2f} points{span}, n = {export.n},"
        f" same answer on {100 * export.agreement:.2f} %, {export.size_bytes / 1e6:.3f} MB"
    )
    if not export.kept:
        return (
            f"{export.name}: REFUSED, no file kept: worse than the margin of {100 * export.margin:g} points ({figures});"
            " calibrate with more samples, or raise --margin"
        )
    doubt = "" if export.shown else f"; too few samples to show that it is within {100 * export.margin:g} points"
    return f"{export.name}: kept: {figures}{doubt}"


def decided_sentence(name: str, figures: "Mapping[str, Any]") -> str:
    """Return what the reject rule does with one export, in words."""
    right = figures["accuracy_of_answers"]
    if right is None:
        return f"{name}: answers none of {figures['n']} test samples"
    low, high = figures["accuracy_of_answers_interval"]
    return (
        f"{name}: answers {100 * figures['coverage']:.1f} % of {figures['n']} test samples and is right in {100 * right:.2f} %"
        f" of them (95 % interval {100 * low:.2f} to {100 * high:.2f}); calibration error"
        f" {100 * figures['calibration_error']:.1f} points, {100 * figures['uncalibrated']:.1f} before"
    )


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
