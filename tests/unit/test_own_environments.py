"""Environments of their own, made for real from a package on disk: made, killed, made anew, removed; and each way to fail."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile

import pytest

from quintet import environments
from quintet.environments import own
from quintet.errors import EnvironmentUnavailable

HERE = "{}.{}".format(*sys.version_info)
SLOW = "import time; time.sleep(60)"  # a trial that a kill falls into


@pytest.fixture
def make_pins(tmp_path, monkeypatch):
    """Return a function that writes the pins of a made-up library "tiny", whose package is a wheel on disk."""
    monkeypatch.setenv("QUINTET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(own, "PINS", tmp_path / "pins")
    monkeypatch.setattr(own, "TRIAL", "import tiny, json; print(json.dumps({'tiny': tiny.__version__}))")
    folder = tmp_path / "pins" / "tiny"
    folder.mkdir(parents=True)

    def write(version: str = "1.0", python: str = HERE, requirement: str = "", more: str = "") -> own.Pins:
        wheel = tmp_path / f"tiny-{version}-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as file:
            information = f"tiny-{version}.dist-info"
            file.writestr("tiny.py", f"__version__ = '{version}'\n")
            file.writestr(f"{information}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
            file.writestr(f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            file.writestr(f"{information}/RECORD", "")
        (folder / "environment.toml").write_text(f'python = ["{python}"]\n{more}')
        (folder / "requirements.txt").write_text(requirement or f"{wheel}\n")
        own.pins.cache_clear()
        return own.pins("tiny")

    yield write
    own.pins.cache_clear()


def silent(line: str) -> None:
    """Show nothing."""


def test_every_library_has_pins_and_every_pin_is_exact():
    for name, found in environments.LIBRARIES.items():
        if found.retired:
            pins = own.pins(name)
            assert pins.cannot or pins.python
            for line in pins.requirements.splitlines():
                assert re.fullmatch(r"[\w.-]+==[\w.]+", line), f"{name}: {line}"
            assert pins.cannot or pins.version(found.distributions[0][0])


def test_made_known_again_and_removed(make_pins):
    pins = make_pins()
    assert own.state(pins) == "not installed"
    made = own.make(pins, silent)
    assert made["versions"] == {"tiny": "1.0"}
    assert own.state(pins) == "ready"
    done = subprocess.run(
        [own.python_in(pins.folder), "-c", "import tiny, quintet_worker, sys; print(tiny.__version__, sys.prefix)"],
        env=own.variables(pins, pins.folder), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["1.0", str(pins.folder)]
    assert own.remove(pins)
    assert own.state(pins) == "not installed"
    assert not own.remove(pins)


def test_its_packages_are_its_own(make_pins):
    pins = make_pins()
    own.make(pins, silent)
    done = subprocess.run(
        [own.python_in(pins.folder), "-c", "import numpy"], env=own.variables(pins, pins.folder), capture_output=True
    )
    assert done.returncode, "numpy, which only Quintet's own environment has, can be imported"


def test_changed_pins_make_it_outdated_and_it_is_made_anew(make_pins):
    own.make(make_pins("1.0"), silent)
    changed = make_pins("1.1")
    assert own.state(changed) == "outdated"
    assert own.make(changed, silent)["versions"] == {"tiny": "1.1"}
    assert own.state(changed) == "ready"


def test_an_outdated_one_that_cannot_be_made_anew_is_told_and_left_out(make_pins, monkeypatch):
    tiny = environments.Library(name="tiny", distributions=(("tiny",),))
    monkeypatch.setattr(environments, "LIBRARIES", {**environments.LIBRARIES, "tiny": tiny})
    own.make(make_pins("1.0"), silent)
    make_pins(requirement="there-is-none==1.0\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert environments.chosen(["tiny"]) == ["tiny"]  # it may yet be made anew
    told = environments.refresh(["reference", "tiny"], silent)
    assert set(told) == {"tiny"}
    assert "No matching distribution" in told["tiny"]
    assert tiny.state == "outdated"
    with pytest.raises(EnvironmentUnavailable, match="other pins than today's"):
        environments.interpreter("tiny")
    make_pins("1.1")
    assert environments.refresh(["tiny"], silent) == {}
    assert tiny.state == "ready"


def test_pips_cache_may_be_switched_off(make_pins, monkeypatch):
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    assert own.make(make_pins(), silent)["versions"] == {"tiny": "1.0"}


def test_a_lost_python_is_seen(make_pins):
    pins = make_pins()
    own.make(pins, silent)
    own.python_in(pins.folder).unlink()
    assert own.state(pins) == "broken"


def test_a_kill_leaves_none_or_the_old_one_and_the_next_start_makes_it(make_pins):
    own.make(make_pins("1.0"), silent)
    pins = make_pins("1.1")
    code = (
        "from pathlib import Path; from quintet.environments import own;"
        f"own.PINS = Path({str(own.PINS)!r}); own.TRIAL = {SLOW!r}; own.make(own.pins('tiny'), print)"
    )
    with subprocess.Popen([sys.executable, "-uc", code], stdout=subprocess.PIPE, text=True) as process:
        lines = process.stdout or ()
        assert any("trying" in line for line in lines), "it ended before it tried what it had installed"
        process.send_signal(signal.SIGKILL)
    assert own.state(pins) == "outdated"  # the old one, whole
    assert own.make(pins, silent)["versions"] == {"tiny": "1.1"}
    assert sorted(p.name for p in own.folder().iterdir()) == ["tiny", "tiny.lock", "tiny.log", "worker"]


def test_two_at_once_is_refused(make_pins):
    pins = make_pins()
    with own._locked(pins), pytest.raises(EnvironmentUnavailable, match="another process is making"):
        own.make(pins, silent)


def test_a_missing_interpreter_names_the_command_that_brings_it(make_pins):
    with pytest.raises(EnvironmentUnavailable, match=r"expected Python 3\.5 .* type: pyenv install 3\.5"):
        own.make(make_pins(python="3.5"), silent)
    assert own.how_to_get_python("3.11").startswith("uv python install 3.11")


def test_pyenvs_folder_is_searched_and_a_shim_that_does_not_start_is_passed_over(tmp_path, monkeypatch):
    shim, there = tmp_path / "python9.9", tmp_path / "versions" / "9.9.1" / "bin" / "python"
    there.parent.mkdir(parents=True)
    shim.write_text("#!/bin/sh\nexit 127\n")
    there.write_text("#!/bin/sh\necho 9.9\n")
    for path in (shim, there):
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    assert own.find_python(("9.9",)) == there


def test_no_such_package_or_no_network_is_one_line_with_the_installers_word(make_pins, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(EnvironmentUnavailable, match="No matching distribution found") as caught:
        own.make(make_pins(requirement="there-is-none==1.0\n"), silent)
    assert "\n" not in str(caught.value)
    assert "quintet libraries add tiny" in str(caught.value)
    assert own.state(own.pins("tiny")) == "not installed"


def test_a_full_disk_is_one_line(make_pins, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    pins = make_pins()
    monkeypatch.setattr(own, "_install", full)
    with pytest.raises(EnvironmentUnavailable, match=r"No space left on device while making .* free some space"):
        own.make(pins, silent)
    said = "Collecting a\nOSError: [Errno 28] No space left on device\nERROR: Could not install\n"
    assert own.reason(said) == "OSError: [Errno 28] No space left on device"


def test_what_cannot_be_imported_is_not_put_in_place(make_pins, monkeypatch):
    pins = make_pins()
    monkeypatch.setattr(own, "TRIAL", "raise ImportError('libfoo.so is missing')")
    with pytest.raises(EnvironmentUnavailable, match=r"libfoo\.so is missing"):
        own.make(pins, silent)
    assert own.state(pins) == "not installed"


def test_what_cannot_be_made_anywhere_says_why(make_pins):
    pins = make_pins(more='cannot = "it was never released"')
    assert own.state(pins) == "cannot"
    with pytest.raises(EnvironmentUnavailable, match="cannot run here: it was never released"):
        own.make(pins, silent)


def test_all_names_every_library_and_installed_those_that_are_ready(monkeypatch):
    names = environments.chosen(["all"])
    assert set(names) == set(environments.LIBRARIES) - {"reference"}
    assert environments.chosen(["installed"]) == environments.installed()
    assert environments.chosen(["torch", "installed", "torch"])[0] == "torch"
    with pytest.raises(EnvironmentUnavailable, match="pylearn2"):
        environments.chosen(["pylearn2"])


def test_a_record_is_plain_json(make_pins):
    pins = make_pins()
    own.make(pins, silent)
    record = json.loads((pins.folder / own.RECORD).read_text())
    assert record["python"].startswith(HERE)
    assert record["digest"] == pins.digest
    assert time.strptime(record["made"][:10], "%Y-%m-%d")
