"""The summary in the terminal: the same figures as the page, in any width."""

import dataclasses
import io
import re

import pytest
from report_study import FAILED, make_store
from rich.console import Console

from quintet.report import print_summary, tables
from quintet.report.html import render
from quintet.results import analyse


def printed(result, width: int, report=None) -> str:
    stream = io.StringIO()
    print_summary(result, Console(file=stream, width=width, color_system=None), report)
    return stream.getvalue()


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    with make_store(tmp_path_factory.mktemp("study")) as store:
        return analyse(store)


def test_it_fits_100_columns_with_every_name_and_figure_whole(result):
    lines = printed(result, 100).splitlines()
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    for row in tables.overview(result.networks[0]).rows:
        assert re.search(rf"^ *{row.name} ", text, flags=re.M)
        for cell in row.cells:
            assert cell.text in text
            assert cell.interval in text


@pytest.mark.parametrize("width", [100, 80])
def test_a_library_of_which_no_run_finished_hides_no_name_or_figure(result, width):
    why = "received library, expected an installed one"
    failed = [
        dataclasses.replace(t, status="environment", reason=why, metrics={}) if t.library == "jax" else t
        for t in result.trials
    ]
    rows = [
        dataclasses.replace(row, n_failed=row.n, summaries={}) if row.library == "jax" else row
        for row in result.networks[0].rows
    ]
    network = dataclasses.replace(result.networks[0], rows=tuple(rows))
    text = printed(dataclasses.replace(result, trials=tuple(failed), networks=(network,)), width)
    for row in tables.overview(network).rows:
        assert re.search(rf"^ *{row.name}\b", text, flags=re.M)
        if row.name != "jax":
            assert all(cell.text in text for cell in row.cells)
    assert re.sub(r"\s+", " ", text).count(why) == 1  # told once, not once a trial


@pytest.mark.parametrize("width", [100, 60, 40])
def test_sentences_failures_and_place_are_there(result, width, tmp_path):
    network = result.networks[0]
    report = tmp_path / "a folder" / "report.html"
    text = re.sub(r"\s+", " ", printed(result, width, report))
    for sentence in (*network.headline, network.recommendation.sentence, *network.recommendation.changes):
        assert sentence in text
    assert f"{FAILED}: diverged: the loss is not a number after step 120" in text
    assert str(report) in text
    assert not re.search(r"\b(None|nan)\b", text)


def test_page_and_terminal_show_the_same_figures(result):
    page, narrow = render(result), printed(result, 60)
    for row in tables.overview(result.networks[0]).rows:
        for cell in row.cells:
            assert f">{cell.text}<" in page
            assert cell.text in narrow


def test_what_a_study_says_is_no_markup(result):
    trials = tuple(dataclasses.replace(t, reason="[red]no[/wrong]") if t.id == FAILED else t for t in result.trials)
    assert "[red]no[/wrong]" in printed(dataclasses.replace(result, trials=trials), 100)


def test_an_unfinished_study_says_so(tmp_path):
    with make_store(tmp_path, finished=3) as store:
        text = printed(analyse(store), 100)
    assert "Incomplete: 3 of 36 trials have run." in text
    assert "not run yet" in text
