"""What a profile counts, predicts and chooses; no timing is asserted."""

import json
from dataclasses import dataclass, field
from math import prod

import numpy as np
import pytest

from quintet.bundle import Bundle, write_bundle
from quintet.errors import BundleError
from quintet.export.fold import fold
from quintet.export.graph import Convolution, Product
from quintet.layers import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    GlobalAveragePool,
    MaxPool,
    Rescale,
    Residual,
)
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.profiling.boards import BOARDS, predict
from quintet.profiling.measuring import default_file, read_profile
from quintet.profiling.probing import interleaved
from quintet.profiling.work import Work, work_of
from quintet.runtimes import choose, chosen, export_file, measure
from quintet.runtimes.choosing import Choice, remember, usual


def net_of(*layers, shape=(9, 7, 3)):
    return Net(name="net", input_shape=shape, layers=layers, loss=SoftmaxCrossEntropy())


BRANCHED = net_of(
    Rescale(scale=1 / 255), Conv(filters=6, stride=(2, 2)), BatchNorm(), Activation(kind="relu"),
    Residual(
        layers=(Conv(filters=8, kernel=(3, 1)), BatchNorm(), Activation(kind="relu"), Conv(filters=8, bias=False), BatchNorm()),
        shortcut=(Conv(filters=8, kernel=(1, 1), bias=False), BatchNorm()),
    ),
    MaxPool(), Conv(filters=5, kernel=(2, 2), padding="valid"), GlobalAveragePool(), Dense(units=4),
)  # fmt: skip


def test_multiply_adds_by_hand():
    # 5x4 places of 3x3x3x6; in the residual 3x1x6x8, 3x3x8x8 and 1x1x6x8; 1x1 place of 2x2x8x5; 5x4
    expected = 20 * 162 + 20 * 144 + 20 * 576 + 20 * 48 + 160 + 20
    work = work_of(BRANCHED)
    assert work.multiply_adds == expected
    assert work.layers == 6
    assert work.kernel_values == 162 + 144 + 576 + 48 + 160 + 20
    assert work.bias_values == 6 + 8 + 8 + 8 + 5 + 4
    assert work.weight_bytes("float32") == 4 * (work.kernel_values + work.bias_values)
    assert work.weight_bytes("int8") == work.kernel_values + 4 * work.bias_values


def test_the_exported_graph_does_as_many():
    rng = np.random.default_rng(3)
    weights = {p.name: rng.uniform(0.5, 1.5, p.shape).astype(np.float32) for p in BRANCHED.parameters()}
    nodes = fold(BRANCHED, weights).nodes
    total = sum(
        node.operation.kernel.size * prod(node.shape[:-1])
        for node in nodes
        if isinstance(node.operation, Convolution | Product)
    )
    assert total == work_of(BRANCHED).multiply_adds


def test_a_network_without_weights_takes_nothing():
    assert work_of(net_of(Rescale(scale=1.0), Flatten())) == Work(
        multiply_adds=0, kernel_values=0, bias_values=0, layers=0
    )


ANCHORS = [
    (board, precision, anchor)
    for board, known in BOARDS.items()
    for precision, anchors in known.anchors.items()
    for anchor in anchors
]


def large(multiply_adds):
    return Work(multiply_adds=int(multiply_adds), kernel_values=1000, bias_values=10, layers=5)


@pytest.mark.parametrize(("board", "precision", "anchor"), ANCHORS)
def test_a_published_network_lies_in_its_own_range(board, precision, anchor):
    found = predict(large(anchor.multiply_adds), board, precision, threads=4)
    assert found.low_ms * 0.999 <= anchor.ms <= found.high_ms * 1.001


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_fewer_cores_more_work_and_more_weights_take_longer(board, precision):
    one, two, four = (predict(large(2e8), board, precision, n) for n in (1, 2, 4))
    assert one.low_ms > two.low_ms > four.low_ms
    assert one.high_ms > two.high_ms > four.high_ms
    assert predict(large(4e8), board, precision, 4).low_ms == pytest.approx(2 * four.low_ms)
    heavy = Work(multiply_adds=10_000, kernel_values=20_000_000, bias_values=0, layers=1)
    read = 1e3 * heavy.weight_bytes(precision) / BOARDS[board].memory_rated
    found = predict(heavy, board, precision)
    assert found.low_ms == pytest.approx(read)  # nothing but the weights counts
    assert found.high_ms > read


def test_a_small_network_is_given_a_wider_range_and_a_pi_5_is_faster_than_a_pi_3():
    small, great = predict(large(1e6), "pi4", "int8"), predict(large(1e9), "pi4", "int8")
    assert small.high_ms / small.low_ms == pytest.approx(3 * great.high_ms / great.low_ms)
    assert predict(large(1e9), "pi5", "int8").high_ms < predict(large(1e9), "pi3", "int8").low_ms


def test_a_prediction_says_that_it_is_one():
    sentence = predict(large(1e7), "pi3", "int8", 2).sentence
    assert "Raspberry Pi 3, int8, 2 cores" in sentence
    assert "prediction" in sentence
    assert "not a measurement" in sentence


@pytest.mark.parametrize(("board", "threads", "words"), [("pi6", 1, "pi5"), ("pi4", 5, "1 to 4"), ("pi4", 0, "1 to 4")])
def test_what_cannot_be_predicted(board, threads, words):
    with pytest.raises(BundleError, match=words):
        predict(large(1e7), board, "int8", threads)


@dataclass
class Seen:
    """A measured setting, made up."""

    runtime: str
    precision: str
    p50_ms: float
    threads: int = 1
    kept: bool = True
    cold_ms: dict = field(default_factory=lambda: {"total_ms": 300.0})


ROWS = [
    Seen("openvino", "int8", 0.9, cold_ms={"total_ms": 700.0}),
    Seen("litert", "int8", 1.0),
    Seen("litert", "int8", 0.8, threads=2),
    Seen("onnxruntime", "int8", 0.5, kept=False),
    Seen("onnxruntime", "float32", 0.6),
]


def test_the_fastest_that_kept_its_accuracy_is_chosen(tmp_path):
    assert choose(tmp_path, ROWS) == Choice("onnxruntime", "float32", 1)
    assert choose(tmp_path, ROWS, precision="int8") == Choice("litert", "int8", 2)
    assert choose(tmp_path, ROWS, precision="int8", threads=1) == Choice("openvino", "int8", 1)
    assert choose(tmp_path, ROWS, precision="int8", threads=1, start_ms=600) == Choice("litert", "int8", 1)
    assert choose(tmp_path, ROWS[:2], start_ms=10).runtime == "litert", "none is quick enough: the quickest"
    alike = [Seen("litert", "int8", 1.0, threads=2), Seen("litert", "int8", 1.0)]
    assert choose(tmp_path, alike).threads == 1
    with pytest.raises(BundleError, match="quintet profile"):
        choose(tmp_path, [ROWS[3]])
    with pytest.raises(BundleError, match="int8, 4 threads"):
        choose(tmp_path, ROWS, precision="int8", threads=4)


@pytest.fixture
def exported(tmp_path, monkeypatch):
    """Return a folder that has the files of a bundle's exports, empty; the cache is a folder of its own."""
    monkeypatch.setenv("QUINTET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "quintet.runtimes.choosing.installed_runtimes", lambda: ("numpy", "litert", "onnxruntime", "openvino")
    )
    folder = tmp_path / "bundle"
    (folder / "exports").mkdir(parents=True)
    for runtime in ("litert", "onnxruntime"):
        for precision in ("float32", "int8"):
            export_file(folder, runtime, precision).touch()
    (folder / "exports" / "exports.json").write_text("{}")
    return folder


def test_a_choice_is_remembered_for_this_bundle(exported, tmp_path):
    assert chosen(exported) == Choice("litert", "int8", 1)
    remember(exported, Choice("onnxruntime", "float32", 2))
    assert chosen(exported) == Choice("onnxruntime", "float32", 2)
    (exported / "exports" / "exports.json").write_text('{"other": 1}')  # exported anew
    assert chosen(exported) == Choice("litert", "int8", 1)


def test_a_choice_that_no_longer_works_is_not_made(exported, tmp_path, monkeypatch):
    remember(exported, Choice("onnxruntime", "int8", 1))
    (kept,) = (tmp_path / "cache" / "choices").iterdir()
    export_file(exported, "onnxruntime", "int8").unlink()
    assert chosen(exported).runtime == "litert"
    export_file(exported, "onnxruntime", "int8").touch()
    assert chosen(exported).runtime == "onnxruntime"
    for damaged in ("", "[]", '{"version": 1, "choice": ["onnxruntime"]}', '{"version": 0}'):
        kept.write_text(damaged)
        assert chosen(exported).runtime == "litert", damaged
    remember(exported, Choice("onnxruntime", "int8", 1))
    monkeypatch.setattr("quintet.runtimes.choosing.processor_cores_and_packages", lambda: ["another machine"])
    assert chosen(exported).runtime == "litert"


def test_the_usual_choice_takes_what_is_there(exported, monkeypatch):
    here = ["numpy", "onnxruntime"]
    monkeypatch.setattr("quintet.runtimes.choosing.installed_runtimes", lambda: tuple(here))
    assert usual(exported) == Choice("onnxruntime", "int8", 1)
    export_file(exported, "onnxruntime", "int8").unlink()
    assert usual(exported) == Choice("onnxruntime", "float32", 1)
    here.remove("onnxruntime")
    with pytest.raises(BundleError, match="quintet export"):
        usual(exported)
    (exported / "weights.safetensors").touch()
    assert usual(exported) == Choice("numpy", "float32", 1)


def test_a_cache_that_cannot_be_written_is_done_without(exported, tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    remember(exported, Choice("onnxruntime", "float32", 1))
    assert chosen(exported) == Choice("litert", "int8", 1)


def test_measuring_here_remembers_the_fastest(tmp_path, monkeypatch):
    """The only runtime is numpy, so that the answer is known and the processes are few."""
    monkeypatch.setenv("QUINTET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("quintet.runtimes.choosing.installed_runtimes", lambda: ("numpy",))
    net = net_of(Rescale(scale=1 / 255), Flatten(), Dense(units=3), shape=(6, 6, 3))
    rng = np.random.default_rng(0)
    weights = {p.name: rng.normal(size=p.shape).astype(np.float32) for p in net.parameters()}
    folder = write_bundle(tmp_path / "bundle", Bundle(net=net, weights=weights, labels=["a", "b", "c"], card={}))
    assert measure(folder) == Choice("numpy", "float32", 1)
    assert len(list((tmp_path / "cache" / "choices").iterdir())) == 1


def test_rounds_go_forwards_and_backwards():
    asked = []

    @dataclass
    class Made:
        name: str

        def round(self, calls):
            asked.append((self.name, calls))
            return {"ms": [1.0], "of": self.name}

    found = interleaved([Made("a"), Made("b"), Made("c")], rounds=2, calls=7)  # type: ignore[list-item]
    assert [name for name, _ in asked] == ["a", "b", "c", "c", "b", "a"]
    assert {calls for _, calls in asked} == {7}
    assert [[one["of"] for one in mine] for mine in found] == [["a", "a"], ["b", "b"], ["c", "c"]]


def test_a_profile_lies_beside_its_bundle_and_is_read_again(tmp_path):
    assert default_file(tmp_path / "pets") == (tmp_path / "pets.profile.json").resolve()
    file = tmp_path / "one.json"
    for text in ("", "{}", json.dumps({"format": "quintet-profile", "version": 99})):
        file.write_text(text)
        with pytest.raises(BundleError, match="quintet profile"):
            read_profile(file)
    file.write_text(json.dumps({"format": "quintet-profile", "version": 1, "rows": []}))
    assert read_profile(file)["rows"] == []
