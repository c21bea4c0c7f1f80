"""What every adapter must do, as plain functions: `python contract.py LIBRARY` runs them all in one fresh process.

Rules
* Each function of CHECKS takes `make` (a new, unbuilt adapter) and raises AssertionError with what it found.
* The umpire is the numpy reference in float64; all inputs come from fixed seeds and are read-only.
* One JSON line per check goes to standard output; test_adapters.py turns them into one test each.
Not for speed, nor for 500 steps: that is `quintet parity`.
"""

import itertools
import json
import os
import sys
import tempfile
import traceback

import numpy as np

from quintet.batches import learning_rates
from quintet.layers import (
    ACTIVATIONS, Activation, AveragePool, BatchNorm, Conv, Dense, Dropout, Flatten, GlobalAveragePool, MaxPool,
    Normalise, Rescale, Residual,
)  # fmt: skip
from quintet.losses import BinaryCrossEntropy, CosineMargin, MeanSquaredError, SoftmaxCrossEntropy
from quintet.network import Adversarial, Net
from quintet.network_json import resolved
from quintet.weights import initial_weights
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
BATCH = 6


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


def frozen(array):
    """Return `array`, read-only: whoever writes to what it was lent is found out."""
    array = np.asarray(array)
    array.flags.writeable = False
    return array


def net_of(*layers, shape, loss=None, name="net"):
    return Net(name=name, input_shape=shape, layers=layers, loss=loss or SoftmaxCrossEntropy())


PADDED = net_of(  # "same" padding with strides 1 and 2, odd and even sides, symmetric and not; both kinds of Residual
    Rescale(scale=(1 / 255, 1 / 128), offset=(-0.1, 0.2)),
    Conv(filters=4, kernel=(3, 2), stride=(2, 2)),
    BatchNorm(momentum=0.6, epsilon=1e-2),
    Activation(kind="relu"),
    Residual(layers=(Conv(filters=4, bias=False), BatchNorm(), Activation(kind="tanh"), Conv(filters=4, kernel=(4, 2)))),
    Residual(layers=(Conv(filters=5, stride=(2, 2)),), shortcut=(Conv(filters=5, kernel=(1, 1), stride=(2, 2)),)),
    Flatten(),
    Dense(units=5),
    shape=(9, 8, 2), loss=SoftmaxCrossEntropy(label_smoothing=0.1), name="padded",
)  # fmt: skip
POOLED = net_of(  # "valid" padding, every pool, overlapping and gappy windows
    Conv(filters=3, kernel=(2, 3), stride=(2, 1), padding="valid"),
    Activation(kind="softsign"),
    AveragePool(size=(2, 2), stride=(1, 1)),
    Conv(filters=4, kernel=(4, 4)),
    MaxPool(size=(3, 2), stride=(2, 1)),
    Conv(filters=5, kernel=(2, 2), padding="valid", bias=False),
    Normalise(epsilon=1e-6),
    GlobalAveragePool(),
    Normalise(),
    shape=(14, 9, 1), loss=CosineMargin(classes=4), name="pooled",
)  # fmt: skip
IMAGE = net_of(  # an image as output; a window smaller than its stride; the plain pools, with a remainder
    Rescale(scale=1 / 255, offset=-0.5),
    Conv(filters=3, kernel=(1, 2), stride=(3, 2)),
    MaxPool(),
    Conv(filters=2, kernel=(5, 3)),
    AveragePool(),
    shape=(17, 20, 1), loss=MeanSquaredError(), name="image",
)  # fmt: skip
ACTIVE = net_of(  # every activation, two side by side
    *itertools.chain.from_iterable(
        (
            Dense(units=6),
            Residual(
                layers=(Activation(kind=a),),
                shortcut=(Activation(kind=b, alpha=0.3) if b == "leaky_relu" else Activation(kind=b),),
            ),
        )
        for a, b in itertools.zip_longest(ACTIVATIONS[:6], ACTIVATIONS[6:], fillvalue="leaky_relu")
    ),
    shape=(4,), loss=MeanSquaredError(), name="active",
)  # fmt: skip
SMALL = net_of(
    Dense(units=6, bias=False), BatchNorm(momentum=0.7, epsilon=1e-2), Activation(kind="tanh"), Dense(units=3), shape=(4,)
)
DROPPED = net_of(
    Rescale(scale=1 / 255),
    Conv(filters=3),
    Dropout(rate=0.25),
    Residual(layers=(Dropout(rate=0.4), Conv(filters=3)), shortcut=(Dropout(rate=0.1),)),
    Dropout(rate=0.0),
    Flatten(),
    Dropout(rate=0.5),
    Dense(units=3),
    shape=(5, 4, 1),
)
NOISE_PAIR = Adversarial(
    name="noise pair",
    generator=net_of(
        Dense(units=8, bias=False), BatchNorm(momentum=0.8), Activation(kind="relu"), Dense(units=5),
        shape=(3,), loss=MeanSquaredError(),
    ),
    discriminator=net_of(
        Dense(units=8), Activation(kind="leaky_relu", alpha=0.2), BatchNorm(momentum=0.6), Dense(units=1),
        shape=(5,), loss=BinaryCrossEntropy(),
    ),
    critic_steps=2,
)  # fmt: skip
DATA_PAIR = Adversarial(
    name="data pair",
    generator=net_of(Dense(units=3), Activation(kind="elu"), Dense(units=5), shape=(5,), loss=MeanSquaredError()),
    discriminator=net_of(
        Dense(units=4), Activation(kind="tanh"), Dense(units=1), shape=(5,), loss=BinaryCrossEntropy()
    ),
    generator_input="data",
    reconstruction_weight=2.5,
)


def weights_of(net, seed=0):
    """Return weights with no zeros and no ones: an ignored bias or scale would be seen."""
    rng = np.random.default_rng(seed)
    weights = initial_weights(net, rng)
    for name, array in weights.items():
        if not name.endswith("kernel"):
            shift = rng.uniform(0.2, 0.6, array.shape)
            weights[name] = array + shift * np.where(rng.random(array.shape) < 0.5, -1, 1)
    return {name: frozen(array) for name, array in weights.items()}


def batches_of(net, steps, seed=1, batch=BATCH):
    """Return (x, y, extra) with a leading axis of `steps`; bytes for a network that begins with Rescale."""
    rng = np.random.default_rng(seed)
    if isinstance(net, Adversarial):
        many = (steps, net.critic_steps, batch)
        x, z = net.discriminator.input_shape, net.generator.input_shape
        noise = [rng.standard_normal(many + z), rng.standard_normal((steps, batch, *z))]
        return frozen(rng.standard_normal(many + x)), None, noise if net.generator_input == "noise" else []
    shape = (steps, batch, *net.input_shape)
    stored = isinstance(net.layers[0], Rescale)
    x = rng.integers(0, 256, shape, dtype=np.uint8) if stored else rng.standard_normal(shape)
    classes = getattr(net.loss, "classes", net.output_shape[0])
    of_class = isinstance(net.loss, SoftmaxCrossEntropy | CosineMargin)
    y = rng.integers(0, classes, (steps, batch)) if of_class else rng.random((steps, batch, *net.output_shape))
    dropouts = [p for top in net.placed() for p in top.walk() if isinstance(p.layer, Dropout) and p.layer.rate]
    masks = [rng.integers(0, 2, (steps, batch, *p.input_shape), dtype=np.uint8) for p in dropouts]
    return frozen(x), frozen(y), [frozen(mask) for mask in masks]


def batch_of(net, seed=1, batch=BATCH):
    """Return one batch."""
    x, y, extra = batches_of(net, 1, seed, batch)
    return x[0], None if y is None else y[0], [array[0] for array in extra]


def pieces(batches, count):
    """Yield `batches` cut into runs of `count` steps."""
    x, y, extra = batches
    for first in range(0, len(x), count):
        part = slice(first, first + count)
        yield x[part], None if y is None else y[part], [array[part] for array in extra]


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


def versions(make):
    found = make().versions()
    assert found, "no versions"
    assert all(isinstance(value, str) for value in found.values()), found


def supports(make):
    for net, precision in itertools.product((SMALL, PADDED, NOISE_PAIR), ("float64", "float32", "bfloat16")):
        reason = make().supports(resolved(net), precision)
        assert reason is None or (isinstance(reason, str) and reason), reason
        assert precision == "bfloat16" or reason is None, f"{precision}: {reason}"


def weights_come_back_equal(make):
    for net, precision in itertools.product((PADDED, POOLED, NOISE_PAIR), ("float64", "float32")):
        mine = ready(make(), net, precision=precision)
        expected = {name: array.astype(precision) for name, array in weights_of(net).items()}
        equal(f"{net.name}, {precision}", mine.weights(), expected)


def load_starts_anew(make):
    for optimiser in (SGD, ADAM):
        mine, runs = make(), []
        mine.build(resolved(SMALL), optimiser, "float64", 1, "cpu")
        for _ in range(2):
            mine.load(weights_of(SMALL))
            losses = mine.steps(batches_of(SMALL, 3), [0.1, 0.2, 0.05])
            runs.append({**mine.weights(), "losses": np.asarray(losses)})
        equal(f"second run, {optimiser['type']}", runs[1], runs[0])


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


def padding_residual_batch_norm(make):
    same_pass(make, PADDED)


def pools_valid_normalise_cosine_margin(make):
    same_pass(make, POOLED)


def image_output_mean_squared_error(make):
    same_pass(make, IMAGE)


def activations(make):
    same_pass(make, ACTIVE)


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


def binary_targets_without_an_axis(make):
    net = net_of(Dense(units=1), shape=(4,), loss=BinaryCrossEntropy())
    mine, umpire = pair_of(make, net)
    x, y, extra = batch_of(net)
    close("loss", mine.gradients((x, y[:, 0], extra))[0], umpire.gradients((x, y, extra))[0])


def large_logits(make):
    net = net_of(Rescale(scale=1.0), Dense(units=3), shape=(4,), loss=BinaryCrossEntropy())
    same_pass(make, net)
    same_pass(make, net_of(Rescale(scale=3.0), Dense(units=3), shape=(4,)))


def optimisers(make):
    for name, optimiser in OPTIMISERS.items():
        try:
            same_steps(make, SMALL, optimiser, steps=20)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from None


def convolutions_learn(make):
    same_steps(make, PADDED, {**SGD, "weight_decay": 1e-3, "nesterov": True})


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


def dropout(make):
    same_pass(make, DROPPED)
    same_steps(make, DROPPED)


def batch_norm_statistics(make):
    net = net_of(BatchNorm(momentum=0.3, epsilon=0.1), Dense(units=2), shape=(4,))
    mine, umpire = pair_of(make, net)
    batches = batches_of(net, 3)
    mine.steps(batches, [0.1] * 3)
    umpire.steps(batches, [0.1] * 3)
    for role in ("mean", "variance"):
        close(role, mine.weights()["bn1." + role], umpire.weights()["bn1." + role])
    close("predict", mine.predict(batches[0][0]), umpire.predict(batches[0][0]))


def adversarial_with_noise(make):
    same_pair(make, NOISE_PAIR)


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


def float32_is_close(make):
    for net in (PADDED, POOLED):
        mine, umpire = ready(make(), net, precision="float32"), ready(Reference(), net)
        batch = batch_of(net)
        close("predict", mine.predict(batch[0]), umpire.predict(batch[0]), SINGLE)
        loss, gradients = mine.gradients(batch)
        exact_loss, exact = umpire.gradients(batch)
        close("loss", loss, exact_loss, SINGLE)
        for name, exact_gradient in exact.items():  # a bias before BatchNorm has no gradient but rounding: floor 1
            close(f"gradient, {name}", gradients[name], exact_gradient, SINGLE, floor=1.0)
        losses = mine.steps(tuple(a[None] if isinstance(a, np.ndarray) else a for a in batch), [0.1])
        close("loss of a step", losses[0], exact_loss, SINGLE)


def bfloat16_is_near(make):
    if make().supports(resolved(PADDED), "bfloat16"):
        return
    for net in (PADDED, DROPPED, NOISE_PAIR):
        mine, umpire = ready(make(), net, precision="bfloat16"), ready(Reference(), net)
        batches = batches_of(net, 4)
        close(f"{net.name}: losses", mine.steps(batches, [0.01] * 4), umpire.steps(batches, [0.01] * 4), 0.05)
        for name, array in mine.weights().items():
            assert array.dtype == np.float32, f"{net.name}, {name}: {array.dtype}, expected float32"
            close(f"{net.name}, {name}", array, umpire.weights()[name], 0.05, floor=0.5)


def predict_in_any_batch(make):
    mine = ready(make(), PADDED)
    x, _, _ = batch_of(PADDED, batch=9)
    whole = mine.predict(x)
    assert isinstance(whole, np.ndarray), f"{type(whole)}, expected a numpy array"
    assert whole.dtype in (np.float64, np.float32), f"{whole.dtype}, expected float64 or float32"
    for count in (1, 4):
        close(f"{count} of 9", mine.predict(x[:count]), whole[:count])


def floats_through_rescale(make):
    mine, umpire = pair_of(make, IMAGE)
    x = np.random.default_rng(3).uniform(0, 255, (2, *IMAGE.input_shape))
    close("predict", mine.predict(x), umpire.predict(x))


def divergence_is_a_number(make):
    net = net_of(Dense(units=4), Dense(units=2), shape=(4,), loss=MeanSquaredError())
    mine = ready(make(), net)
    losses = np.concatenate([mine.steps(batches_of(net, 1, i), [1e30]) for i in range(8)])
    assert not np.isfinite(losses).all(), f"finite losses {losses} at a rate of 1e30"


def save_native(make):
    mine = ready(make(), PADDED)
    with tempfile.TemporaryDirectory() as folder:
        name = mine.save_native(folder)
        if name is None:
            return
        path = os.path.join(folder, name)
        assert os.path.exists(path), f"{name} was not written"
        assert os.path.isdir(path) or os.path.getsize(path) > 0, f"{name} is empty"


def waits(make):
    mine = ready(make(), SMALL)
    mine.steps(batches_of(SMALL, 1), [0.1])
    mine.wait()


CHECKS = {
    check.__name__: check
    for check in (
        versions, supports, weights_come_back_equal, load_starts_anew, arrays_are_the_callers,
        padding_residual_batch_norm, pools_valid_normalise_cosine_margin, image_output_mean_squared_error, activations,
        losses, binary_targets_without_an_axis, large_logits, optimisers, convolutions_learn, many_steps_in_one_call,
        dropout, batch_norm_statistics, adversarial_with_noise, adversarial_with_data, float32_is_close,
        bfloat16_is_near, predict_in_any_batch, floats_through_rescale, divergence_is_a_number, save_native, waits,
    )
}  # fmt: skip


def main(library, names):
    """Run the named checks (all, when none is named) and print one JSON line for each."""
    from quintet_worker.__main__ import set_environment

    set_environment({"threads": 1, "device": "cpu"})
    try:
        create(library)
    except ImportError as error:
        print(json.dumps({"missing": f"{library} cannot be imported here: {error}"}), flush=True)
        return
    for name in names or CHECKS:
        record = {"check": name, "failure": None}
        try:
            with np.errstate(all="ignore"):
                CHECKS[name](lambda: create(library))
        except AssertionError as error:
            record["failure"] = str(error)
        except Exception:
            record["failure"] = traceback.format_exc()
        print(json.dumps(record), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
    sys.stdout.flush()
    os._exit(0)  # as the worker does: some libraries hang while the interpreter takes itself down
