"""Optimisers and recipes: what is refused, how many steps there are, and what a model card is told."""

import json

import pytest

from quintet.errors import NetworkError
from quintet.layers import Dense
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.optimiser import SGD, Adam, AdamW, wire_form
from quintet.recipe import Recipe

NET = Net(name="n", input_shape=(4,), layers=(Dense(units=2),), loss=SoftmaxCrossEntropy())


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: SGD(momentum=1.0), "momentum=1.0, expected 0 <= momentum < 1"),
        (lambda: SGD(momentum=-0.1), "momentum=-0.1"),
        (lambda: SGD(nesterov=True), "nesterov=True with momentum 0"),
        (lambda: Adam(beta1=1.0), "beta1=1.0"),
        (lambda: Adam(beta2=-1.0), "beta2=-1.0"),
        (lambda: AdamW(beta2=1.5), "beta2=1.5"),
    ],
)
def test_optimisers_that_cannot_be(make, word):
    with pytest.raises(NetworkError, match=word):
        make()


def test_a_job_carries_every_setting_of_the_optimiser():
    assert wire_form(SGD(momentum=0.9, nesterov=True)) == {
        "type": "sgd", "momentum": 0.9, "nesterov": True, "weight_decay": 0.0,
    }  # fmt: skip
    assert wire_form(Adam())["type"] == "adam"
    assert wire_form(AdamW())["weight_decay"] == 0.01


@pytest.mark.parametrize(("epochs", "samples", "steps"), [(1, 100, 3), (2.5, 100, 8), (0.001, 100, 1), (1, 95, 2)])
def test_steps_are_whole_batches_and_at_least_one(epochs, samples, steps):
    assert Recipe(net=NET, optimiser=Adam(), rate=0.1, batch_size=32, epochs=epochs).steps(samples) == steps


def test_the_record_is_plain_and_tells_two_recipes_apart():
    one = Recipe(net=NET, optimiser=Adam(), rate=0.1).record()
    assert json.loads(json.dumps(one)) == one
    assert one["optimiser"]["epsilon"] == 1e-8
    assert Recipe(net=NET, optimiser=Adam(), rate=0.2).record() != one
    assert Recipe(net=NET, optimiser=Adam(), rate=0.1, initial="he").record() != one
