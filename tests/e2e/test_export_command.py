"""`quintet export`: the exit code, the figures and the files, on the digits that scikit-learn carries."""

import json

import numpy as np
import pytest

from quintet.bundle import Bundle, write_bundle
from quintet.layers import Dense, Flatten, Rescale
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.system import load_system


def linear_digits(folder, common=0.0):
    """Write a bundle of the least-squares linear classifier; `common` is added to every logit."""
    arrays = load_system("digits").prepare("digits8x8").arrays
    x = arrays["train_x"].reshape(len(arrays["train_x"]), -1) / 255
    wanted = np.eye(10)[arrays["train_y"]]
    kernel, *_ = np.linalg.lstsq(x.T @ x + np.eye(64), x.T @ wanted, rcond=None)
    net = Net(name="linear", input_shape=(8, 8, 1), layers=(Rescale(scale=1 / 255), Flatten(), Dense(units=10)),
              loss=SoftmaxCrossEntropy())  # fmt: skip
    weights = {"dense1.kernel": kernel, "dense1.bias": np.full(10, common)}
    card = {"system": "digits", "data": {"name": "digits8x8"}}
    return write_bundle(folder, Bundle(net=net, weights=weights, labels=[str(n) for n in range(10)], card=card))


def test_all_are_kept_and_one_object_says_so(quintet, tmp_path):
    folder = linear_digits(tmp_path / "bundle")
    said = quintet("export", str(folder), "--json")
    assert said.code == 0, said.err
    found = json.loads(said.out)["exports"]
    assert len(found) == 6
    for name, export in found.items():
        assert export["kept"], name
        assert export["reference_accuracy"] > 0.9
        assert all((folder / "exports" / file).is_file() for file in export["files"])
    assert "judging exports: 100 of 100" in said.err


def test_one_that_is_refused_is_exit_code_1_with_both_figures(quintet, tmp_path):
    folder = linear_digits(tmp_path / "bundle", common=1000.0)
    said = quintet("export", str(folder), "--to", "litert", "--precision", "float32,int8", "--margin", "0.02")
    assert said.code == 1
    text = " ".join(said.err.split())
    assert "litert-float32: kept: 9" in text
    assert "litert-int8: REFUSED, no file kept: worse than the margin of 2 points (" in text
    assert sorted(p.name for p in (folder / "exports").iterdir()) == ["exports.json", "litert-float32.tflite"]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--to", "coreml"], "coreml"),
        (["--precision", "int3"], "int3"),
        (["--data", "mnist8"], "mnist8"),
    ],
)
def test_what_cannot_be_is_one_line(quintet, tmp_path, more, word):
    said = quintet("export", str(linear_digits(tmp_path / "bundle")), *more)
    assert said.code == 2
    assert word in said.err
    assert len(said.err.strip().splitlines()) == 1


def test_a_bundle_without_a_system_cannot_be_judged(quintet, tmp_path):
    folder = linear_digits(tmp_path / "bundle")
    record = json.loads((folder / "bundle.json").read_text())
    del record["system"]
    (folder / "bundle.json").write_text(json.dumps(record))
    said = quintet("export", str(folder))
    assert said.code == 2
    assert "names no system" in said.err
