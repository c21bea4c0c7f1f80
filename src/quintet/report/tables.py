"""What a report shows of one network, as records of strings; the page and the terminal both print these.

Rules: a figure looks as its metric shows it; what was not measured says so and is never 0; an interval that cannot be
given is a dash. Bounds are cut to what the quantity can be (a share ends at 100 %). Not for computing anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from quintet.metrics import METRICS, Metric, show_number
from quintet.results import LibraryRow, NetworkResult, StudyResult
from quintet.statistics import Interval
from quintet.verdict import Verdict

DASH = "—"
KINDS = {"better": "better", "equal": "equal", "not_shown": "not shown", "not_comparable": "not comparable"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A figure with its interval below it; `tone` is "good", "bad", "missing" or ""; `number` aligns it to the right."""

    text: str
    interval: str = ""
    note: str = ""
    tone: str = ""
    number: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One library's cells; `detail` is its version and threads, `mark` what one must know of it ("recommended")."""

    name: str
    detail: str = ""
    mark: str = ""
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column's heading."""

    label: str
    unit: str = ""
    number: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table with one row for each library; `definitions` say what its columns mean."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    definitions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictGroup:
    """All sentences on one metric; `counts` says how many there are of each kind."""

    label: str
    definition: str
    counts: str
    sentences: tuple[tuple[str, str], ...]


def overview(network: NetworkResult) -> Table:
    """Return the table at a glance; it is what the terminal prints."""
    shown = ("accuracy", "training_images_per_s", "latency_p50_ms", "peak_mib")
    return Table(
        title="At a glance",
        columns=(
            *(column(name) for name in shown),
            Column(label="ladder", number=False),
            Column(label="runs finished"),
        ),
        rows=tuple(
            row_cells(
                network,
                row,
                [*(figure(row, name) for name in shown), _ladder_word(row), _finished(row)],
                detail=_version_and_threads(row),
            )
            for row in network.rows
        ),
    )


def ladder_table(network: NetworkResult, parity: Sequence[Mapping[str, Any]]) -> Table:
    """Return the ladder: for each library how far it was from the float64 reference, in float64 and in float32."""
    found = {(row["library"], row["precision"]): row for row in parity if row["network"] == network.network}

    def difference(library: str, precision: str) -> Cell:
        row = found.get((library, precision))
        if row is None or row["max_relative_difference"] is None:
            return Cell(text="not measured", tone="missing")
        note = "" if row["tolerance"] is None else f", at most {row['tolerance']:.0e}"
        return Cell(text=f"{row['max_relative_difference']:.1e}", interval=f"{row['steps']} steps{note}")

    rows = []
    for row in network.rows:
        failure = row.ladder.first_failure if row.ladder else None
        cells = [difference(row.library, "float64"), difference(row.library, "float32"), _ladder_word(row)]
        rows.append(row_cells(network, row, [*cells, Cell(text=failure or DASH, number=False)]))
    return Table(
        title="The ladder",
        columns=(
            Column(label="float64", unit="largest relative difference"),
            Column(label="float32", unit="largest relative difference"),
            Column(label="result", number=False),
            Column(label="first rung that failed", number=False),
        ),
        rows=tuple(rows),
    )


def sweep_table(network: NetworkResult, sweep: Sequence[Mapping[str, Any]]) -> Table | None:
    """Return training speed by thread count, or None where no sweep was made."""
    mine = {(row["library"], row["threads"]): row for row in sweep if row["network"] == network.network}
    counts = sorted({threads for _, threads in mine})
    if not counts:
        return None

    def cell(row: LibraryRow, threads: int) -> Cell:
        tried = mine.get((row.library, threads))
        if tried is None:
            return Cell(text="not tried", tone="missing")
        if tried["training_images_per_s"] is None:
            return Cell(text="failed", interval=tried["reason"] or "", tone="bad")
        chosen = row.threads == threads
        text = show_number(tried["training_images_per_s"])
        return Cell(text=text, interval="chosen" if chosen else "", tone="good" if chosen else "")

    return Table(
        title="Threads",
        columns=tuple(Column(label=f"{n} thread{'' if n == 1 else 's'}", unit="images/s") for n in counts),
        rows=tuple(row_cells(network, row, [cell(row, n) for n in counts]) for row in network.rows),
    )


def verdict_groups(network: NetworkResult) -> tuple[VerdictGroup, ...]:
    """Return every verdict's sentence, by metric, those with a winner first."""
    order = list(KINDS)
    groups = []
    for name in dict.fromkeys(v.metric for v in network.verdicts):
        found: list[Verdict] = sorted(
            (v for v in network.verdicts if v.metric == name), key=lambda v: order.index(v.kind)
        )
        counts = {kind: sum(v.kind == kind for v in found) for kind in order}
        groups.append(
            VerdictGroup(
                label=METRICS[name].label,
                definition=METRICS[name].definition,
                counts=", ".join(f"{n} {KINDS[kind]}" for kind, n in counts.items() if n),
                sentences=tuple((KINDS[v.kind], v.sentence) for v in found),
            )
        )
    return tuple(groups)


def progress(result: StudyResult) -> str | None:
    """Return how much of the study has run, or None where all of it has."""
    if not result.planned:
        return "Incomplete: the trials have yet to be planned."
    if result.finished == result.planned:
        return None
    return (
        f"Incomplete: {result.finished} of {result.planned} trials have run. Until all have, seeds that some library has "
        "yet to run are left out of every comparison."
    )


def test_images(result: StudyResult) -> int:
    """Return how many test images there are; 0 where the study does not say."""
    return result.data.get("sizes", {}).get("test_x", 0)


def figure(row: LibraryRow, name: str) -> Cell:
    """Return a metric's mean over the seeds that finished, with its interval."""
    summary = row.summaries.get(name)
    if summary is None or summary.mean is None:
        return missing(row)
    return Cell(text=number(METRICS[name], summary.mean), interval=span(METRICS[name], summary.interval))


def number(metric: Metric, value: float) -> str:
    """Return a value as its metric shows it, without the unit, which stands in the heading."""
    text = metric.show(value)
    return text if metric.unit == "relative" else text.rsplit(" ", 1)[0]


def span(metric: Metric, interval: Interval) -> str:
    """Return an interval as "99.20–99.41"; a dash where the values allow none."""
    bounds = within(metric, interval)
    return DASH if bounds is None else f"{number(metric, bounds[0])}–{number(metric, bounds[1])}"


def within(metric: Metric, interval: Interval) -> tuple[float, float] | None:
    """Return an interval's bounds, cut to what the metric can be: no less than 0, and a share no more than 1."""
    if interval.low is None or interval.high is None:
        return None
    most = 1.0 if metric.unit == "share" else float("inf")
    return max(0.0, interval.low), min(most, interval.high)


def unit(metric: Metric) -> str:
    """Return what a column of the metric is counted in."""
    return {"share": "%", "relative": "relative", "runs": ""}.get(metric.unit, metric.unit)


def share_cell(value: float | None, digits: int) -> Cell:
    """Return a share times 100, so in % or in percentage points."""
    return Cell(text=DASH, tone="missing") if value is None else Cell(text=f"{100 * value:.{digits}f}")


def missing(row: LibraryRow) -> Cell:
    """Return why a library has no figure."""
    if not row.n:
        return Cell(text="not run yet", tone="missing")
    return Cell(text="no run finished" if row.n == row.n_failed else "not measured", tone="missing")


def _ladder_word(row: LibraryRow) -> Cell:
    if row.ladder is None:
        return Cell(text="not climbed", tone="missing", number=False)
    words = "passed" if row.ladder.passed else "failed" if row.ladder.climbed else "could not run"
    return Cell(text=words, tone="" if row.ladder.passed else "bad", number=False)


def _finished(row: LibraryRow) -> Cell:
    return Cell(text=f"{row.n - row.n_failed} of {row.n}", tone="bad" if row.n_failed else "")


def column(name: str) -> Column:
    """Return the heading of a metric's column."""
    return Column(label=METRICS[name].label, unit=unit(METRICS[name]))


def _version_and_threads(row: LibraryRow) -> str:
    threads = f"{row.threads} thread{'' if row.threads == 1 else 's'}" if row.threads else ""
    return ", ".join(part for part in (row.version, threads) if part)


def row_cells(network: NetworkResult, row: LibraryRow, cells: Sequence[Cell], detail: str = "") -> Row:
    """Return a library's row, marked where one must know something of it."""
    chosen = network.recommendation is not None and network.recommendation.library == row.library
    return Row(
        name=row.library,
        detail=detail,
        mark="recommended" if chosen else "not comparable" if row.not_comparable else "",
        cells=tuple(cells),
    )
