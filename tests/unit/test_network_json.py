"""Networks as JSON: there and back for any network, and every misspelt word is answered with the nearest one."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.errors import NetworkError
from quintet.layers import (
    ACTIVATIONS,
    Activation,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Normalise,
    Rescale,
    Residual,
)
from quintet.losses import BinaryCrossEntropy, CosineMargin, MeanSquaredError, SoftmaxCrossEntropy
from quintet.network import Adversarial, Net
from quintet.network_json import from_json, resolved, to_json

NET = Net(
    name="n",
    input_shape=(9, 9, 2),
    layers=(
        Rescale(scale=(1.0, 2.0)),
        Residual(layers=(Conv(filters=3, stride=(2, 2)),), shortcut=(Conv(filters=3, kernel=(1, 1), stride=(2, 2)),)),
        Activation(kind="elu"),
        Flatten(),
        Dense(units=4),
    ),
    loss=SoftmaxCrossEntropy(label_smoothing=0.1),
)

sizes = st.integers(1, 3)
pairs = st.tuples(sizes, sizes)
anywhere = st.one_of(
    st.builds(Activation, kind=st.sampled_from(ACTIVATIONS)),
    st.builds(BatchNorm, momentum=st.floats(0, 0.99), epsilon=st.floats(1e-6, 1e-2)),
    st.builds(Dropout, rate=st.floats(0, 0.9)),
    st.builds(Normalise),
    st.builds(Rescale, scale=st.floats(-2, 2), offset=st.floats(-2, 2)),
)
images = st.one_of(
    anywhere,
    st.builds(Conv, filters=sizes, kernel=pairs, stride=st.just((1, 1)), bias=st.booleans()),
    st.builds(MaxPool, size=st.just((1, 1)), stride=st.none() | st.just((1, 1))),
    st.builds(AveragePool, size=st.just((1, 1))),
    st.builds(Residual, layers=st.lists(anywhere, max_size=3).map(tuple)),
)
losses = st.one_of(
    st.builds(SoftmaxCrossEntropy, label_smoothing=st.floats(0, 0.5)),
    st.builds(BinaryCrossEntropy),
    st.builds(MeanSquaredError),
    st.builds(CosineMargin, classes=sizes),
)
ends = st.sampled_from([(Flatten(),), (GlobalAveragePool(),)])


@st.composite
def networks(draw: st.DrawFn) -> Net:
    layers: tuple[Layer, ...] = (*draw(st.lists(images, max_size=6)), *draw(ends), Dense(units=draw(sizes)))
    shape = (draw(st.integers(2, 6)), draw(st.integers(2, 6)), draw(sizes))
    return Net(name=draw(st.text(max_size=8)), input_shape=shape, layers=layers, loss=draw(losses))


@given(networks())
@settings(max_examples=60, deadline=None)
def test_every_network_comes_back_from_json_as_it_was(made):
    again = from_json(json.loads(json.dumps(to_json(made))))
    assert again == made
    assert resolved(again) == resolved(made)


def test_a_pair_comes_back():
    generator = Net(name="g", input_shape=(2,), layers=(Dense(units=4),), loss=MeanSquaredError())
    discriminator = Net(name="d", input_shape=(4,), layers=(Dense(units=1),), loss=BinaryCrossEntropy())
    pair = Adversarial(name="p", generator=generator, discriminator=discriminator, critic_steps=3)
    assert from_json(json.loads(json.dumps(to_json(pair)))) == pair


def test_the_resolved_form_holds_what_a_worker_would_have_to_work_out():
    record = resolved(NET)
    inside = record["layers"][1]["layers"][0]
    assert inside["name"] == "conv1"
    assert inside["pads"] == [[1, 1], [1, 1]]
    assert inside["output_shape"] == [5, 5, 3]
    assert record["layers"][1]["shortcut"][0]["pads"] == [[0, 0], [0, 0]]
    assert record["parameters"][0] == {
        "name": "conv1.kernel", "shape": [3, 3, 2, 3], "role": "kernel", "trainable": True,
    }  # fmt: skip


def changed(path: list[Any], value: Any) -> dict[str, Any]:
    record = copy.deepcopy(to_json(NET))
    place: Any = record
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return record


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (["layers", 4, "type"], "dens", ('layer "dens"', 'did you mean "dense"?')),
        (["layers", 4, "unit"], 3, ("layer dense", '"unit"', 'did you mean "units"?')),
        (["layers", 1, "layer"], [], ("layer residual", 'did you mean "layers"?')),
        (["layers", 1, "layers", 0, "type"], "convv", ('did you mean "conv"?',)),
        (["layers", 2, "kind"], "relo", ('activation "relo"', 'did you mean "relu"?')),
        (["loss", "type"], "softmax_crossentropy", ('did you mean "softmax_cross_entropy"?',)),
        (["loss", "smoothing"], 0.1, ("loss softmax_cross_entropy", "label_smoothing")),
        (["version"], 2, ("version 2", "version 1")),
        (["format"], "onnx", ("'onnx'", "quintet-net")),
        (["loses"], {}, ("the network", 'did you mean "loss"?')),
        (["layers", 4], {"type": "dense"}, ("layer dense", "units")),
        (["input_shape"], [9, 9], ("input_shape (9, 9)",)),
    ],
)
def test_unknown_words_are_answered_with_the_nearest(path, value, words):
    with pytest.raises(NetworkError) as error:
        from_json(changed(path, value))
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_network_without_a_loss_says_what_is_missing():
    record = to_json(NET)
    del record["loss"]
    with pytest.raises(NetworkError, match="without loss"):
        from_json(record)
