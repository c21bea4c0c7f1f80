"""The program `quintet`: exit codes, one JSON object on standard output, one line for an error, no trace."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from quintet import environments, machine
from quintet.launch import Local
from quintet.store import Store


def one_object(text: str) -> dict:
    """Return the one JSON object that `text` is; anything else beside it is an error."""
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def commands() -> Iterator[tuple[str, ...]]:
    """Yield the path of every command and group, the systems' own included."""
    import typer.main

    from quintet.cli.app import app, mount_systems

    mount_systems(["digits"])

    def walk(command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        yield path
        for name, inner in sorted(getattr(command, "commands", {}).items()):
            yield from walk(inner, (*path, name))

    found = list(walk(typer.main.get_command(app), ()))
    app.registered_groups[:] = [group for group in app.registered_groups if group.name != "digits"]
    yield from found


COMMANDS = list(commands())


def test_there_are_all_the_commands_of_the_design():
    words = {" ".join(path) for path in COMMANDS}
    for wanted in (
        "demo", "compare", "parity", "report", "recommend", "train", "libraries", "study run", "study resume", "data list",
        "bundle key", "bundle sign", "bundle verify", "bundle show", "judge", "data get", "data where",
        "data check", "digits read", "digits page", "digits activations",
    ):  # fmt: skip
        assert wanted in words


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help(quintet, path):
    said = quintet(*path, "--help")
    assert said.code == 0
    assert "Usage" in said.out
    assert said.err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compare", "digist"), ('system "digist"', 'did you mean "digits"?')),
        (("compare", "digits", "--libraries", "tourch"), ('library "tourch"', 'did you mean "torch"?')),
        (("compare", "digits", "--libraries", ","), ("no library", "quintet libraries")),
        (("compare", "digits", "--libraries", "reference", "--network", "surve"), ('did you mean "survey"?',)),
        (("compare", "digits", "--libraries", "reference", "--data", "mnits"), ('"mnits"', 'did you mean "mnist"?')),
        (("compare", "digits", "--libraries", "reference", "--seeds", "0"), ("seeds = 0",)),
        (("compare", "digits", "--libraries", "reference", "--threads", "swep"), ("threads = 'swep'",)),
        (
            ("compare", "digits", "--libraries", "reference", "--precision", "float16"),
            ('precision "float16"', "Known: bfloat16, float32, float64"),
        ),
        (("parity", "digits", "--libraries", "reference,jaxx"), ('did you mean "jax"?',)),
        (("parity", "digits", "--network", "fats"), ('did you mean "fast"?',)),
        (("study", "run", "nothing.toml"), ("nothing.toml", "readable study file")),
        (("study", "resume", "nowhere"), ("nowhere", "study.db")),
        (("report", "nowhere"), ("nowhere", "study.db", "quintet compare")),
        (("data", "where", "mnits"), ('did you mean "mnist"?',)),
        (("data", "check", "digits8"), ('did you mean "digits8x8"?',)),
        (("train", "digits", "--network", "bets"), ('did you mean "best"?',)),
        (("train", "digits", "--library", "kears-jax"), ('did you mean "keras-jax"?',)),
        (("train", "digits", "--library", "reference", "--at-once", "0"), ("at_once = 0",)),
        (("recommend", "digits"), ("no finished study", "type: quintet compare digits --network survey")),
        (("demo", "digit"), ('did you mean "digits"?',)),
        (("digits", "read", "nothing.png"), ("no model", "quintet train digits")),
        (("digits", "read", "nothing.png", "--model", "nowhere"), ("nowhere", "expected a trained model's folder")),
        (("digits", "page", "page.png", "--data", "minst"), ('did you mean "mnist"?',)),
        (("judge", "nowhere"), ("nowhere", "expected a trained model's folder")),
        (("bundle", "sign", "nowhere"), ("nowhere", "expected a trained model's folder")),
        (("bundle", "show", "nowhere"), ("nowhere", "expected a trained model's folder")),
        (("bundle", "verify", "nowhere"), ("signing-key.pub", "quintet bundle key")),
        (("bundle", "verify", "nowhere", "--trust", "who.pub"), ("who.pub", "expected a public key")),
        (("digits", "activations", "--library", "torhc"), ('did you mean "torch"?',)),
        (("digits", "activations", "--library", "reference", "--margin", "2"), ("margin = 2",)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_run_is_one_line_on_standard_error_and_exit_code_2(quintet, arguments, words):
    said = quintet(*arguments)
    assert said.code == 2
    assert said.out == ""
    line = said.err.strip().splitlines()[-1]
    assert line.startswith("quintet: ")
    assert "Traceback" not in said.err
    assert len(said.err.strip().splitlines()) <= 2  # `train` says first which library it takes
    for word in words:
        assert word in line


def test_debug_shows_the_whole_trace(quintet):
    from quintet.errors import StudyError

    with pytest.raises(StudyError, match="digist"):
        quintet("--debug", "compare", "digist")


def test_a_library_that_is_not_installed_says_what_to_type(quintet, monkeypatch):
    real = environments._version
    monkeypatch.setattr(environments, "_version", lambda d: None if d == "torch" else real(d))
    said = quintet("compare", "digits", "--libraries", "torch")
    assert said.code == 2
    assert 'python -m pip install -e ".[torch]"' in said.err
    shown = one_object(quintet("libraries", "--json").out)
    assert {r["library"]: r["version"] for r in shown["libraries"]}["torch"] is None
    shown = quintet("libraries").out
    assert "not installed" in shown
    assert 'python -m pip install -e ".[torch]"' in shown


def test_libraries_shows_each_with_its_version(quintet):
    shown = one_object(quintet("libraries", "--json").out)["libraries"]
    assert [row["library"] for row in shown] == list(environments.LIBRARIES)
    assert shown[0] == {
        "library": "reference", "version": np.__version__, "own_environment": False, "state": "ready", "engine": None,
        "precisions": ["float64", "float32"], "cannot": {"bfloat16": "reference has no bfloat16"}, "to_do": None,
    }  # fmt: skip
    never = shown[-1]
    assert (never["library"], never["state"], never["version"]) == ("pylearn2", "cannot", None)
    assert "never released" in never["to_do"]


def test_libraries_adds_and_removes_only_what_has_an_environment_of_its_own(quintet, monkeypatch, tmp_path):
    monkeypatch.setenv("QUINTET_CACHE", str(tmp_path))
    for words, said in (
        (("add", "torch"), "environment of its own"),
        (("add", "theanoo"), 'did you mean "theano"?'),
        (("add", "pylearn2"), "cannot run here"),
    ):
        answer = quintet("libraries", *words)
        assert answer.code == 2
        assert said in answer.err
        assert len(answer.err.strip().splitlines()) == 1
    assert "was not here" in quintet("libraries", "remove", "theano").err
    examined = one_object(quintet("libraries", "doctor", "reference", "mxnet", "--json").out)["libraries"]
    assert [one["healthy"] for one in examined] == [True, False]
    assert "quintet libraries add mxnet" in examined[1]["finding"]


def test_data_commands(quintet, monkeypatch, tmp_path):
    monkeypatch.setenv("QUINTET_DATA", str(tmp_path))
    monkeypatch.setenv("QUINTET_CACHE", str(tmp_path / "cache"))
    shown = {row["name"]: row for row in one_object(quintet("data", "list", "--json").out)["datasets"]}
    assert shown["mnist"]["where"] is None
    assert shown["digits8x8"]["where"]
    assert quintet("data", "list").code == 0
    assert quintet("data", "where", "digits8x8").out.strip() == shown["digits8x8"]["where"]
    away = quintet("data", "where", "mnist")
    assert (away.code, away.out) == (1, "")
    assert "quintet data get mnist" in away.err
    assert one_object(quintet("data", "where", "mnist", "--json").out)["where"] is None
    assert quintet("data", "check", "digits8x8").code == 0
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"cut short")
    checked = quintet("data", "check", "mnist", "--json")
    assert checked.code == 1
    states = {row["name"]: row["state"] for row in one_object(checked.out)["files"]}
    assert states["t10k-labels-idx1-ubyte.gz"] == "corrupt"
    assert set(states.values()) == {"corrupt", "missing"}


def test_version_and_unknown_commands(quintet):
    assert quintet("--version").out.startswith("quintet 0.")
    said = quintet("compere", "digits")
    assert said.code == 2
    assert "compere" in said.err
    assert "Traceback" not in said.err


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """Return a bundle of the 8x8 digits, trained by the program itself with the reference."""
    folder = tmp_path_factory.mktemp("train")
    done = subprocess.run(
        [
            sys.executable, "-c", "from quintet.cli import main; main()", "train", "digits", "--library", "reference",
            "--seeds", "1", "--epochs", "3", "--threads", "1", "--data", "digits8x8", "--out", "model", "--json",
        ],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = one_object(done.stdout)
    assert said["bundle"] == "model/bundle"
    assert said["scores"]["accuracy"]["mean"] > 0.5
    assert "Training with reference, as asked." in done.stderr
    return folder / "model" / "bundle"


def test_a_trained_model_reads_the_page_that_the_program_writes(quintet, model, tmp_path):
    written = quintet("digits", "page", "page.png", "--data", "digits8x8", "--count", "12")
    assert written.code == 0
    assert sum(len(line) for line in written.out.split()) == 12
    said = quintet("digits", "read", "page.png", "--model", str(model), "--save", "drawn", "--json")
    assert said.code in (0, 1), said.err
    page = one_object(said.out)["pages"][0]
    found = page["digits"]
    assert said.code == (0 if any(d["digit"] is not None for d in found) else 1)
    assert len(found) >= 8
    assert (tmp_path / "drawn" / "page-read.png").stat().st_size > 1000


def test_the_newest_model_is_found_by_itself(quintet, model, tmp_path):
    shutil.copytree(model, tmp_path / "quintet-models" / "one" / "bundle")
    quintet("digits", "page", "page.png", "--data", "digits8x8", "--count", "4")
    said = quintet("digits", "read", "page.png")
    assert said.code in (0, 1)
    assert said.out.startswith("page.png:")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.png", b"this is no image"),
        ("empty.jpg", b""),
        ("cut.png", b"\x89PNG\r\n\x1a\n\x00\x00"),
        ("gone.png", None),
    ],
)
def test_an_image_that_is_none_is_told_in_one_line(quintet, model, tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    said = quintet("digits", "read", name, "--model", str(model))
    assert said.code == 2
    assert len(said.err.strip().splitlines()) == 1
    assert name in said.err


def test_a_blank_page_is_no_error_and_the_answer_is_no(quintet, model):
    import cv2

    cv2.imwrite("blank.png", np.full((400, 300), 255, np.uint8))
    said = quintet("digits", "read", "blank.png", "--model", str(model))
    assert said.code == 1
    assert "nothing found" in said.err


@pytest.mark.parametrize(
    "damage",
    [
        lambda bundle: (bundle / "weights.safetensors").write_bytes(b"nothing"),
        lambda bundle: (bundle / "reader.json").write_text("{"),
        lambda bundle: (bundle / "reader.json").write_text("[]"),
        lambda bundle: (bundle / "reader.json").unlink(),
        lambda bundle: (bundle / "familiarity.npz").unlink(),
        lambda bundle: (bundle / "familiarity.npz").write_bytes(b"PK\x03\x04nothing"),
    ],
)
def test_a_damaged_model_is_told_in_one_line(quintet, model, tmp_path, damage):
    shutil.copytree(model, tmp_path / "bundle")
    damage(tmp_path / "bundle")
    quintet("digits", "page", "page.png", "--data", "digits8x8", "--count", "4")
    said = quintet("digits", "read", "page.png", "--model", "bundle")
    assert said.code == 2, said
    assert len(said.err.strip().splitlines()) == 1
    assert "bundle" in said.err


FILE = """
system = "digits"
networks = ["survey"]
libraries = ["reference"]
data = "digits8x8"
seeds = 2
epochs = 0.2
threads = 1
repeats = 0
evaluations = 1
parity = false
max_load = 1.0
"""


def test_a_study_from_its_file_and_its_report(quintet, tmp_path):
    Path("small.toml").write_text(FILE)
    ran = quintet("study", "run", "small.toml", "--json")
    assert ran.code == 0, ran.err
    said = one_object(ran.out)
    assert said["folder"] == "quintet-results/small"
    row = said["networks"][0]["rows"][0]
    assert row["not_comparable"] == "the study left the ladder out"
    assert row["performance"]["energy_j"] is None or row["performance"]["energy_source"] == "measured:rapl"
    assert (tmp_path / said["report"]).read_text().startswith("<!")
    again = quintet("report", said["folder"])
    assert again.code == 0
    assert "Report:" in again.err
    assert again.out == ""
    Path("small.toml").write_text(FILE.replace("seeds = 2", "seeds = 3"))
    other = quintet("study", "run", "small.toml")
    assert other.code == 2
    assert "differs in seeds" in other.err


def test_an_unwritable_folder_is_one_line(quintet, tmp_path):
    Path("small.toml").write_text(FILE)
    Path("file").write_text("")
    said = quintet("study", "run", "small.toml", "--out", "file/study")
    assert said.code == 2
    assert said.err.strip().splitlines()[-1].startswith("quintet: received Not a directory")


def test_what_was_measured_best_is_used_and_impossible_limits_are_refused(quintet, tmp_path, monkeypatch):
    """A real study of the reference; then its ladder is written in as passed, for climbing it takes long."""
    Path("small.toml").write_text(FILE)
    assert quintet("study", "run", "small.toml").code == 0
    refused = quintet("train", "digits", "--library", "auto")
    assert refused.code == 2  # measured, but without a ladder nothing is comparable
    with Store(Path("quintet-results/small")) as store:
        ladder = {"network": "survey", "library": "reference", "precision": "float64", "passed": 1, "steps": 500}
        store.write("parity", [ladder])
    best = quintet("recommend", "digits", "--json")
    assert best.code == 0, best.err
    assert one_object(best.out)["library"] == "reference"
    assert quintet("recommend", "digits").out == "reference\n"
    for limit in (("--min-accuracy", "1.0"), ("--max-latency-ms", "0.000001"), ("--max-peak-mib", "1")):
        said = quintet("recommend", "digits", *limit)
        assert said.code == 2
        assert len(said.err.strip().splitlines()) == 1
    trained = quintet(
        "train",
        "digits",
        "--library",
        "auto",
        "--seeds",
        "1",
        "--epochs",
        "0.2",
        "--data",
        "digits8x8",
        "--threads",
        "1",
    )
    assert trained.code == 0, trained.err
    assert "quintet-results/small" in trained.err


def test_where_nothing_was_measured_auto_tries_each_library_and_says_so(quintet, monkeypatch):
    monkeypatch.setattr("quintet.quick_trial.TRIAL_S", 0.2)
    monkeypatch.setattr("quintet.quick_trial.installed", lambda: ["torch"])
    words = ("train", "digits", "--library", "auto", "--seeds", "1", "--epochs", "0.2", "--data", "digits8x8")
    trained = quintet(*words, "--threads", "1")
    assert trained.code == 0, trained.err
    said = " ".join(trained.err.split())
    assert "No study of survey was made here" in said
    assert "Training with torch in float32, the fastest in a 0.2-second trial" in said


def test_a_full_disk_under_a_worker_is_one_line_and_the_trial_is_not_recorded(quintet, monkeypatch, tmp_path):
    Path("small.toml").write_text(FILE)
    run = Local.run

    def full(self, job, timeout_s, cores=None):
        (job / "losses.npy.tmp").symlink_to("/dev/full")  # writing there fails as on a full disk
        return run(self, job, timeout_s, cores)

    monkeypatch.setattr(Local, "run", full)
    said = quintet("study", "run", "small.toml")
    assert said.code == 2
    assert "full disk" in said.err.strip().splitlines()[-1]
    with Store(Path("quintet-results/small")) as store:
        assert store.finished() == set()
    monkeypatch.setattr(Local, "run", run)
    assert quintet("study", "run", "small.toml").code == 0


def test_results_of_another_machine_are_refused(quintet, monkeypatch):
    Path("small.toml").write_text(FILE)
    assert quintet("study", "run", "small.toml").code == 0
    here = machine.describe()
    monkeypatch.setattr(machine, "describe", lambda: here | {"processor": "Another"})
    said = quintet("study", "run", "small.toml")
    assert said.code == 2
    assert "another machine" in said.err
