"""A trained model's folder: there and back, and each way in which it can be damaged."""

import json
import time

import numpy as np
import pytest

from quintet.bundle import Bundle, read_bundle, write_bundle
from quintet.errors import BundleError, QuintetError
from quintet.layers import Dense, Flatten
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.runtimes import NumpyPredictor
from quintet.weights import initial_weights

NET = Net(name="n", input_shape=(4,), layers=(Dense(units=2),), loss=SoftmaxCrossEntropy())


@pytest.fixture
def folder(tmp_path):
    weights = initial_weights(NET, np.random.default_rng(0))
    bundle = Bundle(net=NET, weights=weights, labels=["no", "yes"], card={"library": "reference"})
    return write_bundle(tmp_path / "bundle", bundle)


def test_a_bundle_comes_back(folder):
    bundle = read_bundle(folder)
    assert bundle.net == NET
    assert list(bundle.labels) == ["no", "yes"]
    assert bundle.card["library"] == "reference"
    assert all(w.dtype == np.float32 for w in bundle.weights.values())


def test_a_bundle_predicts_without_the_library_that_trained_it(folder):
    bundle = read_bundle(folder)
    x = np.random.default_rng(1).random((300, 4)).astype(np.float32)
    expected = x @ bundle.weights["dense1.kernel"] + bundle.weights["dense1.bias"]
    np.testing.assert_allclose(NumpyPredictor(bundle)(x), expected, rtol=1e-5, atol=1e-6)
    assert NumpyPredictor(bundle)(x[:0]).shape == (0, 2)


def test_a_new_model_takes_away_what_was_made_from_the_old_one(folder):
    for name in ("exports/onnx-int8.onnx", "decision.json", "answers.safetensors", "manifest.json", "manifest.sig"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("of the old weights")
    (folder / "reader.json").write_text("kept")
    write_bundle(folder, read_bundle(folder))
    assert sorted(p.name for p in folder.iterdir()) == [
        "bundle.json", "card.md", "network.json", "reader.json", "weights.safetensors",
    ]  # fmt: skip


def test_a_link_in_the_place_of_the_exports_is_removed_and_what_it_leads_to_is_not(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").write_text("kept")
    (folder / "exports").symlink_to(tmp_path / "elsewhere")
    write_bundle(folder, read_bundle(folder))
    assert not (folder / "exports").is_symlink()
    assert (tmp_path / "elsewhere" / "precious").read_text() == "kept"


def test_the_model_version_is_the_time_and_grows_even_when_the_clock_goes_back(folder):
    before = read_bundle(folder)
    assert abs(before.card["model_version"] - time.time()) < 600
    card(folder, model_version=before.card["model_version"] + 10**6)
    fresh = Bundle(net=NET, weights=before.weights, labels=before.labels, card={})
    write_bundle(folder, fresh)
    assert read_bundle(folder).card["model_version"] == before.card["model_version"] + 10**6 + 1
    write_bundle(folder, Bundle(net=NET, weights=before.weights, labels=before.labels, card={"model_version": 7}))
    assert read_bundle(folder).card["model_version"] == 7  # a version that is asked for is taken


def test_how_a_picture_becomes_an_input_is_written_down(folder, tmp_path):
    assert read_bundle(folder).card["preprocessing"] is None  # four features are no picture
    net = Net(name="p", input_shape=(5, 7, 3), layers=(Flatten(), Dense(units=2)), loss=SoftmaxCrossEntropy())
    weights = initial_weights(net, np.random.default_rng(0))
    written = write_bundle(tmp_path / "p", Bundle(net=net, weights=weights, labels=["a", "b"], card={}))
    card = read_bundle(written).card
    assert card["preprocessing"] == {
        "height": 5, "width": 7, "channels": 3, "resample": "hamming", "whole_picture_squashed": True,
    }  # fmt: skip
    assert card["parameters"] == 5 * 7 * 3 * 2 + 2


def cut(path):
    path.write_bytes(path.read_bytes()[:-5])


def card(folder, **changes):
    record = json.loads((folder / "bundle.json").read_text()) | changes
    (folder / "bundle.json").write_text(json.dumps({k: v for k, v in record.items() if v is not None}))


def wrong_weights(folder):
    net = Net(name="n", input_shape=(4,), layers=(Dense(units=3),), loss=SoftmaxCrossEntropy())
    other = Bundle(net=net, weights=initial_weights(net, np.random.default_rng(0)), labels=[], card={})
    write_bundle(folder.parent / "other", other)
    (folder / "weights.safetensors").write_bytes((folder.parent / "other" / "weights.safetensors").read_bytes())


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors"),
        (lambda f: (f / "bundle.json").unlink(), "bundle.json"),
        (lambda f: (f / "network.json").unlink(), "network.json"),
        (lambda f: cut(f / "weights.safetensors"), "whole bundle files"),
        (lambda f: cut(f / "network.json"), "whole bundle files"),
        (lambda f: (f / "bundle.json").write_text("[]"), "whole bundle files"),
        (lambda f: (f / "network.json").write_text("[]"), "whole bundle files"),
        (lambda f: (f / "network.json").write_text('{"format": "quintet-net", "version": 1, "name": "n",'
                                                   ' "input_shape": 3, "layers": 1, "loss": 2}'), "whole bundle files"),
        (lambda f: (f / "weights.safetensors").write_bytes(b"\x80\x04pickle"), "whole bundle files"),
        (lambda f: card(f, labels=None), "labels"),
        (lambda f: card(f, version=9), "version 9, expected a bundle of version 2"),
        (lambda f: card(f, version=1), "of version 1, expected a bundle of version 2; train it again"),
        (lambda f: card(f, labels=["no", 1]), "an odd labels"),
        (lambda f: card(f, labels="no"), "an odd labels"),
        (lambda f: card(f, figures=[1]), "an odd figures"),
        (lambda f: card(f, figures={"accuracy": {"mean": "99 %"}}), "an odd figures.accuracy"),
        (lambda f: card(f, figures={"accuracy": {"mean": 1, "interval": {"low": "x"}}}), "an odd figures.accuracy"),
        (lambda f: card(f, own_test_accuracy="0.99"), "an odd own_test_accuracy"),
        (lambda f: card(f, own_test_interval={"low": []}), "an odd own_test_interval"),
        (lambda f: card(f, data="mnist"), "an odd data"),
        (lambda f: card(f, model_version=0), "model_version 0"),
        (lambda f: card(f, model_version="7"), "model_version '7'"),
        (lambda f: card(f, model_version=None), "model_version None"),
        (lambda f: card(f, format="onnx"), "expected a bundle"),
        (wrong_weights, "do not fit the network (first: dense1."),
    ],
)  # fmt: skip
def test_a_damaged_bundle_is_refused_in_one_line(folder, damage, word):
    damage(folder)
    with pytest.raises(BundleError) as error:
        read_bundle(folder)
    assert "\n" not in str(error.value)
    assert word in str(error.value)


def test_a_folder_that_is_no_bundle(tmp_path):
    with pytest.raises(BundleError, match="make one with: quintet train"):
        read_bundle(tmp_path)


def test_an_unknown_layer_in_a_bundle_is_one_of_our_errors(folder):
    record = json.loads((folder / "network.json").read_text())
    record["layers"][0]["type"] = "dens"
    (folder / "network.json").write_text(json.dumps(record))
    with pytest.raises(QuintetError, match='did you mean "dense"'):
        read_bundle(folder)
