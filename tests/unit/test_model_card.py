"""The model card says what the records say, and what they do not say is said to be missing."""

import json

import numpy as np
import pytest

from quintet.bundle import Bundle, write_bundle, write_card
from quintet.errors import BundleError
from quintet.layers import Dense
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.weights import initial_weights

NET = Net(name="n", input_shape=(4,), layers=(Dense(units=2),), loss=SoftmaxCrossEntropy())
CARD = {
    "name": "pets-small", "system": "pets", "network": "small", "library": "torch", "model_version": 1_795_000_000,
    "versions": {"torch": "2.13.0"}, "seed": 3, "study": "abc", "trial": "small.torch.seed3",
    "preprocessing": {"height": 50, "width": 40, "channels": 3, "resample": "hamming"},
    "recipe": {"epochs": 14, "batch_size": 128, "optimiser": {"type": "sgd", "momentum": 0.9},
               "augment": {"shift": 2, "flip": True}},
    "data": {"name": "dogs-vs-cats", "provenance": {"licence": "CC0", "source": "https://example.org"}, "sha256": "12ab",
             "test_sha256": "34cd"},
    "machine": {"processor": "EPYC", "cores": 2},
    "own_test_accuracy": 0.9512, "own_test_n": 2500,
    "own_test_interval": {"low": 0.942, "high": 0.959, "level": 0.95, "method": "Wilson"},
    "figures": {"accuracy": {"n": 5, "n_failed": 1, "mean": 0.9483, "interval": {"low": 0.9461, "high": 0.9505, "method": "t"}},
                "macro_recall": {"n": 1, "n_failed": 0, "mean": 0.9,
                                 "interval": {"low": None, "high": None, "method": "none: fewer than 2 values"}},
                "unknown_figure": {"n": 1, "mean": 3}},
    "model_card": {"intended_use": ["It tells cats from dogs."], "limits": ["Two classes."], "not_tested": ["Night."]},
}  # fmt: skip


@pytest.fixture
def card(tmp_path):
    """Return a function that writes a bundle and returns its card.md."""

    def make(labels=("cat", "dog"), **changes) -> str:
        weights = initial_weights(NET, np.random.default_rng(0))
        write_bundle(tmp_path / "b", Bundle(net=NET, weights=weights, labels=labels, card=CARD | changes))
        return (tmp_path / "b" / "card.md").read_text()

    return make


def section(text: str, title: str) -> str:
    return text.split(f"## {title}\n")[1].split("\n## ")[0]


def test_it_says_what_is_known(card):
    text = card()
    assert text.startswith("# pets-small\n")
    assert "version 1795000000 (2026-11-18 11:06 UTC)" in text
    assert "It tells cats from dogs." in section(text, "Intended use")
    assert "one of 2 classes: cat, dog." in section(text, "Intended use")
    assert "squashed to 50x40, RGB, hamming" in section(text, "Intended use")
    data = section(text, "Data")
    for words in ("dogs-vs-cats", "Licence: CC0", "12ab", "34cd", "Citation: not recorded"):
        assert words in data
    figures = section(text, "Figures")
    assert "| accuracy of this very model | 95.12 % | 94.20 % to 95.90 % (Wilson) | 2500 test images |" in figures
    assert "| accuracy, mean over seeds | 94.83 % | 94.61 % to 95.05 % (t) | 5 seeds, 1 failed |" in figures
    assert "| macro recall, mean over seeds | 90.00 % | none: fewer than 2 values | 1 seeds |" in figures
    assert "unknown_figure" not in figures
    training = section(text, "How it was trained")
    for words in (
        "torch 2.13.0",
        "10 trainable numbers",
        "epochs 14",
        "momentum 0.9",
        "shift 2, flip True",
        "seed 3",
        "EPYC",
    ):
        assert words in training
    assert "no decision.json" in section(text, "Limits")
    assert "Night." in section(text, "Not tested")
    assert "elsewhere than dogs-vs-cats" in section(text, "Not tested")


def test_it_takes_in_exports_and_the_reject_rule(card, tmp_path):
    card()
    folder = tmp_path / "b"
    (folder / "exports").mkdir()
    int8 = {
        "kept": True, "size_bytes": 3000, "n": 2500, "accuracy": 0.9496, "difference": -0.0016, "agreement": 0.9944,
        "interval": {"low": -0.0034, "high": 0.0002, "level": 0.95, "method": "Bonett-Price"},
    }  # fmt: skip
    exports = {"onnx-int8": int8, "litert-int8": int8 | {"kept": False}}
    (folder / "exports" / "exports.json").write_text(json.dumps({"exports": exports}))
    (folder / "decision.json").write_text('{"temperature": 1.25, "coverage": 0.9}')
    text = write_card(folder).read_text()
    row = "| onnx-int8 | 94.96 % | -0.16 points (-0.34 to +0.02, Bonett-Price) | 99.44 % | 2,500 | 3,000 |"
    assert row in section(text, "Exports")
    assert section(text, "Exports").rstrip().endswith("| refused |")
    assert "temperature 1.25, coverage 0.9" in section(text, "When it does not know")
    assert "no decision.json" not in text


def test_a_model_that_nobody_tested_says_so(card):
    text = card(own_test_accuracy=None, figures={}, recipe=None, library=None, machine=None, data=None)
    assert "None: it was not tested." in section(text, "Figures")
    assert "Data set: not recorded" in section(text, "Data")


def test_a_strangers_words_stay_in_their_line(card):
    text = card(labels=["a\n## Figures\n\n| accuracy | 100 % |", "<script>alert(1)</script>", "[x](javascript:1)"])
    assert text.count("\n## Figures\n") == 1
    assert "<script>" not in text.replace("\\<script\\>", "")
    assert "\\[x\\](javascript:1)" in text


@pytest.mark.parametrize("odd", ['{"exports": [1]}', '{"exports": {"a": {}}}', '{"exports": {"a": 1}}'])
def test_a_record_of_another_kind_is_one_line(card, tmp_path, odd):
    card()
    (tmp_path / "b" / "exports").mkdir()
    (tmp_path / "b" / "exports" / "exports.json").write_text(odd)
    with pytest.raises(BundleError, match="no model card can be made of") as error:
        write_card(tmp_path / "b")
    assert "\n" not in str(error.value)


def test_equal_records_give_equal_bytes(card):
    assert card() == card()


def test_without_bundle_json_there_is_no_card(tmp_path):
    with pytest.raises(BundleError, match=r"expected a whole bundle\.json"):
        write_card(tmp_path)
