"""`quintet profile BUNDLE`: what a model costs here, what it would cost on a board, and whether an Arm board answers alike."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quintet.cli.show import AsJson, print_json, progress, talk

if TYPE_CHECKING:
    from quintet.emulation import Agreement
    from quintet.profiling import Profile


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command("profile")(profile)


def profile(
    bundle: Annotated[Path, typer.Argument(help="A trained model's folder.")],
    runtime: Annotated[
        str,
        typer.Option(
            help="Runtimes, separated by commas: numpy, onnxruntime, litert, openvino; default: all here, with --emulate"
            " litert and onnxruntime."
        ),
    ] = "",
    precision: Annotated[str, typer.Option(help="Precisions, separated by commas: float32, int8.")] = "float32,int8",
    threads: Annotated[str, typer.Option(help="Numbers of processor threads, separated by commas.")] = "1",
    board: Annotated[
        str, typer.Option(help="Boards, separated by commas, to predict for or to emulate: pi3, pi4, pi5.")
    ] = "",
    starts: Annotated[int, typer.Option(help="Fresh processes for each cold start.", min=1)] = 5,
    rounds: Annotated[int, typer.Option(help="Rounds of predictions, all settings in turn.", min=1)] = 10,
    calls: Annotated[int, typer.Option(help="Predictions of each setting in a round.", min=1)] = 100,
    emulate: Annotated[
        str,
        typer.Option(help="arm64: measure nothing, but run the exports on an emulated board and compare the answers."),
    ] = "",
    samples: Annotated[int, typer.Option(help="Test pictures for --emulate.", min=1)] = 500,
    data: Annotated[str, typer.Option(help="The data for --emulate; default: what the model was trained on.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="The profile's file; default: BUNDLE.profile.json beside the bundle.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Measure cold start, latency, memory, sizes and energy of each export here, and predict latency on a board.

    With --emulate arm64: exit code 1 when a label differs, or an int8 output of LiteRT or ONNX Runtime by a single bit.
    """
    from quintet.runtimes import PRECISIONS, RUNTIMES

    boards = known(board, ("pi3", "pi4", "pi5"), "board")
    precisions = known(precision, PRECISIONS, "precision")
    runtimes = known(runtime, RUNTIMES, "runtime")
    if emulate:
        known(emulate, ("arm64",), "--emulate")
        emulated(bundle, runtimes or ["litert", "onnxruntime"], precisions, boards or ["pi4"], samples, data, json)
        return
    from quintet.errors import BundleError
    from quintet.job import write_whole
    from quintet.profiling import profile as measure
    from quintet.profiling.measuring import default_file

    file = out or default_file(bundle)
    if file.resolve().is_relative_to(bundle.resolve()):
        raise BundleError(
            f"received --out {file} inside the bundle, expected a file beside it: a profile is this machine's, and the"
            " bundle's signature would no longer hold"
        )
    with progress() as on_event:
        found = measure(
            bundle, runtimes or RUNTIMES, precisions, numbers(threads), boards, starts, rounds, calls, on_event=on_event
        )
    import json as to_text

    record = found.to_json()
    write_whole(file, (to_text.dumps(record, indent=1, default=str) + "\n").encode())
    if json:
        print_json(record)
    else:
        show(found)
        talk().print(f"The profile is in {file}", soft_wrap=True)


def show(found: "Profile") -> None:
    """Print a profile for people."""
    from rich.table import Table

    table = Table(
        "setting", "cold start", "p50", "p99", "times the fastest", "peak memory", "files", "energy", "accuracy"
    )
    for row in found.rows:
        span = row.ratio_interval
        spread = f" ({span.low:.2f} to {span.high:.2f})" if span.low is not None and span.high is not None else ""
        table.add_row(
            f"{row.runtime}, {row.precision}, {row.threads}",
            f"{row.cold_ms['total_ms']:.0f} ms ({row.cold_range_ms[0]:.0f} to {row.cold_range_ms[1]:.0f})",
            f"{row.p50_ms:.3f} ms",
            f"{row.p99_ms:.3f} ms",
            f"{row.ratio:.2f}{spread}" if row.ratio else "",
            f"{row.peak_mib:.0f} MiB",
            f"{row.size_bytes / 1e6:.3f} MB",
            f"{row.energy_mj:.2f} mJ" if row.energy_mj is not None else row.energy,
            f"{100 * row.accuracy:.2f} %" if row.accuracy is not None else "",
        )
    console = talk()
    console.print(table)
    for sentence in sentences(found):
        console.print(sentence, soft_wrap=True)


def sentences(found: "Profile") -> list[str]:
    """Return what a profile says besides its table."""
    work, chosen = found.work, found.chosen
    return [
        f"One picture takes {work.multiply_adds / 1e6:.2f} million multiply-adds in {work.layers} layers; weights are"
        f" {work.weight_bytes('float32') / 1e6:.3f} MB in float32, {work.weight_bytes('int8') / 1e6:.3f} MB in int8.",
        *(f"Not measured: {reason}." for reason in found.left_out),
        f"Others used {100 * found.load_before:.0f} % of the processor before."
        + (" The figures are of a busy machine: measure again when it is quiet." if found.load_before > 0.1 else ""),
        f"Chosen here: {chosen.runtime}, {chosen.precision}, {chosen.threads} thread{'s' if chosen.threads > 1 else ''}.",
        *(one.sentence for one in found.boards),
    ]


def emulated(
    bundle: Path, runtimes: list[str], precisions: list[str], boards: list[str], samples: int, data: str, json: bool
) -> None:
    """Run the exports on emulated boards; end with exit code 1 where an answer differs that must not."""
    from dataclasses import asdict

    from quintet.emulation import EMULATED, compare_on_arm64
    from quintet.emulation.samples import exports_here, pictures

    x = pictures(bundle, samples, data or None)
    exports = exports_here(bundle, runtimes, precisions)
    results: dict[str, Any] = {}
    for name in boards:
        with progress() as on_event:
            found = compare_on_arm64(bundle, x, exports, name, on_event)
        results[name] = [
            {**asdict(one), "labels_equal": one.labels_equal, "bits_equal": one.bits_equal, "holds": one.holds}
            for one in found
        ]
        if not json:
            for one in found:
                talk().print(f"{EMULATED[name].title}, emulated: {sentence(one)}", soft_wrap=True)
    if json:
        print_json({"bundle": str(bundle), "samples": len(x), "boards": results})
    raise typer.Exit(0 if all(one["holds"] for found in results.values() for one in found) else 1)


def sentence(one: "Agreement") -> str:
    """Return what one export came to on an emulated board, in words."""
    what = f"{one.runtime}, {one.precision}"
    if one.failure:
        return f"{what}: DID NOT RUN: {one.failure}"
    labels = f"the same label on {'all' if one.labels_equal else one.same_labels} of {one.n} pictures"
    if one.bits_equal:
        return f"{what}: {labels}, every output equal bit for bit"
    return (
        f"{what}: {labels}; outputs equal bit for bit on {one.same_bits}, else they differ by at most"
        f" {one.largest_difference:.2g} (the largest output is {one.largest_output:.3g})"
    )


def known(text: str, words: tuple[str, ...], what: str) -> list[str]:
    """Return the words of a comma-separated option.

    Raises:
        BundleError: one of them is not known.
    """
    from quintet.errors import BundleError, nearest

    found = list(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for word in found:
        if word not in words:
            raise BundleError(f'received {what} "{word}", {nearest(word, words)}')
    return found


def numbers(text: str) -> list[int]:
    """Return the positive numbers of a comma-separated option.

    Raises:
        BundleError: one is none.
    """
    from quintet.errors import BundleError

    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found or not all(word.isdecimal() and int(word) > 0 for word in found):
        raise BundleError(
            f'received --threads "{text}", expected numbers above 0 with commas between them, such as 1,2'
        )
    return list(dict.fromkeys(map(int, found)))
