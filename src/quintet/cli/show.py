"""What all commands share: JSON on standard output, progress and talk on standard error."""

import contextlib
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from quintet.schedule import OnEvent

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]

PHASES = {
    "parity": "climbing the ladder",
    "threads": "trying thread counts",
    "trials": "running trials",
    "quick": "trying each library",
    "photos": "decoding photos",
    "calibrating": "calibrating int8",
    "judging": "judging exports",
    "deciding": "fitting the decision",
    "quiet": "waiting for quiet",
}


def talk() -> "Console":
    """Return the console for people: standard error, so that standard output stays clean."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False)  # "quintet[torch]" is text, not a style


def print_json(record: Any) -> None:
    """Print one object on standard output. Raises ValueError for a number that is none: JSON has no NaN."""
    print(json.dumps(record, indent=1, default=str, allow_nan=False))


@contextlib.contextmanager
def progress() -> Iterator["OnEvent"]:
    """Show a bar per phase on a terminal, a line every tenth elsewhere."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<22}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[text]}"),
    )  # fmt: skip
    with Progress(*columns, console=talk()) as bars:
        tasks: dict[str, Any] = {}

        def on_event(event: Any) -> None:
            if event.phase not in tasks:
                tasks[event.phase] = bars.add_task(
                    PHASES.get(event.phase) or str(event.phase), total=event.total, text=""
                )
            bars.update(tasks[event.phase], completed=event.done, total=event.total, text=event.text)

        yield on_event


def _lines() -> "OnEvent":
    said: dict[str, int] = {}

    def on_event(event: Any) -> None:
        tenth = 10 * event.done // event.total if event.total else 10
        if said.get(event.phase) != tenth:
            said[event.phase] = tenth
            print(
                f"{PHASES.get(event.phase, event.phase)}: {event.done} of {event.total} {event.text}",
                file=sys.stderr,
                flush=True,
            )

    return on_event
