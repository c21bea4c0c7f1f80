"""The records that both the page and the terminal show."""

import dataclasses
from itertools import pairwise

import pytest
from report_study import make_store

from quintet.metrics import METRICS
from quintet.report import records, tables, words
from quintet.report.axes import _apart, stretch, unstretch
from quintet.results import analyse
from quintet.statistics import Interval


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with make_store(tmp_path_factory.mktemp("study")) as store:
        return analyse(store)


def cell(table: tables.Table, library: str, label: str) -> tables.Cell:
    place = [column.label for column in table.columns].index(label)
    return next(row.cells[place] for row in table.rows if row.name == library)


def test_a_word_has_one_row_for_each_library(result):
    network = result.networks[0]
    made = words.word_tables(network, 10_000)
    assert [table.title for table in made] == ["Accuracy", "Precision", "Stability", "Performance"]
    for table in made:
        assert [row.name for row in table.rows] == [row.library for row in network.rows]
        assert all(len(row.cells) == len(table.columns) for row in table.rows)


def test_missing_and_failed_say_so(result):
    accuracy, _, stability, performance = words.word_tables(result.networks[0], 10_000)
    assert cell(performance, "jax", "median latency").text == "not measured"
    assert cell(performance, "torch", "energy").text == "unavailable"
    assert cell(stability, "keras-jax", "worst seed").text == "a failed run"
    assert cell(stability, "keras-jax", "failed runs").text == "1 of 5"
    assert cell(stability, "torch", "bitwise repeatability").text == "yes"
    assert cell(accuracy, "keras-jax", "share of first").text == "—"


def test_marks(result):
    marks = {row.name: row.mark for row in tables.overview(result.networks[0]).rows}
    recommendation = result.networks[0].recommendation
    assert recommendation is not None
    assert marks[recommendation.library] == "recommended"
    assert marks["keras-torch"] == "not comparable"
    assert sorted(marks.values()) == ["", "", "", "", "not comparable", "recommended"]


def test_the_ladder_shows_difference_steps_tolerance_and_failure(result):
    table = tables.ladder_table(result.networks[0], result.parity)
    good, bad = cell(table, "torch", "float64"), cell(table, "keras-torch", "float64")
    assert (good.text, good.interval) == ("3.1e-14", "500 steps, at most 1e-12")
    assert bad.text == "2.2e-03"
    assert "bn1.variance" in cell(table, "keras-torch", "first rung that failed").text
    empty = tables.ladder_table(result.networks[0], ())
    assert cell(empty, "torch", "float64").text == "not measured"


def test_the_sweep_marks_what_was_chosen(result):
    table = tables.sweep_table(result.networks[0], result.sweep)
    assert table is not None
    assert cell(table, "torch", "2 threads").interval == "chosen"
    assert cell(table, "torch", "1 thread").interval == ""
    assert (cell(table, "jax", "1 thread").text, cell(table, "jax", "1 thread").interval) == (
        "failed",
        "it took longer than 60 s",
    )
    assert tables.sweep_table(result.networks[0], ()) is None


def test_bounds_are_cut_to_what_can_be():
    def interval(low, high):
        return Interval(low=low, high=high, level=0.95, method="t")

    assert tables.span(METRICS["accuracy"], interval(0.985, 1.004)) == "98.50–100.00"
    assert tables.span(METRICS["compile_s"], interval(-0.4, 0.6)) == "0–0.60"
    assert tables.span(METRICS["compile_s"], interval(None, None)) == "—"


def test_records_of_trials_keep_the_order_and_the_failures(result):
    made = records.trials(result, "survey")
    assert [trial.id for trial in made] == [trial.id for trial in result.trials]
    assert [trial.id for trial in made if trial.failed] == ["survey.keras-jax.seed3"]
    assert made[-1].seed == "0 again"
    assert made[0].load == "3"


def test_values_of_settings_read_as_words(result):
    settings = dict(records.settings(result))
    assert settings["libraries"].startswith("torch, jax, ")
    assert settings["parity"] == "yes"
    assert settings["data"] == "the best at hand"
    assert dict(records.machine(result))["governor"] == "unknown"
    odd = dataclasses.replace(result, data={"name": "x", "provenance": {"a": {"b": None}, "found": {"c": "/d"}}})
    assert records.data(odd) == (("data set", "x"), ("a of b", "unknown"))


@pytest.mark.parametrize("places", [[0.5] * 6, [0.1, 0.12, 0.9, 0.91], [0.99, 0.3, 0.985]])
def test_names_are_moved_apart_in_order(places):
    moved = _apart(places, 0.06, 0.985)
    ordered = sorted(moved)
    assert all(b - a >= 0.06 - 1e-9 for a, b in pairwise(ordered))
    assert max(moved) <= 0.985
    assert sorted(range(len(places)), key=lambda i: (places[i], i)) == sorted(
        range(len(places)), key=lambda i: moved[i]
    )


@pytest.mark.parametrize("accuracy", [0.0, 0.1, 0.9, 0.99, 0.999, 1.0])
def test_the_stretched_scale_can_be_undone(accuracy):
    assert float(unstretch(stretch(accuracy))) == pytest.approx(accuracy, abs=1e-12)
