"""Judging a bundle: what it must find out, on its own test set and on another."""

import json

import numpy as np
import pytest

from quintet import judging, training
from quintet.bundle import Bundle, read_bundle, write_bundle
from quintet.errors import BundleError, DataError
from quintet.judging import judge, sentence
from quintet.statistics import binomial_interval
from quintet.system import Prepared
from quintet.training import train_network


class Shelf:
    """The tiny system with data by name: "tiny"; "shuffled", whose pictures tell nothing; other shapes and classes."""

    name = "tiny"

    def __init__(self, tiny) -> None:
        self._tiny = tiny
        self.score = tiny.score

    def prepare(self, data=None, cache=None) -> Prepared:
        found = self._tiny.prepare()
        arrays, labels = dict(found.arrays), found.labels
        if data == "more":
            arrays["test_x"], arrays["test_y"] = arrays["train_x"], arrays["train_y"]
        elif data == "shuffled":
            arrays["test_y"] = np.random.default_rng(0).permutation(arrays["test_y"])
        elif data == "small":
            arrays = {k: v[:, :4] if k.endswith("x") else v for k, v in arrays.items()}
        elif data == "named":
            labels = ["x", "y", "z"]
        elif data == "empty":
            arrays |= {k: arrays[k][:0] for k in ("test_x", "test_y")}
        else:
            assert data in ("tiny", None)
        return Prepared(name=data or "tiny", arrays=arrays, labels=labels)


@pytest.fixture
def bundle(tiny, tiny_study, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "load_system", lambda name: tiny)
    monkeypatch.setattr(judging, "load_system", lambda name: Shelf(tiny))
    folder = train_network(tiny_study(epochs=4, seeds=1), tmp_path / "model").bundle
    assert folder
    return folder


def rewrite(folder, **changes):
    record = json.loads((folder / "bundle.json").read_text()) | changes
    (folder / "bundle.json").write_text(json.dumps(record))


def test_a_bundle_is_as_good_as_it_says(bundle, tiny):
    found = judge(bundle)
    arrays = tiny.prepare().arrays
    assert found.holds
    assert found.same_data
    assert found.n == found.claimed_n == 60
    assert found.scores["accuracy"] == pytest.approx(found.claimed, abs=1 / 60)
    assert found.tolerance == 1 / 60  # a sample, which is more than a thousandth
    assert found.interval == binomial_interval(round(60 * found.scores["accuracy"]), 60)
    assert "as the bundle says" in sentence(found)
    assert "60 test samples of tiny" in sentence(found)
    assert len(arrays["test_y"]) == 60
    json.dumps(found.to_json(), allow_nan=False)


def test_other_weights_under_the_same_figures_are_found_out(bundle):
    whole = read_bundle(bundle)
    zeros = {name: np.zeros_like(array) for name, array in whole.weights.items()}
    write_bundle(bundle, Bundle(net=whole.net, weights=zeros, labels=whole.labels, card=whole.card))
    found = judge(bundle)
    assert found.scores["accuracy"] == pytest.approx(1 / 3)
    assert not found.holds
    assert "NOT what the bundle says" in sentence(found)


@pytest.mark.parametrize(("off", "holds"), [(0.0, True), (0.5 / 60, True), (1.5 / 60, False), (-1.5 / 60, False)])
def test_a_figure_must_be_true_within_the_tolerance_on_either_side(bundle, off, holds):
    rewrite(bundle, own_test_accuracy=judge(bundle).scores["accuracy"] + off)
    assert judge(bundle).holds is holds
    assert judge(bundle, tolerance=0.03).holds


def test_other_data_are_said_to_be_other_data(bundle):
    found = judge(bundle, "more")
    assert (found.same_data, found.n, found.data) == (False, 120, "more")
    assert found.holds
    assert "the hashes differ" in sentence(found)


def test_on_other_data_worse_beyond_sampling_is_a_no_and_better_is_not(bundle):
    found = judge(bundle, "shuffled")
    assert not found.same_data
    assert not found.holds
    assert "WORSE" in sentence(found)
    rewrite(bundle, own_test_accuracy=0.4, own_test_interval={"low": 0.3, "high": 0.5})
    assert judge(bundle, "more").holds  # better than it says of itself, on other data
    assert not judge(bundle).holds  # on its own data that is another model


def test_a_bundle_without_a_figure_is_judged_and_nothing_is_held_against_it(bundle):
    rewrite(bundle, own_test_accuracy=None, own_test_interval=None)
    found = judge(bundle)
    assert found.holds
    assert "no figure to compare with" in sentence(found)


def test_an_export_is_held_to_its_own_figure(bundle):
    right = judge(bundle).scores["accuracy"]
    (bundle / "exports").mkdir()
    export = {"runtime": "numpy", "precision": "float32", "kept": True, "n": 60, "accuracy": right - 0.1}

    def judged(**changes):
        (bundle / "exports" / "exports.json").write_text(json.dumps({"exports": {"np-float32": export | changes}}))
        return judge(bundle)

    assert (judged().claimed_of, judged().holds) == ("np-float32", False)
    assert "of np-float32 on the same samples" in sentence(judged())
    assert (judged(accuracy=right).claimed, judged(accuracy=right).holds) == (right, True)
    for other in ({"kept": False}, {"runtime": "litert"}, {"precision": "int8"}):
        assert (judged(**other).claimed_of, judged(**other).holds) == ("model", True)
    (bundle / "exports" / "exports.json").write_text('{"exports": [3]}')
    with pytest.raises(BundleError, match="export again"):
        judge(bundle)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("small", "received inputs (4, 8, 1), expected (8, 8, 1)"),
        ("named", "the classes x, y, z, expected a, b, c"),
        ("empty", "no test sample"),
    ],
)
def test_data_that_do_not_fit_the_bundle(bundle, data, words):
    with pytest.raises(DataError) as error:
        judge(bundle, data)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def test_a_bundle_of_no_system(bundle):
    rewrite(bundle, system=None)
    with pytest.raises(BundleError, match="names no system"):
        judge(bundle)


def test_the_hashes_tell_data_apart_by_value_shape_and_type():
    x, y = np.arange(24, dtype=np.uint8).reshape(2, 3, 4, 1), np.array([0, 1])
    base = {"train_x": x, "train_y": y, "test_x": x, "test_y": y}

    def hashes(provenance=None, **changes):
        found = Prepared(name="d", arrays=base | changes, labels=["a", "b"], provenance=provenance or {})
        return found.sha256(), found.test_sha256()

    ours = hashes()
    assert hashes() == ours
    for changes in ({"x": x + 1}, {"x": x.reshape(2, 4, 3, 1)}, {"x": x.view(np.int8)}, {"y": y[::-1]}):
        for part in (0, 1):
            other = hashes(**{f"{('train', 'test')[part]}_{k}": v for k, v in changes.items()})
            assert other[part] != ours[part]
            assert other[1 - part] == ours[1 - part]
    named = hashes({"sha256": {"b.gz": "2", "a.gz": "1"}})
    assert named == hashes({"sha256": {"a.gz": "1", "b.gz": "2"}})
    assert named[0] not in (ours[0], hashes({"sha256": {"a.gz": "2", "b.gz": "1"}})[0])
    assert named[1] == ours[1]
