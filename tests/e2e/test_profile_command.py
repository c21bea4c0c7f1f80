"""`quintet profile`: what it measures, writes and refuses, on a small classifier of made-up pictures; no timing is asserted."""

import json

import numpy as np
import pytest

from quintet.bundle import Bundle, read_bundle, write_bundle
from quintet.export import export_bundle
from quintet.layers import Activation, Conv, Dense, GlobalAveragePool, Rescale
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.runtimes import NumpyPredictor, chosen

SETTINGS = {("numpy", "float32"), ("litert", "float32"), ("litert", "int8"), ("onnxruntime", "int8")}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Return a bundle with three exports, judged on labels that it gives itself."""
    rng = np.random.default_rng(4)
    net = Net(
        name="small",
        input_shape=(12, 12, 3),
        layers=(
            Rescale(scale=1 / 128, offset=-1.0), Conv(filters=6, stride=(2, 2)), Activation(kind="relu"),
            GlobalAveragePool(), Dense(units=3),
        ),
        loss=SoftmaxCrossEntropy(),
    )  # fmt: skip
    weights = {p.name: rng.normal(size=p.shape).astype(np.float32) for p in net.parameters()}
    card = {"own_test_accuracy": 0.5}
    folder = write_bundle(tmp_path_factory.mktemp("profile") / "bundle",
                          Bundle(net=net, weights=weights, labels=["a", "b", "c"], card=card))  # fmt: skip
    x = rng.integers(0, 256, (80, 12, 12, 3)).astype(np.uint8)
    y = NumpyPredictor(read_bundle(folder))(x).argmax(1)
    export_bundle(folder, ["litert"], ["float32", "int8"], x, x, y, margin=0.5)
    export_bundle(folder, ["onnx"], ["int8"], x, x, y, margin=0.5)
    return folder


@pytest.fixture
def profile(quintet, made, tmp_path, monkeypatch):
    monkeypatch.setenv("QUINTET_CACHE", str(tmp_path / "cache"))
    return lambda *more: quintet(
        "profile", str(made), "--starts", "1", "--rounds", "2", "--calls", "3", "--out", str(tmp_path / "p.json"), *more
    )


def test_every_export_is_measured_and_one_is_chosen(profile, made, tmp_path):
    said = profile("--threads", "1,2", "--board", "pi3,pi5", "--json")
    assert said.code == 0, said.err
    record = json.loads(said.out)
    assert record == json.loads((tmp_path / "p.json").read_text())
    assert record["format"] == "quintet-profile"
    rows = {(row["runtime"], row["precision"], row["threads"]): row for row in record["rows"]}
    assert set(rows) == {(*pair, n) for pair in SETTINGS for n in (1, 2) if (pair[0], n) != ("numpy", 2)}
    for row in rows.values():
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        assert row["predictions"] == 6
        parts = ("interpreter_ms", "imports_ms", "open_ms", "picture_ms", "predict_ms")
        assert all(row["cold_ms"][part] > 0 for part in parts)
        assert sum(row["cold_ms"][part] for part in parts) <= row["cold_ms"]["total_ms"] + 0.01
        assert row["peak_mib"] > 10
        assert row["size_bytes"] > 500
        assert row["kept"] is True
        assert row["energy"] == "unavailable" or row["energy_mj"] > 0
    assert rows["litert", "int8", 1]["accuracy"] is not None
    fastest = min(record["rows"], key=lambda row: row["p50_ms"])
    assert [record["chosen"][key] for key in ("runtime", "precision", "threads")] == [
        fastest[key] for key in ("runtime", "precision", "threads")
    ]
    assert list(chosen(made)) == list(record["chosen"].values())
    assert record["work"]["multiply_adds"] == 36 * 27 * 6 + 18
    assert len(record["boards"]) == 2 * 2 * 2
    assert all("not a measurement" in one["sentence"] for one in record["boards"])
    assert "openvino, int8: not exported" in record["left_out"]


def test_people_get_a_table_and_sentences(profile, monkeypatch):
    monkeypatch.setenv("COLUMNS", "220")
    said = profile("--runtime", "litert", "--precision", "int8", "--board", "pi4")
    assert said.code == 0, said.err
    assert said.out == ""
    assert "litert, int8, 1" in said.err
    assert "Chosen here: litert, int8, 1 thread." in said.err
    assert "Raspberry Pi 4, int8, 1 core:" in said.err
    assert "not a measurement" in said.err
    assert "float32, 1 core" not in said.err


def test_a_signature_holds_after_a_profile(quintet, profile, made, tmp_path):
    try:
        assert quintet("bundle", "sign", str(made)).code == 0
        assert profile("--runtime", "litert", "--precision", "int8").code == 0
        assert quintet("bundle", "verify", str(made)).code == 0
    finally:
        for name in ("manifest.json", "manifest.sig"):
            (made / name).unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--runtime", "litret"], 'did you mean "litert"'),
        (["--precision", "int4"], 'did you mean "int8"'),
        (["--threads", "0"], "numbers above 0"),
        (["--threads", "one"], "numbers above 0"),
        (["--board", "pi6"], "pi5"),
        (["--board", "pi4", "--threads", "8"], "1 to 4"),
        (["--emulate", "x86"], "arm64"),
        (["--runtime", "openvino"], "quintet export"),
    ],
)
def test_what_cannot_be_is_one_line(profile, more, words):
    said = profile(*more)
    assert said.code == 2
    assert words in said.err.replace("\n", " ")
    assert "Traceback" not in said.err


def test_a_profile_does_not_go_into_the_bundle(quintet, made):
    said = quintet("profile", str(made), "--out", str(made / "profile.json"))
    assert said.code == 2
    assert "inside the bundle" in said.err
    assert not (made / "profile.json").exists()


def test_an_export_that_will_not_open_is_named(profile, made, tmp_path):
    file = made / "exports" / "onnx-int8.onnx"
    whole = file.read_bytes()
    try:
        file.write_bytes(whole[: len(whole) // 2])
        said = profile("--runtime", "onnxruntime", "--precision", "int8")
    finally:
        file.write_bytes(whole)
    assert said.code == 2
    assert "onnxruntime, int8" in said.err
    assert "damaged" in said.err
    assert not (tmp_path / "p.json").exists()
