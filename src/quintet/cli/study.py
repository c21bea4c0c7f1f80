"""`quintet study run|resume`: a study from its file, and going on with one."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quintet.cli.show import AsJson, print_json, progress, talk

if TYPE_CHECKING:
    from quintet.study import Study

study = typer.Typer(help="Studies from a file: run one, go on with one.", no_args_is_help=True)


def mount(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(study, name="study")


@study.command()
def run(
    file: Annotated[Path, typer.Argument(help="A study.toml; its keys are in docs/studies.md.")],
    out: Annotated[Path | None, typer.Option(help="The study's folder; default: one named after the file.")] = None,
    json: AsJson = False,
) -> None:
    """Run the study in FILE, or go on with it where it was stopped."""
    from quintet.study import read_study

    run_and_show(read_study(file), out or Path("quintet-results") / file.stem, as_json=json)


@study.command()
def resume(
    folder: Annotated[Path, typer.Argument(help="A study's folder.")],
    json: AsJson = False,
) -> None:
    """Go on with the study in FOLDER; what has finished is not run again."""
    from quintet.store import Store
    from quintet.study import make_study

    with Store(folder) as store:
        settings = store.study()["settings"]
    run_and_show(make_study(settings), folder, as_json=json)


def run_and_show(study: "Study", folder: Path, as_json: bool) -> None:
    """Run what is left of a study, write its report, and show what it says."""
    from quintet.cli.libraries import refreshed
    from quintet.report import print_summary, write_report
    from quintet.results import analyse, to_json
    from quintet.schedule import run_study
    from quintet.store import Store

    refreshed(study.libraries)
    with progress() as on_event:
        run_study(study, folder, on_event=on_event)
    with Store(folder) as store:
        result = analyse(store)
    report = write_report(result, folder / "report.html")
    if as_json:
        print_json({**to_json(result), "folder": str(folder), "report": str(report)})
    else:
        print_summary(result, talk(), report)
