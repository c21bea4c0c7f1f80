"""What every adapter must do, as plain functions: `python contract.py LIBRARY` runs them all in one fresh process.

Rules
* Each function of CHECKS takes `make` (a new, unbuilt adapter) and raises AssertionError with what it found.
* The umpire is the numpy reference in float64; all inputs come from fixed seeds and are read-only.
* A library with an environment of its own is reached through remote.py; the checks do not know.
* One JSON line per check goes to standard output; test_adapters.py turns them into one test each.
Not for speed, nor for 500 steps: that is `quintet parity`.
"""

import functools
import itertools
import json
import os
import sys
import tempfile
import traceback

import numpy as np
from cases import (
    ACTIVE,
    BLIND,
    DATA_PAIR,
    DROPPED,
    IMAGE,
    MIXED,
    NOISE_PAIR,
    PADDED,
    POOLED,
    SMALL,
    batch_of,
    batches_of,
    net_of,
    pieces,
    weights_of,
)  # fmt: skip
from remote import connect

from quintet import environments
from quintet.batches import learning_rates
from quintet.layers import ACTIVATIONS, Activation, BatchNorm, Conv, Dense, Flatten, Rescale
from quintet.losses import BinaryCrossEntropy, CosineMargin, MeanSquaredError, SoftmaxCrossEntropy
from quintet.network_json import resolved
from quintet_worker.adapters import create
from quintet_worker.adapters.reference import Reference

EXACT = 1e-11  # float64; two libraries that compute the same differ by rounding alone
SINGLE = 1e-5
SGD = {"type": "sgd", "momentum": 0.9, "nesterov": False, "weight_decay": 0.0}
ADAM = {"type": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.0}
OPTIMISERS = {
    "sgd": {**SGD, "momentum": 0.0},
    "momentum": SGD,
    "nesterov+decay": {**SGD, "nesterov": True, "weight_decay": 1e-2},
    "adam+decay": {**ADAM, "weight_decay": 1e-2},
    "adamw": {**ADAM, "type": "adamw", "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-5, "weight_decay": 1e-1},
}
CHECKS = {}


def check(function):
    """Make `function` one of the contract's checks."""
    CHECKS[function.__name__] = function
    return function


def close(what, actual, exact, tolerance=EXACT, floor=1e-3):
    """Hold |actual - exact| <= tolerance * |exact|; `floor` stands in for |exact| where the exact value is near zero."""
    actual, exact = np.asarray(actual, np.float64), np.asarray(exact, np.float64)
    assert actual.shape == exact.shape, f"{what}: shape {actual.shape}, expected {exact.shape}"
    distance = np.linalg.norm(actual - exact) / max(np.linalg.norm(exact), floor)
    assert distance <= tolerance, f"{what}: relative distance {distance:.3g}, expected at most {tolerance:.0e}"


def all_close(what, actual, exact, tolerance=EXACT):
    """Hold close() for each name of two dicts with the same names."""
    assert set(actual) == set(exact), f"{what}: names differ by {sorted(set(actual) ^ set(exact))}"
    for name in exact:
        close(f"{what}, {name}", actual[name], exact[name], tolerance)


def equal(what, actual, expected):
    """Hold two dicts of arrays equal to the bit, type included."""
    assert set(actual) == set(expected), f"{what}: names differ by {sorted(set(actual) ^ set(expected))}"
    for name, array in expected.items():
        got = np.asarray(actual[name])
        assert got.dtype == array.dtype, f"{what}, {name}: {got.dtype}, expected {array.dtype}"
        assert np.array_equal(got, array), f"{what}, {name}: not equal to the bit"


def ready(adapter, net, optimiser=None, precision="float64"):
    """Build and load `adapter`; return it."""
    adapter.build(resolved(net), optimiser or SGD, precision, 1, "cpu")
    adapter.load(weights_of(net))
    return adapter


def pair_of(make, net, optimiser=None):
    """Return the adapter and the umpire, both ready, in float64."""
    return ready(make(), net, optimiser), ready(Reference(), net, optimiser)


def same_pass(make, net):
    """Hold predict() and gradients() to the umpire, and both to leave no trace."""
    mine, umpire = pair_of(make, net)
    batch = batch_of(net)
    close(f"{net.name}: predict", mine.predict(batch[0]), umpire.predict(batch[0]))
    loss, gradients = mine.gradients(batch)
    exact_loss, exact = umpire.gradients(batch)
    close(f"{net.name}: loss", loss, exact_loss)
    all_close(f"{net.name}: gradients", gradients, exact)
    equal(f"{net.name}: weights after predict and gradients", mine.weights(), weights_of(net))


def same_steps(make, net, optimiser=None, steps=4, rate=0.05, tolerance=EXACT):
    """Hold the losses and the weights after `steps` steps, each at another rate, to the umpire."""
    mine, umpire = pair_of(make, net, optimiser)
    batches, rates = batches_of(net, steps), learning_rates("one_cycle", rate, steps)
    losses = np.concatenate([mine.steps(b, [float(r)]) for b, r in zip(pieces(batches, 1), rates, strict=True)])
    close("losses", losses, umpire.steps(batches, [float(r) for r in rates]), tolerance)
    all_close("weights", mine.weights(), umpire.weights(), tolerance)


@check
def versions(make):
    found = make().versions()
    assert found, "no versions"
    assert all(isinstance(value, str) for value in found.values()), found


@check
def supports(make):
    for net, precision in itertools.product((SMALL, PADDED, NOISE_PAIR), ("float64", "float32", "bfloat16")):
        reason = make().supports(resolved(net), precision)
        assert reason is None or (isinstance(reason, str) and reason), reason
        assert precision == "bfloat16" or reason is None, f"{precision}: {reason}"


@check
def weights_come_back_equal(make):
    for net, precision in itertools.product((PADDED, POOLED, NOISE_PAIR), ("float64", "float32")):
        mine = ready(make(), net, precision=precision)
        expected = {name: array.astype(precision) for name, array in weights_of(net).items()}
        equal(f"{net.name}, {precision}", mine.weights(), expected)


@check
def load_starts_anew(make):
    for optimiser in (SGD, ADAM):
        mine, runs = make(), []
        mine.build(resolved(SMALL), optimiser, "float64", 1, "cpu")
        for _ in range(2):
            mine.load(weights_of(SMALL))
            losses = mine.steps(batches_of(SMALL, 3), [0.1, 0.2, 0.05])
            runs.append({**mine.weights(), "losses": np.asarray(losses)})
        equal(f"second run, {optimiser['type']}", runs[1], runs[0])


@check
def arrays_are_the_callers(make):
    """What is lent is neither kept nor changed, and what is handed out is the caller's own."""
    mine = make()
    mine.build(resolved(SMALL), SGD, "float64", 1, "cpu")
    lent = {name: np.array(array) for name, array in weights_of(SMALL).items()}
    x, y, extra = (np.array(a) if isinstance(a, np.ndarray) else a for a in batches_of(SMALL, 2))
    before = x.copy(), y.copy()
    mine.load(lent)
    for array in lent.values():
        array += 1
    equal("weights after the lent arrays changed", mine.weights(), weights_of(SMALL))
    for array in lent.values():
        array -= 1
    kept = {name: array.copy() for name, array in lent.items()}
    mine.steps((x, y, extra), [0.1, 0.1])
    mine.predict(x[0])
    equal("lent weights after two steps", lent, kept)
    assert np.array_equal(x, before[0]), "steps() or predict() changed x"
    assert np.array_equal(y, before[1]), "steps() changed y"
    handed = {name: np.array(array) for name, array in mine.weights().items()}
    out = mine.weights()
    mine.steps((x, y, extra), [0.1, 0.1])
    equal("handed-out weights after more steps", out, handed)


@check
def padding_residual_batch_norm(make):
    same_pass(make, PADDED)


@check
def pools_valid_normalise_cosine_margin(make):
    same_pass(make, POOLED)


@check
def image_output_mean_squared_error(make):
    same_pass(make, IMAGE)


@check
def activations(make):
    same_pass(make, ACTIVE)


@check
def activations_far_from_zero(make):
    """Some libraries take a short cut there: torch's softplus is off by 2e-9 above 20 unless told otherwise."""
    x = np.append(np.linspace(-40, 40, 33), 20.5)[:, None]
    for kind in ACTIVATIONS:
        net = net_of(Activation(kind=kind), Dense(units=1), shape=(1,), loss=MeanSquaredError())
        mine, umpire = pair_of(make, net)
        distance = np.abs(mine.predict(x) - umpire.predict(x)).max()
        assert distance <= EXACT, f"{kind}: off by {distance:.3g}, expected at most {EXACT:.0e}"


@check
def losses(make):
    for units, loss in (
        (3, SoftmaxCrossEntropy()),
        (3, SoftmaxCrossEntropy(label_smoothing=0.2)),
        (1, BinaryCrossEntropy()),
        (3, BinaryCrossEntropy(label_smoothing=0.1)),
        (3, MeanSquaredError()),
        (3, CosineMargin(classes=4, scale=8.0, angular_margin=2.5)),
        (3, CosineMargin(classes=4, angular_margin=0.0, cosine_margin=0.35)),
    ):
        same_pass(make, net_of(Dense(units=units), shape=(4,), loss=loss, name=loss.type))


@check
def binary_targets_without_an_axis(make):
    net = net_of(Dense(units=1), shape=(4,), loss=BinaryCrossEntropy())
    mine, umpire = pair_of(make, net)
    x, y, extra = batch_of(net)
    close("loss", mine.gradients((x, y[:, 0], extra))[0], umpire.gradients((x, y, extra))[0])


@check
def large_logits(make):
    net = net_of(Rescale(scale=1.0), Dense(units=3), shape=(4,), loss=BinaryCrossEntropy())
    same_pass(make, net)
    same_pass(make, net_of(Rescale(scale=3.0), Dense(units=3), shape=(4,)))


@check
def optimisers(make):
    for name, optimiser in OPTIMISERS.items():
        try:
            same_steps(make, SMALL, optimiser, steps=20)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


@check
def convolutions_learn(make):
    same_steps(make, PADDED, {**SGD, "weight_decay": 1e-3, "nesterov": True})


@check
def a_batch_larger_than_any_slice(make):
    """Libraries and adapters cut large batches up; 70 is a multiple of no power of two above 2."""
    net = net_of(Conv(filters=5), Conv(filters=3, stride=(2, 1)), Flatten(), Dense(units=2), shape=(5, 4, 2))
    mine, umpire = pair_of(make, net)
    batch = batch_of(net, batch=70)
    all_close("gradients", mine.gradients(batch)[1], umpire.gradients(batch)[1])


@check
def many_steps_in_one_call(make):
    mine = ready(make(), SMALL)
    count = max(mine.group, 3)
    batches, rates = batches_of(SMALL, count), [0.01 * (i + 1) for i in range(count)]
    together = np.asarray(mine.steps(batches, rates))
    weights = mine.weights()
    assert together.shape == (count,), f"losses of shape {together.shape}, expected {(count,)}"
    mine.load(weights_of(SMALL))
    x, y, _ = batches
    alone = [mine.step((x[i], y[i], []), rates[i]) for i in range(count)]
    assert all(isinstance(loss, float) for loss in alone), "step() returned something else than a float"
    close("losses", together, alone, 1e-14)
    all_close("weights", weights, mine.weights(), 1e-14)


@check
def dropout(make):
    same_pass(make, DROPPED)
    same_steps(make, DROPPED)


@check
def batch_norm_statistics(make):
    net = net_of(BatchNorm(momentum=0.3, epsilon=0.1), Dense(units=2), shape=(4,))
    mine, umpire = pair_of(make, net)
    batches = batches_of(net, 3)
    mine.steps(batches, [0.1] * 3)
    umpire.steps(batches, [0.1] * 3)
    for role in ("mean", "variance"):
        close(role, mine.weights()["bn1." + role], umpire.weights()["bn1." + role])
    close("predict", mine.predict(batches[0][0]), umpire.predict(batches[0][0]))


@check
def adversarial_with_noise(make):
    same_pair(make, NOISE_PAIR)


@check
def adversarial_with_data(make):
    same_pair(make, DATA_PAIR)


def same_pair(make, net):
    mine, umpire = pair_of(make, net, OPTIMISERS["adamw"])
    batch = batch_of(net)
    x, _, extra = batch
    for part, given in (("generator", extra[1] if extra else x[-1]), ("discriminator", x[-1])):
        close(f"predict, {part}", mine.predict(given, part), umpire.predict(given, part))
    loss, gradients = mine.gradients(batch)
    exact_loss, exact = umpire.gradients(batch)
    close("losses of gradients()", loss, exact_loss)
    all_close("gradients", gradients, exact)
    equal("weights after predict and gradients", mine.weights(), weights_of(net))
    count = max(mine.group, 3)
    batches, rates = batches_of(net, count), [0.01, 0.02, 0.005] + [0.01] * (count - 3)
    close("losses", mine.steps(batches, rates), umpire.steps(batches, rates))
    all_close("weights", mine.weights(), umpire.weights())


@check
def float32_is_close(make):
    mine, umpire = ready(make(), PADDED, precision="float32"), ready(Reference(), PADDED)
    batch = batch_of(PADDED)
    close("predict", mine.predict(batch[0]), umpire.predict(batch[0]), SINGLE)
    loss, gradients = mine.gradients(batch)
    exact_loss, exact = umpire.gradients(batch)
    close("loss", loss, exact_loss, SINGLE)
    for name, exact_gradient in exact.items():  # a bias before BatchNorm has no gradient but rounding: floor 1
        close(f"gradient, {name}", gradients[name], exact_gradient, SINGLE, floor=1.0)
    small, umpire = ready(make(), SMALL, ADAM, "float32"), ready(Reference(), SMALL, ADAM)
    batches = batches_of(SMALL, 3)
    close("losses", small.steps(batches, [0.01] * 3), umpire.steps(batches, [0.01] * 3), SINGLE)
    all_close("weights", small.weights(), umpire.weights(), SINGLE)


@check
def bfloat16_is_near(make):
    if make().supports(resolved(MIXED), "bfloat16"):
        return
    mine, umpire = ready(make(), MIXED, precision="bfloat16"), ready(Reference(), MIXED)
    batches = batches_of(MIXED, 4)
    close("losses", mine.steps(batches, [0.01] * 4), umpire.steps(batches, [0.01] * 4), 0.05)
    for name, array in mine.weights().items():
        assert array.dtype == np.float32, f"{name}: {array.dtype}, expected float32"
        close(name, array, umpire.weights()[name], 0.05, floor=0.5)
    predicted = mine.predict(batches[0][0])
    assert predicted.dtype == np.float32, f"predict: {predicted.dtype}, expected float32"
    close("predict", predicted, umpire.predict(batches[0][0]), 0.05)


@check
def bfloat16_leaves_alone_what_meets_only_padding(make):
    """Torch 2.13 on a CPU gives garbage as the gradient of such weights; training then ends in weights that are no numbers."""
    if make().supports(resolved(BLIND), "bfloat16"):
        return
    mine = ready(make(), BLIND, ADAM, "bfloat16")
    kernel = next(name for name in mine.weights() if name.endswith("kernel"))
    before = mine.weights()[kernel].copy()
    mine.steps(batches_of(BLIND, 3, batch=64), [0.01] * 3)
    moved = mine.weights()[kernel] != before
    assert moved[2, 2].any(), "the middle of the kernel did not learn"
    moved[2, 2] = False
    assert not moved.any(), f"{moved.sum()} weights that meet only padding moved"


@check
def predict_in_any_batch(make):
    mine = ready(make(), MIXED)
    x, _, _ = batch_of(MIXED, batch=9)
    whole = mine.predict(x)
    assert isinstance(whole, np.ndarray), f"{type(whole)}, expected a numpy array"
    assert whole.dtype in (np.float64, np.float32), f"{whole.dtype}, expected float64 or float32"
    for count in (1, 4):
        close(f"{count} of 9", mine.predict(x[:count]), whole[:count])


@check
def floats_through_rescale(make):
    mine, umpire = pair_of(make, IMAGE)
    x = np.random.default_rng(3).uniform(0, 255, (2, *IMAGE.input_shape))
    close("predict", mine.predict(x), umpire.predict(x))


@check
def divergence_is_a_number(make):
    net = net_of(Dense(units=4), Dense(units=2), shape=(4,), loss=MeanSquaredError())
    mine = ready(make(), net)
    losses = np.concatenate([mine.steps(batches_of(net, 1, i), [1e30]) for i in range(8)])
    assert not np.isfinite(losses).all(), f"finite losses {losses} at a rate of 1e30"


@check
def save_native(make):
    mine = ready(make(), PADDED)
    with tempfile.TemporaryDirectory() as folder:
        name = mine.save_native(folder)
        if name is None:
            return
        path = os.path.join(folder, name)
        assert os.path.exists(path), f"{name} was not written"
        assert os.path.isdir(path) or os.path.getsize(path) > 0, f"{name} is empty"


@check
def waits(make):
    mine = ready(make(), SMALL)
    mine.steps(batches_of(SMALL, 1), [0.1])
    mine.wait()


def main(library, names):
    """Run the named checks (all, when none is named) and print one JSON line for each."""
    from quintet_worker.__main__ import set_environment

    set_environment({"threads": 1, "device": "cpu"})
    found = environments.library(library)
    if found.unavailable:
        print(json.dumps({"missing": found.unavailable}), flush=True)
        return
    make = connect(library) if found.retired else functools.partial(create, library)
    for name in names or CHECKS:
        record = {"check": name, "failure": None}
        try:
            with np.errstate(all="ignore"):
                CHECKS[name](make)
        except AssertionError as error:
            record["failure"] = str(error)
        except Exception:
            record["failure"] = traceback.format_exc()
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
    sys.stdout.flush()
    os._exit(0)  # as the worker does: some libraries hang while the interpreter takes itself down
