"""The report's page: whole, self-contained, escaped, with every sentence, figure and trial of the study."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from report_study import FAILED, LIBRARIES, NASTY, make_store

from quintet.errors import StoreError
from quintet.report import write_report
from quintet.report.html import render
from quintet.results import StudyResult, analyse

VOID = {"meta", "br", "link", "img", "hr", "use", "path", "input"}


class Page(HTMLParser):
    """The page's text, attributes and ids; `open_tags` is empty where all tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.open_tags: list[str] = []
        self.feed(text)
        self.close()
        self.text = re.sub(r"\s+", " ", " ".join(self.words))

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open_tags.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        assert self.open_tags, f"</{tag}> closes nothing"
        assert self.open_tags.pop() == tag

    def handle_data(self, data):
        if self.open_tags and self.open_tags[-1] not in ("style", "script"):
            self.words.append(data)

    def values(self, name: str) -> list[str]:
        return [value for _, key, value in self.attributes if key == name]


def result_of(folder: Path, **settings) -> StudyResult:
    with make_store(folder, **settings) as store:
        return analyse(store)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text)


@pytest.fixture(scope="module")
def result(tmp_path_factory) -> StudyResult:
    return result_of(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def text(result) -> str:
    return render(result)


@pytest.fixture(scope="module")
def page(text) -> Page:
    return Page(text)


def test_all_tags_are_closed_and_ids_are_unique(page):
    assert page.open_tags == []
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    targets = [value[1:] for value in page.values("href") if value.startswith("#")]
    named = [key for value in page.values("aria-labelledby") for key in value.split()]
    assert set(targets + named) <= set(ids)


def test_nothing_is_fetched_and_no_script_runs(text, page):
    for name in ("src", "href", "xlink:href", "srcset", "action", "data"):
        assert all(value.startswith("#") for value in page.values(name))
    assert all(target.startswith("#") for target in re.findall(r"url\(\s*['\"]?([^)]*)", text))
    assert "@import" not in text
    assert not any(tag == "script" or name.startswith("on") for tag, name, _ in page.attributes)
    assert "<script" not in text
    assert "default-src 'none'" in text


def test_every_sentence_is_there(result, page):
    network = result.networks[0]
    assert network.recommendation is not None
    sentences = [
        *network.headline, network.recommendation.sentence, *network.recommendation.changes,
        *(verdict.sentence for verdict in network.verdicts), *network.recommendation.refused.values(),
    ]  # fmt: skip
    assert len(sentences) > 80
    for sentence in sentences:
        assert squeezed(sentence) in page.text


def test_the_verdict_comes_before_the_tables_and_they_before_the_plots(result, text):
    sentence = result.networks[0].headline[0]
    assert text.index(sentence) < text.index("<table") < text.index("<svg")


def test_every_trial_is_there_and_a_failed_one_says_why(result, page):
    for trial in result.trials:
        assert trial.id in page.text
    assert f"{FAILED} : diverged . the loss is not a number after step 120" in page.text
    assert page.text.count("the loss is not a number after step 120") >= 2


def test_what_a_log_holds_is_text(text, page):
    assert NASTY in page.text
    assert NASTY not in text


def test_nothing_reads_as_a_missing_value_of_python(page):
    for word in ("None", "nan", "NaN", "inf", "True", "False"):
        assert not re.search(rf"\b{word}\b", page.text), word


def test_energy_that_was_not_measured_is_unavailable(page):
    assert page.text.count("unavailable") >= len(LIBRARIES)


def test_energy_that_was_measured_names_its_source(result):
    row = result.networks[0].rows[0]
    energy = dataclasses.replace(row.summaries["train_s"], mean=123.0)
    measured = dataclasses.replace(row, summaries={**row.summaries, "energy_j": energy}, energy_source="measured:rapl")
    network = dataclasses.replace(result.networks[0], rows=(measured, *result.networks[0].rows[1:]))
    shown = Page(render(dataclasses.replace(result, networks=(network,)))).text
    assert re.search(r"123 [\d.]+–[\d.]+ measured:rapl", shown)


def test_the_four_words_and_their_definitions_are_shown(page):
    from quintet.metrics import METRICS

    for metric in METRICS.values():
        assert squeezed(metric.definition) in page.text
    for word in ("Accuracy", "Precision", "Stability", "Performance"):
        assert f" {word} " in page.text


def test_machine_settings_and_provenance_are_shown_but_no_private_path(page):
    for words in ("Made-up Processor 9000", "15.6", "http://yann.lecun.com/exdb/mnist/", "440fcabf" * 8):
        assert words in page.text
    assert "55,000 training, 5,000 validation, 10,000 test" in page.text
    assert "/home/somebody" not in page.text


def test_plots_are_described_and_name_every_library_they_show(text):
    plots = re.findall(r"<svg.*?</svg>", text, flags=re.S)
    assert len(plots) == 4
    for plot in plots:
        assert 'role="img"' in plot
        assert re.search(r"<title id=\"[^\"]+\">\S.*?</title><desc id=\"[^\"]+\">\S", plot)
        for library in LIBRARIES:
            assert library in plot or (library == "jax" and "latency" in plot)
    assert "accuracy and latency were not both measured: jax" in text


def test_plots_take_their_colours_from_the_page(text):
    plots = "".join(re.findall(r"<svg.*?</svg>", text, flags=re.S))
    assert not re.search(r"#0102[0-9a-f]{2}", plots)
    used = set(re.findall(r"var\(--(\w+)\)", plots))
    assert used >= {"ink", "muted", "grid", *(f"s{i}" for i in range(len(LIBRARIES)))}
    light, dark = (set(re.findall(r"--(\w+):", block)) for block in re.findall(r":root \{([^}]*)\}", text)[:2])
    assert used <= light == dark


def contrast(one: str, two: str) -> float:
    """WCAG 2.2, relative luminance and contrast ratio."""

    def luminance(colour: str) -> float:
        wide = colour if len(colour) == 7 else "#" + "".join(2 * digit for digit in colour[1:])
        parts = [int(wide[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(one), luminance(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_enough_in_light_dark_and_print(text):
    blocks = re.findall(r":root \{([^}]*)\}", text)
    assert len(blocks) == 3
    for block in blocks:
        colours = dict(re.findall(r"--(\w+): (#[0-9a-f]+);", block))
        for ground in ("paper", "panel"):
            for name in ("ink", "muted", "accent", "good", "bad", "warn"):
                assert contrast(colours[name], colours[ground]) >= 4.5, (name, ground)
        for name in (f"s{i}" for i in range(8)):
            assert contrast(colours[name], colours["paper"]) >= 3, name


def test_equal_results_give_equal_bytes(tmp_path, result, text):
    first = write_report(result, tmp_path / "a.html").read_bytes()
    assert first == write_report(result, tmp_path / "deep" / "b.html").read_bytes() == text.encode()
    assert len(first) < 1_500_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "deep"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path, result):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_report(result, tmp_path / "file" / "report.html")
    (tmp_path / "report.html").mkdir()
    with pytest.raises(StoreError, match="cannot be written"):
        write_report(result, tmp_path / "report.html")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "report.html"]


def test_an_unfinished_study_says_so(tmp_path):
    unfinished = Page(render(result_of(tmp_path, finished=14))).text
    assert "Incomplete: 14 of 36 trials have run." in unfinished
    assert "not run yet" in unfinished
    assert "nan" not in unfinished


def test_a_study_of_which_nothing_has_finished(tmp_path):
    nothing = Page(render(result_of(tmp_path, finished=0)))
    assert "Incomplete: 0 of 36 trials have run." in nothing.text
    assert "No seed has been run by every library yet." in nothing.text
    assert "No learning curve was recorded." in nothing.text
    assert not re.search(r"\b(None|nan)\b", nothing.text)


def test_a_study_without_trials(result):
    empty = dataclasses.replace(result, networks=(), trials=(), series=(), planned=0, finished=0)
    assert "Nothing has been measured yet" in Page(render(empty)).text


def test_one_library_with_one_seed_has_no_intervals(tmp_path):
    alone = Page(render(result_of(tmp_path, libraries=("torch",), seeds=1)))
    assert "fewer than two could be compared" in alone.text
    assert "—" in alone.text
    assert not re.search(r"\b(None|nan)\b", alone.text)
    assert not re.search(r"\d–\d", alone.text.partition("Precision")[2])


def test_several_networks_have_a_section_each(tmp_path):
    several = Page(render(result_of(tmp_path, networks=("survey", "fast"), libraries=("torch", "jax"), seeds=3)))
    ids = several.values("id")
    assert len(ids) == len(set(ids))
    assert {"network-1", "network-2", "answers"} <= set(ids)
    assert {"#network-1", "#network-2"} <= set(several.values("href"))


@pytest.mark.parametrize("accuracy", [1.0, 0.97, 0.0])
def test_values_that_are_all_equal_can_be_drawn(result, accuracy):
    trials = tuple(dataclasses.replace(t, metrics={**t.metrics, "accuracy": accuracy}) for t in result.trials)
    series = tuple({**point, "value": accuracy} for point in result.series)
    shown = render(dataclasses.replace(result, trials=trials, series=series))
    assert shown.count("<svg") == 4
    assert f"{100 * accuracy:.0f} %" in shown
    assert not re.search(r"\bnan\b", shown)


def test_many_seeds_stay_within_reach(result):
    seeds = [dataclasses.replace(t, seed=100 * i + t.seed) for t in result.trials if not t.repeat for i in range(20)]
    series = tuple({**point, "seed": 100 * i + point["seed"]} for point in result.series for i in range(20))
    assert len(render(dataclasses.replace(result, trials=tuple(seeds), series=series))) < 1_500_000
