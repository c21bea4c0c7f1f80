"""Libraries and machines: what is here, what to type where something is not, and how a machine is known again."""

import json

import pytest

from quintet import environments, errors, machine
from quintet.errors import EnvironmentUnavailable, QuintetError, StudyError, nearest
from quintet_worker.adapters import ADAPTERS


def test_every_library_has_an_adapter_and_the_other_way_round():
    cannot = {name for name, found in environments.LIBRARIES.items() if found.state == "cannot"}
    assert set(environments.LIBRARIES) - cannot == set(ADAPTERS)


def test_an_unknown_library_is_answered_with_the_nearest():
    with pytest.raises(StudyError, match=r'library "tensorflw", .* did you mean "tensorflow"'):
        environments.library("tensorflw")


@pytest.fixture
def without(monkeypatch):
    """Return a function that takes distributions away."""
    real = environments._version

    def take(*names: str) -> None:
        monkeypatch.setattr(environments, "_version", lambda d: None if d in names else real(d) or "1.0")

    return take


def test_a_library_that_is_not_installed_says_what_to_type(without):
    without("torch")
    with pytest.raises(EnvironmentUnavailable, match=r'python -m pip install -e "\.\[torch\]"'):
        environments.require("torch")
    assert environments.require("jax").name == "jax"
    assert environments.installed()[:4] == ["jax", "tensorflow", "keras-tensorflow", "keras-jax"]


def test_a_library_needs_all_that_it_stands_on_and_any_of_its_names(without):
    without("jaxlib", "tensorflow-cpu")
    assert environments.library("jax").version is None
    assert environments.library("tensorflow").version is not None
    without("tensorflow", "tensorflow-cpu")
    assert environments.library("keras-tensorflow").version is None


def test_the_reference_is_always_here_and_never_counted_as_installed():
    assert environments.require("reference").version
    assert "reference" not in environments.installed()


def test_the_nearest_name_or_all_of_them():
    assert nearest("tourch", ["torch", "jax"]) == 'did you mean "torch"? Known: jax, torch'
    assert nearest("zzz", ["torch", "jax"]) == "Known: jax, torch"


def test_every_error_is_one_of_the_tree_and_is_drawn_there():
    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)]
    assert len(kinds) == 10
    for kind in kinds:
        assert issubclass(kind, QuintetError)
        assert kind.__name__ in (errors.__doc__ or "")


def test_a_machine_is_known_again_and_another_one_is_not():
    described = machine.describe()
    assert machine.fingerprint(json.loads(json.dumps(described))) == machine.fingerprint(machine.describe())
    for key in ("processor", "cores", "python", "system"):
        assert machine.fingerprint(described | {key: "another"}) != machine.fingerprint(described)


def test_a_machine_is_described_without_names_or_addresses():
    import getpass
    import socket

    text = json.dumps(machine.describe())
    assert socket.gethostname() not in text
    assert f'"{getpass.getuser()}"' not in text


def test_the_load_is_a_share():
    assert 0 <= machine.other_load(0.01) <= 1
    assert machine.cores()
