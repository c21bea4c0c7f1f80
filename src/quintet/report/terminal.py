"""The report's summary in the terminal: the sentences, one table, the failures, and where the whole report is."""

from pathlib import Path
from typing import TYPE_CHECKING

from quintet.report import records, tables
from quintet.report.tables import Table
from quintet.results import NetworkResult, StudyResult

if TYPE_CHECKING:
    from rich.console import Console

_TONES = {"bad": "bold red", "good": "green", "missing": "dim"}


def print_summary(result: StudyResult, console: "Console", report: Path | None = None) -> None:
    """Print what the study says; `report` is where its HTML file is."""
    from rich.text import Text

    progress = tables.progress(result)
    if progress:
        console.print(Text(progress, style="yellow"))
    for network in result.networks:
        _network(result, network, console)
    if report is not None:
        console.print(Text.assemble(("Report: ", "bold"), str(report)), soft_wrap=True)


def _network(result: StudyResult, network: NetworkResult, console: "Console") -> None:
    from rich.text import Text

    console.print(Text(f"{result.system}: {network.network}", style="bold underline"))
    first, *others = network.headline
    console.print(Text(first, style="bold"))
    for sentence in others:
        console.print(Text(sentence))
    if network.recommendation:
        console.print(Text(network.recommendation.sentence, style="green"))
        for sentence in network.recommendation.changes:
            console.print(Text(f"  {sentence}", style="dim"))
    elif network.no_recommendation:
        console.print(Text(f"No recommendation: {network.no_recommendation}", style="yellow"))
    _print_table(tables.overview(network), console)
    failed = records.failures(result, network.network)
    if failed:
        console.print(Text(f"Failed: {sum(group.n for group in failed)}", style="bold red"))
    for group in failed:
        console.print(Text(f"  {group.name}: {group.first.status}: {group.first.reason or 'no reason was given'}"))
    console.print()


def _print_table(table: Table, console: "Console") -> None:
    """Print a table, or, where the terminal is too narrow for its names and figures, a list."""
    from rich import box
    from rich.measure import Measurement
    from rich.table import Table as RichTable
    from rich.text import Text

    made = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    made.add_column("\n\nlibrary", no_wrap=True)
    for column, cells in zip(table.columns, zip(*(row.cells for row in table.rows), strict=True), strict=True):
        heading = Text(column.label.replace(" ", "\n") + (f"\n{column.unit}" if column.unit else ""))
        figures = [text for cell in cells if cell.tone != "missing" for text in (cell.text, cell.interval)]
        width = max(map(len, [*figures, *heading.plain.split("\n")]))  # only words that stand for a figure may wrap
        made.add_column(heading, justify="right" if column.number else "left", min_width=width)
    for row in table.rows:
        cells = []
        for cell in row.cells:
            text = Text(cell.text, style=_TONES.get(cell.tone, ""))
            if cell.interval:
                text.append(f"\n{cell.interval}", style="dim")
            cells.append(text)
        made.add_row(Text.assemble((row.name, "bold"), (f"\n{row.mark}", "green") if row.mark else ""), *cells)
    if Measurement.get(console, console.options.update(max_width=1000), made).minimum > console.width:
        _print_list(table, console)
    else:
        console.print(made)


def _print_list(table: Table, console: "Console") -> None:
    from rich.text import Text

    for row in table.rows:
        console.print(Text.assemble((row.name, "bold"), f" ({row.mark})" if row.mark else ""))
        for column, cell in zip(table.columns, row.cells, strict=True):
            unit = f", {column.unit}" if column.unit else ""
            interval = f" ({cell.interval})" if cell.interval else ""
            console.print(Text(f"  {column.label}{unit}: {cell.text}{interval}"))
