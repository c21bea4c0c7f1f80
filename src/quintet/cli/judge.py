"""`quintet judge BUNDLE`: are a bundle's figures true?"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from quintet.cli.show import AsJson, print_json


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command("judge")(judge)


def judge(
    bundle: Annotated[Path, typer.Argument(help="A trained model's folder.")],
    data: Annotated[
        str, typer.Option(help="A data set, or a folder where the system takes one; default: the bundle's own.")
    ] = "",
    runtime: Annotated[
        Literal["numpy", "onnxruntime", "litert", "openvino"], typer.Option(help="What computes the answers.")
    ] = "numpy",
    precision: Annotated[Literal["float32", "int8"], typer.Option(help="float32 or int8.")] = "float32",
    tolerance: Annotated[
        float | None,
        typer.Option(help="Share by which the accuracy may differ; default: 0.001, int8 0.003; a sample at least."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Judge BUNDLE on its system's test set and compare with the figures that it carries.

    Exit code 1 when the accuracy is not what the bundle says.
    """
    from quintet.judging import judge as judge_bundle
    from quintet.judging import sentence

    found = judge_bundle(bundle, data or None, runtime=runtime, precision=precision, tolerance=tolerance)
    if json:
        print_json(found.to_json())
    else:
        print(sentence(found))
    raise typer.Exit(0 if found.holds else 1)
