"""The rules of docs/architecture.md, held on the source itself."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
ADAPTERS = SOURCE / "quintet_worker" / "adapters"
FILES = sorted(SOURCE.rglob("*.py"))
WORKER = [path for path in FILES if path.is_relative_to(SOURCE / "quintet_worker")]
# what each adapter file may import besides numpy and the worker itself
OWN = {
    "torch": {"torch"},
    "jax": {"jax", "jaxlib"},
    "tensorflow": {"tensorflow"},
    "keras": {"keras"},
    "keras_engines": {"keras", "torch", "jax", "tensorflow"},
    "keras_parts": {"keras"},
    "mxnet": {"mxnet"},
    "theano": {"theano", "scipy"},
    "lasagne": {"lasagne", "theano"},
    "tflearn": {"tensorflow", "tflearn"},
}
LIBRARIES = ("torch", "jax", "jaxlib", "tensorflow", "keras", "mxnet", "theano", "lasagne", "tflearn")


def name(path: Path) -> str:
    return str(path.relative_to(SOURCE))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def belongs(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def test_there_is_something_to_check():
    assert len(FILES) > 60
    assert len(WORKER) > 15
    assert "quintet.errors" in set(imports(SOURCE / "quintet" / "store.py"))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_who_may_import_whom(path):
    found = set(imports(path))
    package = path.relative_to(SOURCE).parts[0]
    if package == "quintet":
        assert not [m for m in found if belongs(m, "quintet_systems")], "the core never imports a system"
    if package == "quintet_systems":
        assert not [m for m in found if belongs(m, "quintet_worker.adapters")], "a system never imports an adapter"
    if package != "quintet_worker":
        assert not [m for m in found if m.split(".")[0] in LIBRARIES], "libraries live in adapters"


@pytest.mark.parametrize("path", WORKER, ids=name)
def test_a_worker_is_standard_library_and_numpy_in_old_syntax(path):
    text = path.read_text()
    ast.parse(text, feature_version=(3, 6))
    assert "from __future__" not in text
    assert "dataclass" not in text
    allowed = {"numpy", "quintet_worker"} | (OWN.get(path.stem, set()) if path.parent == ADAPTERS else set())
    for module in imports(path):
        top = module.split(".")[0]
        assert top in allowed or top in sys.stdlib_module_names, f"{name(path)} imports {module}"


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_file_is_one_concept_with_a_purpose(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 500
    assert path.stem not in {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    purpose = ast.get_docstring(ast.parse(text))
    assert purpose, "no module docstring"
    assert "TODO" not in text
    assert not purpose.lower().startswith("placeholder")


def loaded(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys, json; print(json.dumps(sorted(sys.modules)))"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_an_adapter_loads_its_library_only_when_one_is_made():
    modules = [p.stem for p in ADAPTERS.glob("*.py") if "\nADAPTER = " in p.read_text()]
    assert len(modules) >= 5
    assert not set(LIBRARIES) & loaded(f"from quintet_worker.adapters import {', '.join(modules)}")


HEAVY = {*LIBRARIES, "numpy", "scipy", "sklearn", "matplotlib", "pydantic", "cv2", "rich", "jinja2", "pooch"}


def test_importing_quintet_loads_nothing_heavy():
    assert not HEAVY & loaded("import quintet")


def test_verifying_a_bundle_needs_no_numpy():
    found = loaded(
        "from quintet.bundle import PublicKey, copy_verified, verify; PublicKey(bytes(32)).fits(bytes(64), b'')"
    )
    assert "cryptography" in found
    assert not HEAVY & found


def test_making_a_network_needs_no_numpy():
    assert not HEAVY & loaded("from quintet import Net, Dense, SoftmaxCrossEntropy; Net(name='n', input_shape=(4,),"
                              " layers=(Dense(units=2),), loss=SoftmaxCrossEntropy())")  # fmt: skip


def test_the_command_line_starts_without_what_its_commands_need():
    assert not (HEAVY - {"rich"}) & loaded("import quintet.cli.app")


def test_running_studies_loads_no_library_into_this_process():
    code = "import quintet.schedule, quintet.results, quintet.training, quintet.report, quintet_systems.digits.reader"
    assert not set(LIBRARIES) & loaded(code)


def test_installed_libraries_are_found_without_importing_them():
    assert not set(LIBRARIES) & loaded("from quintet.environments import installed; installed()")
