"""The survey's four words as tables: accuracy, precision, stability, performance, each with what its columns mean.

Seed noise and test-set noise stand apart, under accuracy. What was not measured says so; energy names its source.
"""

from collections.abc import Iterator
from typing import Any

from quintet.metrics import METRICS
from quintet.report.tables import DASH, Cell, Column, Table, column, figure, missing, number, row_cells, share_cell
from quintet.results import LibraryRow, NetworkResult

WORDS = ("accuracy", "precision", "stability", "performance")


def word_tables(network: NetworkResult, n_test: int) -> tuple[Table, ...]:
    """Return one table for each of the survey's four words, each with its definitions."""
    makers = (_accuracy, _precision, _stability, _performance)
    return tuple(_word(word, network, n_test, maker) for word, maker in zip(WORDS, makers, strict=True))


def _word(word: str, network: NetworkResult, n_test: int, maker: Any) -> Table:
    columns, cells = maker(n_test)
    metrics = [metric for metric in METRICS.values() if metric.word == word]
    return Table(
        title=word.capitalize(),
        columns=columns,
        rows=tuple(row_cells(network, row, list(cells(row))) for row in network.rows),
        definitions=tuple((metric.label, metric.definition) for metric in metrics) + _EXTRA.get(word, ()),
    )


_EXTRA = {
    "accuracy": (
        ("seed noise", "The standard deviation of the accuracy over the seeds, in percentage points."),
        ("test-set noise", "How far the mean would move on other test images of the same kind (one standard error)."),
        (
            "noise explained",
            "The share of the variance over seeds that a test set of this size makes by itself.",
        ),
        ("share of first", "How often the library is first in mean accuracy when the seeds are drawn anew."),
    ),
}


def _accuracy(n_test: int) -> tuple[tuple[Column, ...], Any]:
    columns = (
        column("accuracy"),
        Column(label="lowest to highest", unit="%"),
        Column(label="seed noise", unit="pp"),
        Column(label="test-set noise", unit=f"pp, {n_test:,} images" if n_test else "pp"),
        Column(label="noise explained", unit="%"),
        Column(label="share of first", unit="%"),
    )

    def cells(row: LibraryRow) -> Iterator[Cell]:
        metric, summary, noise = METRICS["accuracy"], row.summaries.get("accuracy"), row.noise
        yield figure(row, "accuracy")
        if summary is None or summary.minimum is None or summary.maximum is None:
            yield Cell(text=DASH, tone="missing")
        else:
            yield Cell(text=f"{number(metric, summary.minimum)}–{number(metric, summary.maximum)}")
        yield share_cell(noise.seed_sd if noise else None, 3)
        yield share_cell(noise.test_set_se if noise else None, 3)
        yield share_cell(noise.explained if noise else None, 0)
        yield share_cell(row.first_share, 0)

    return columns, cells


def _precision(_: int) -> tuple[tuple[Column, ...], Any]:
    names = ("macro_precision", "macro_recall", "numerical_precision")
    return tuple(column(name) for name in names), lambda row: [figure(row, name) for name in names]


def _stability(_: int) -> tuple[tuple[Column, ...], Any]:
    columns = (
        Column(label=METRICS["seed_sd"].label, unit="pp"),
        column("worst_seed"),
        Column(label=METRICS["n_failed"].label),
        Column(label=METRICS["bitwise_repeatable"].label, number=False),
    )

    def cells(row: LibraryRow) -> Iterator[Cell]:
        summary, interval = row.summaries.get("accuracy"), row.seed_sd_interval
        low, high = interval.low, interval.high
        spread = share_cell(summary.sd if summary else None, 3)
        bounds = DASH if low is None or high is None else f"{100 * low:.3f}–{100 * high:.3f}"
        yield Cell(text=spread.text, interval=bounds, tone=spread.tone)
        if row.n_failed:
            yield Cell(text="a failed run", tone="bad")
        elif summary is None or summary.worst is None:
            yield missing(row)
        else:
            yield Cell(text=number(METRICS["worst_seed"], summary.worst))
        yield Cell(text=f"{row.n_failed} of {row.n}", tone="bad" if row.n_failed else "")
        yield _repeatable(row.bitwise_repeatable)

    return columns, cells


def _performance(_: int) -> tuple[tuple[Column, ...], Any]:
    names = [name for name, metric in METRICS.items() if metric.word == "performance" and name != "energy_j"]

    def cells(row: LibraryRow) -> Iterator[Cell]:
        yield from (figure(row, name) for name in names)
        yield _energy(row)

    return (*(column(name) for name in names), column("energy_j")), cells


def _energy(row: LibraryRow) -> Cell:
    if row.summaries.get("energy_j") is None:
        return Cell(text="unavailable", tone="missing")
    cell = figure(row, "energy_j")
    return Cell(text=cell.text, interval=cell.interval, note=row.energy_source or "source unknown")


def _repeatable(share: float | None) -> Cell:
    if share is None:
        return Cell(text="not repeated", tone="missing", number=False)
    if share in (0.0, 1.0):
        return Cell(text="yes" if share else "no", number=False)
    return Cell(text=f"in {100 * share:.0f} % of the repeats", number=False)
