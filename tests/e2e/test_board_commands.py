"""`quintet pets watch` as it is typed: a quick start, its options in the docs, its errors in one line; and the unit."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from board_bundles import make_bundle, picture_bytes
from typer.testing import CliRunner

from quintet.errors import DataError
from quintet_systems.pets.board.commands import mount
from quintet_systems.pets.board.unit import unit
from quintet_systems.pets.board.watch import main, parser

ROOT = Path(__file__).parents[2]
NEVER = {"scipy", "sklearn", "matplotlib", "typer", "rich", "pydantic", "torch", "tensorflow", "jax", "keras", "cv2",
         "paho", "cryptography", "safetensors", "http.server", "urllib.request", "quintet.network", "quintet.job"}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for version in (1, 2):
        make_bundle(folder / f"v{version}", folder / "key.pem", version=version)
    (folder / "dark.jpg").write_bytes(picture_bytes(3))
    return folder


@pytest.fixture
def quick(tmp_path) -> dict[str, str]:
    """Return an environment in which the entry point is installed, as pip installs it."""
    declared = re.search(r'entry-points."quintet.quick"]\n(.*)\n', (ROOT / "pyproject.toml").read_text())
    assert declared
    record = tmp_path / "site" / "quick_test-1.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Metadata-Version: 2.1\nName: quick-test\nVersion: 1\n")
    (record / "entry_points.txt").write_text("[quintet.quick]\n" + declared.group(1).replace('"', "") + "\n")
    path = os.pathsep.join([*filter(None, sys.path), str(record.parent)])
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def type_in(quick: dict[str, str], *arguments: str, code: str = "") -> "subprocess.CompletedProcess[str]":
    program = f"from quintet.cli import main; main(){code}"
    return subprocess.run(
        [sys.executable, "-c", program, "pets", "watch", *arguments],
        env=quick,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_first_label_comes_without_what_it_does_not_need(tmp_path, made, quick):
    """What is loaded when the first label is printed: not the command line, no training library, nothing of the network."""
    code = """
import json, sys
from quintet_systems.pets.board import watch
honest = watch._Reporter.show
def show(self, result):
    honest(self, result)
    print(json.dumps(sorted(sys.modules)))
watch._Reporter.show = show
from quintet.cli import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "pets", "watch", "--source", str(made / "dark.jpg"), "--bundle", str(made / "v1"),
         "--state", str(tmp_path / "state"), "--once", "--page", "0"],
        env=quick, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    label, modules = done.stdout.splitlines()
    assert label == "dark.jpg: dark (100.0 % dark)"
    assert "ai_edge_litert.interpreter" in modules
    assert NEVER.isdisjoint(json.loads(modules))


def test_errors_are_one_line_and_code_2(tmp_path, made, quick):
    for arguments, told in (
        (("--source", "nowhere", "--bundle", str(made / "v1")), "expected a folder, a picture"),
        (("--source", str(made / "dark.jpg")), "quintet pets update"),
        (("--source", str(made / "dark.jpg"), "--mqtt", "broker"), "expected mqtt://"),
        (("--source", str(made / "dark.jpg"), "--http", "ftp://x"), "expected http://"),
        (("--source", str(made / "dark.jpg"), "--threads", "0"), "at least 1 thread"),
        (("--source", str(made / "dark.jpg"), "--runtime", "tflite"), 'did you mean "litert"'),
        (("--source", str(made / "dark.jpg"), "--precision", "int4"), "int8"),
        (("--source", str(made / "dark.jpg"), "--runtime", "numpy", "--precision", "int8"), "float32 only"),
        (("--source", str(made / "dark.jpg"), "--bundle", str(tmp_path / "none")), "has no bundle.json"),
        (("--source", str(made / "dark.jpg"), "--smaller", str(tmp_path / "none")), "has no bundle.json"),
        (("--source", str(made / "dark.jpg"), "--trust", str(tmp_path / "none.pub")), "none.pub"),
    ):
        done = type_in(quick, *arguments, "--state", str(tmp_path / "state"), "--once")
        assert done.returncode == 2
        assert done.stderr.startswith("quintet: received")
        assert told in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_a_bundle_that_does_not_open_is_safe_mode_and_once_says_no(tmp_path, made, quick):
    spoilt = tmp_path / "spoilt"
    shutil.copytree(made / "v1", spoilt)
    (spoilt / "exports" / "litert-int8.tflite").write_bytes(b"")
    done = type_in(
        quick, "--source", str(made / "dark.jpg"), "--bundle", str(spoilt), "--state", str(tmp_path), "--once"
    )
    assert done.returncode == 1
    assert "safe mode" in done.stderr
    assert "truncated" in done.stderr


@pytest.fixture
def app() -> typer.Typer:
    """Return an application as the pets have one."""
    app = typer.Typer(rich_markup_mode=None)
    mount(app)
    return app


def test_update_watch_rollback_as_typed(tmp_path, made, app, capfd):
    state = str(tmp_path / "state")
    trust = ["--trust", str(made / "key.pub")]
    run = CliRunner()
    first = run.invoke(app, ["update", str(made / "v1"), "--state", state, *trust], catch_exceptions=False)
    assert "Version 1 in slot A: 16 recorded answers within 0" in first.output
    second = run.invoke(app, ["update", str(made / "v2"), "--state", state, *trust], catch_exceptions=False)
    assert "Version 2 in slot B" in second.output
    watched = ["watch", "--source", str(made / "dark.jpg"), "--state", state, *trust, "--once", "--page", "0"]
    seen = run.invoke(app, watched, catch_exceptions=False)
    assert seen.exit_code == 0
    assert "dark.jpg: dark" in seen.output
    back = run.invoke(app, ["rollback", "--state", state], catch_exceptions=False)
    assert "Slot A runs now." in back.output


def test_every_option_of_watch_is_documented_and_has_help():
    text = (ROOT / "docs" / "board.md").read_text()
    options = [action for action in parser()._actions if action.dest != "help"]
    assert len(options) > 15
    assert [o.dest for o in options if not o.help] == []
    assert [o.option_strings[0] for o in options if f"`{o.option_strings[0]}`" not in text] == []


def test_the_unit_is_whole(tmp_path):
    text = unit("camera:1", '--mqtt "mqtt://b/a b%20c"', program="/bin/true")
    assert "ExecStart=/bin/true pets watch --source camera:1 " in text
    assert "--mqtt 'mqtt://b/a b%%20c'" in text  # a percent sign is systemd's own
    assert "@" not in re.sub(r"SystemCallFilter=@system-service", "", text)
    for line in (
        "Type=notify",
        "WatchdogSec=60",
        "ProtectSystem=strict",
        "StateDirectory=quintet-pets",
        "StartLimitBurst=20",
    ):
        assert line in text.splitlines()
    arguments = re.search(r"pets watch (.*)", text)
    assert arguments
    import shlex

    parser().parse_args([word.replace("%%", "%") for word in shlex.split(arguments.group(1))])
    if shutil.which("systemd-analyze"):
        (tmp_path / "quintet-pets.service").write_text(text)
        checked = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", str(tmp_path / "quintet-pets.service")],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "quintet-pets.service" not in checked.stderr, checked.stderr


@pytest.mark.parametrize(
    ("source", "options", "told"),
    [
        ("rtsp://viewer:hunter2@camera.example/live", "", "QUINTET_SOURCE_PASSWORD"),
        ("camera", "--mqtt mqtt://someone:hunter2@broker.example/x", "QUINTET_MQTT_PASSWORD"),
        ("camera", "--foo 1", "does not take"),
        ("camera", "--mqtt 'x", "as in a shell"),
        ("camera", "--state /elsewhere", "the unit says it"),
        ("photos", "", "expected a path from / on"),
        ("camera", "--trust maker.pub", "expected a path from / on"),
    ],
)
def test_a_unit_that_could_not_work_is_refused(source, options, told):
    with pytest.raises(DataError) as refused:
        unit(source, options)
    assert told in str(refused.value)
    assert "hunter2" not in str(refused.value)


def test_once_says_why_nothing_was_classified(tmp_path, made, quick):
    arguments = ("--bundle", str(made / "v1"), "--state", str(tmp_path / "state"), "--once", "--page", "0")
    folder = tmp_path / "pictures"
    folder.mkdir()
    empty = type_in(quick, "--source", str(folder), *arguments)
    assert empty.returncode == 1
    assert "nothing was classified" in empty.stderr
    assert "holds no picture" in empty.stderr
    shutil.copy(made / "dark.jpg", folder)
    assert type_in(quick, "--source", str(folder), *arguments).returncode == 0
    again = type_in(quick, "--source", str(folder), *arguments)
    assert again.returncode == 1
    assert "all 1 pictures" in again.stderr
    nobody = type_in(quick, "--source", str(made / "dark.jpg"), *arguments, "--http", "http://127.0.0.1:9/")
    assert nobody.returncode == 1  # classified, and not sent
    assert nobody.stdout == "dark.jpg: dark (100.0 % dark)\n"
    assert "2 results wait" in nobody.stderr
    assert "refused" in nobody.stderr


def test_help_ends_well(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "--source" in capsys.readouterr().out
