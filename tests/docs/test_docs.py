"""The documentation is true: commands, settings, links, formulas and examples."""

import doctest
import importlib
import pkgutil
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import quintet
from quintet.layers import ACTIVATIONS, LAYER_TYPES
from quintet.losses import LOSS_TYPES
from quintet.study import Study
from quintet.system import load_system, system_names

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")])
COMMANDS_IN = [page for page in PAGES if page.name != "CHANGELOG.md"]


def walk(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that can be typed, with its full name."""
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from walk(inner, f"{path} {name}")
    else:
        yield path, command


def all_commands() -> dict[str, Any]:
    from quintet.cli.app import app

    found = dict(walk(typer.main.get_command(app), "quintet"))
    for name in system_names():
        found |= dict(walk(typer.main.get_command(load_system(name).commands()), f"quintet {name}"))
    return {name: command for name, command in found.items() if name.split()[-1] not in system_names()}


@pytest.mark.parametrize("name", sorted(all_commands()))
def test_every_command_is_documented(name: str) -> None:
    text = "\n".join(page.read_text() for page in COMMANDS_IN)
    group = name.split()[1]
    # A group's commands may stand together, as in "quintet data list|get|where|check" or "`list`, `where NAME`".
    together = len(name.split()) == 3 and re.search(rf"`(quintet {group} )?[^`]*\b{name.split()[-1]}\b[^`]*`", text)
    assert name in text or together, f"{name} stands in no page of the docs"


@pytest.mark.parametrize("name", sorted(all_commands()))
def test_every_command_and_option_has_help(name: str) -> None:
    command = all_commands()[name]
    assert command.help, f"{name} does not say what it does"
    for parameter in command.params:
        if parameter.name != "help":
            assert getattr(parameter, "help", None), f"{name}: {parameter.name} has no help"


def test_every_documented_command_exists() -> None:
    known = all_commands()
    groups = {" ".join(name.split()[:-1]) for name in known}
    for page in COMMANDS_IN:
        for line in re.findall(r"^(?: {4}|```\n)(quintet [a-z].*)$", page.read_text(), flags=re.M):
            words = re.match(r"quintet( [a-z][a-z-]*)+", line)
            assert words
            parts = words.group(0).split()
            tried = [" ".join(parts[:n]) for n in (2, 3)]
            assert any(one in known or one in groups for one in tried), f"{page.name}: {line}"


@pytest.mark.parametrize("key", sorted(Study.model_fields))
def test_every_study_key_is_documented(key: str) -> None:
    assert f"| `{key}` |" in (ROOT / "docs/studies.md").read_text()


def test_every_layer_loss_and_activation_is_documented() -> None:
    text = (ROOT / "docs/networks.md").read_text()
    names = [cls.__name__ for cls in (*LAYER_TYPES.values(), *LOSS_TYPES.values())]
    assert [name for name in (*names, *ACTIVATIONS) if name not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}, which is not there"


def test_the_architecture_names_every_module_of_the_core() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    modules = [path.name for path in (ROOT / "src/quintet").glob("*.py") if path.name != "__init__.py"]
    folders = [f"{path.parent.name}/" for path in (ROOT / "src/quintet").glob("*/__init__.py")]
    workers = [path.name for path in (ROOT / "src/quintet_worker").glob("*.py") if path.name != "__init__.py"]
    assert [name for name in (*modules, *folders, *workers) if name not in text] == []


def test_make_targets_are_documented_where_they_stand() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.search(r"^\.PHONY: (.*)$", makefile, flags=re.M).group(1).split():  # type: ignore[union-attr]
        assert re.search(rf"^{target}:.*## ", makefile, flags=re.M), f"make {target} does not say what it is for"


def modules() -> list[str]:
    packages = (quintet, importlib.import_module("quintet_systems"))
    return sorted(m.name for p in packages for m in pkgutil.walk_packages(p.__path__, f"{p.__name__}."))


@pytest.mark.parametrize("name", modules())
def test_examples_run(name: str) -> None:
    failures, _ = doctest.testmod(importlib.import_module(name))
    assert failures == 0


def test_nothing_of_one_machine_is_committed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    bad = [
        name
        for name in tracked
        if not name.startswith("tests/")
        and (ROOT / name).suffix in {".py", ".md", ".toml", ".txt", ".yaml", ".sql"}
        and re.search(r"(?<![\w.])/(root|home/\w+|work)/", (ROOT / name).read_text())
    ]
    assert bad == []
