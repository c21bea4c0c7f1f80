"""Exports on an emulated 64-bit Arm board: int8 answers as here bit for bit, every label the same.

The root of the emulated machine is built in the user's cache by the first test that needs it, from the package registries that
this machine's apt and pip are set up with. In CI a missing qemu is a failure; elsewhere these tests are skipped without it.
"""

import json

import numpy as np
import pytest

from quintet.bundle import Bundle, read_bundle, write_bundle
from quintet.emulation import EMULATED, Agreement, compare_on_arm64
from quintet.errors import BundleError, EnvironmentUnavailable
from quintet.export import export_bundle
from quintet.layers import Dense, Flatten, Rescale
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.runtimes import NumpyPredictor, export_file
from quintet.system import load_system
from quintet_systems.pets.networks import NETWORKS

INT8 = [("litert", "int8"), ("onnxruntime", "int8")]


@pytest.fixture(scope="module")
def residual(tmp_path_factory):
    """Return a bundle of the pets system's smallest residual net with made-up weights, and samples for it."""
    rng = np.random.default_rng(8)
    net = NETWORKS["nano"]((24, 24, 3), 3).net
    assert isinstance(net, Net)
    low = {"kernel": -0.3, "bias": -0.5, "scale": 0.6, "offset": -0.3, "mean": -0.5, "variance": 0.5}
    high = {"kernel": 0.3, "bias": 0.5, "scale": 1.4, "offset": 0.3, "mean": 0.5, "variance": 2.0}
    weights = {p.name: rng.uniform(low[p.role], high[p.role], p.shape).astype(np.float32) for p in net.parameters()}
    bundle = Bundle(net=net, weights=weights, labels=["a", "b", "c"], card={})
    folder = write_bundle(tmp_path_factory.mktemp("arm") / "bundle", bundle)
    x = rng.integers(0, 256, (60, 24, 24, 3)).astype(np.uint8)
    y = NumpyPredictor(read_bundle(folder))(x).argmax(1)
    export_bundle(folder, ["litert", "onnx"], ["float32", "int8"], x, x, y, margin=1.0)
    return folder, x


@pytest.mark.emulated
@pytest.mark.parametrize("board", ["pi3", "pi5"])  # without and with instructions for int8 dot products
def test_int8_is_equal_bit_for_bit_and_float32_has_the_same_labels(residual, board):
    folder, x = residual
    exports = INT8 if board == "pi5" else [*INT8, ("litert", "float32")]
    found = compare_on_arm64(folder, x, exports, board)
    assert [(one.runtime, one.precision) for one in found] == exports
    for one in found:
        assert one.failure == ""
        assert one.machine == "aarch64"
        assert one.n == len(x)
        assert one.labels_equal
        assert one.bits_equal or one.precision == "float32"
        assert one.largest_difference <= 1e-5 * one.largest_output
        assert one.holds


@pytest.mark.emulated
def test_what_the_board_cannot_run_is_said_and_does_not_hold(residual, monkeypatch):
    folder, x = residual
    monkeypatch.setattr("quintet.emulation.arm.GUEST", ["-c", "raise SystemExit('no such instruction')"])
    (one,) = compare_on_arm64(folder, x[:4], INT8[:1])
    assert "no such instruction" in one.failure
    assert not one.labels_equal
    assert not one.holds


@pytest.mark.emulated
def test_what_is_not_exported_is_refused_here_already(residual):
    folder, x = residual
    with pytest.raises(BundleError, match="openvino, int8, which this machine itself cannot run"):
        compare_on_arm64(folder, x[:4], [("openvino", "int8")])


@pytest.mark.emulated
def test_the_command_compares_a_bundle_on_its_own_test_set(quintet, tmp_path):
    arrays = load_system("digits").prepare("digits8x8").arrays
    x = arrays["train_x"].reshape(len(arrays["train_x"]), -1) / 255
    kernel, *_ = np.linalg.lstsq(x.T @ x + np.eye(64), x.T @ np.eye(10)[arrays["train_y"]], rcond=None)
    layers = (Rescale(scale=1 / 255), Flatten(), Dense(units=10))
    net = Net(name="linear", input_shape=(8, 8, 1), layers=layers, loss=SoftmaxCrossEntropy())
    weights = {"dense1.kernel": kernel.astype(np.float32), "dense1.bias": np.zeros(10, np.float32)}
    card = {"system": "digits", "data": {"name": "digits8x8"}}
    folder = write_bundle(
        tmp_path / "bundle", Bundle(net=net, weights=weights, labels=[str(n) for n in range(10)], card=card)
    )
    assert quintet("export", str(folder), "--to", "litert", "--precision", "int8").code == 0
    assert export_file(folder, "litert", "int8").exists()
    said = quintet("profile", str(folder), "--emulate", "arm64", "--samples", "50", "--board", "pi4", "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    (one,) = record["boards"]["pi4"]
    assert record["samples"] == one["n"] == 50
    assert one["labels_equal"]
    assert one["bits_equal"]
    assert one["largest_output"] > 0.1


def agreement(**changes):
    usual = {"runtime": "litert", "precision": "int8", "n": 9, "same_labels": 9, "same_bits": 9, "largest_difference": 0.0,
             "largest_output": 1.0, "machine": "aarch64"}  # fmt: skip
    return Agreement(**(usual | changes))


def test_when_an_agreement_holds():
    assert agreement().holds
    assert not agreement(same_bits=8).holds
    assert not agreement(same_labels=8, same_bits=8).holds
    assert agreement(precision="float32", same_bits=0).holds
    assert not agreement(precision="float32", same_labels=8, same_bits=0).holds
    assert not agreement(failure="exit code 1").holds


def test_each_board_says_what_its_processor_can():
    said = {name: board.cpuinfo() for name, board in EMULATED.items()}
    assert all(text.count("processor\t: ") == 4 for text in said.values())
    assert {name for name, text in said.items() if "asimddp" in text} == {"pi5"}
    assert len({board.cpu for board in EMULATED.values()}) == len({board.part for board in EMULATED.values()}) == 3


def test_without_qemu_it_says_what_to_type(residual, monkeypatch):
    folder, x = residual
    monkeypatch.setenv("PATH", "")
    with pytest.raises(EnvironmentUnavailable, match="apt-get install qemu-user-static"):
        compare_on_arm64(folder, x[:4], INT8)
