"""Each trap of the design, put into the umpire's own code and caught on its rung, by the name of what it spoils."""

import copy
import importlib
import importlib.util
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from quintet.errors import NetworkError
from quintet.launch import Result
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
    MaxPool,
    Normalise,
    Rescale,
    Residual,
)  # fmt: skip
from quintet.losses import BinaryCrossEntropy, SoftmaxCrossEntropy
from quintet.network import Adversarial, Net
from quintet.optimiser import SGD, Adam, AdamW, Optimiser
from quintet.parity import Parity, check_parity
from quintet.rungs import RUNGS, climb, read_rungs
from quintet_worker import numpy_losses, wire
from quintet_worker.adapters.adapter import Adapter
from quintet_worker.adapters.reference import Reference
from quintet_worker.ladder import ladder
from quintet_worker.numpy_layers import FORWARD, Run, forward
from quintet_worker.numpy_losses import LOSSES

STEPS = {"float64": 30, "float32": 10}
SAMPLES = 40
MOMENTUM = SGD(momentum=0.9, weight_decay=1e-2)
BATCH_NORM = FORWARD["batch_norm"]

NET = Net(
    name="trapped",
    input_shape=(8, 8, 1),
    layers=(
        Rescale(scale=1 / 255),
        Conv(filters=4, stride=(2, 2)),  # 8 places to 4: the one row of padding goes to the bottom
        BatchNorm(),
        Activation(kind="relu"),
        Conv(filters=6),
        Activation(kind="tanh"),
        MaxPool(),
        Dropout(rate=0.25),
        Flatten(),
        Dense(units=5),
    ),
    loss=SoftmaxCrossEntropy(label_smoothing=0.1),
)


class InProcess:
    """A launcher that climbs in this process: the umpire's jobs with Reference, any other with `make()`."""

    def __init__(self, make: Callable[[], Adapter], threads: int = 1) -> None:
        self.make, self.threads = make, threads
        self.results: dict[str, Result] = {}

    def run(self, job: Path, timeout_s: float, cores=None) -> Result:
        record = wire.read_job(str(job))
        adapter = Reference() if record["library"] == "reference" else self.make()
        with ExitStack() as stack:
            for table, changes in getattr(adapter, "patches", ()):
                stack.enter_context(patch.dict(table, changes))
            adapter.build(record["network"], record["optimiser"], record["precision"], self.threads, "cpu")
            found = ladder(str(job), record, adapter)
        self.results[job.name] = Result(record={**found, "versions": adapter.versions()}, folder=job)
        return self.results[job.name]

    def stop(self) -> None:
        """Nothing runs between two calls."""


def climb_with(
    make: Callable[[], Adapter],
    folder: Path,
    optimiser: Optimiser = MOMENTUM,
    net: Net | Adversarial = NET,
    rate: float = 0.05,
    launcher: InProcess | None = None,
) -> Parity:
    """Return the Parity of the adapter that `make` returns, under the name of torch."""
    rng = np.random.default_rng(7)
    shape = net.input_shape if isinstance(net, Net) else net.discriminator.input_shape
    x = rng.integers(0, 256, (SAMPLES, *shape), dtype=np.uint8) if len(shape) == 3 else rng.random((SAMPLES, *shape))
    y = rng.integers(0, 3, SAMPLES)
    training = [(net, optimiser, rate)]
    launcher = launcher or InProcess(make)
    return check_parity(["torch"], training, x, y, folder, launcher, 1, rng, steps=STEPS, batch_size=8, gentle=False)[0]


class Buggy(Reference):
    """The umpire, ready to be spoilt: `change` edits each layer's record, `patches` are laid over its tables."""

    patches: tuple = ()

    def change(self, layer):
        """Edit one layer's record."""

    def build(self, network, optimiser, precision, threads, device):
        network = copy.deepcopy(network)
        for layer in network["layers"]:
            self.change(layer)
        super().build(network, optimiser, precision, threads, device)


class MomentumInverted(Buggy):
    def change(self, layer):
        if layer["type"] == "batch_norm":
            layer["momentum"] = 1 - layer["momentum"]


class EpsilonOfTorch(Buggy):
    def change(self, layer):
        if layer["type"] == "batch_norm":
            layer["epsilon"] = 1e-5


class UnbiasedVariance(Buggy):
    def _net_pass(self, batch):
        value, run = super()._net_pass(batch)
        old, count = self.parameters["bn1.variance"], len(batch[0]) * 4 * 4
        kept = 0.9 * old
        run.statistics["bn1.variance"] = kept + (run.statistics["bn1.variance"] - kept) * count / (count - 1)
        return value, run


class SymmetricPadding(Buggy):
    def change(self, layer):
        if layer["type"] == "conv":
            layer["pads"] = [[1, 1], [1, 1]]


class FlattenedChannelsFirst(Buggy):
    patches = (
        (
            FORWARD,
            {
                "flatten": lambda layer, x, run: (
                    x.transpose(0, 3, 1, 2).reshape(len(x), -1),
                    lambda dy: dy.reshape(len(x), *x.shape[3:], *x.shape[1:3]).transpose(0, 2, 3, 1),
                )
            },
        ),
    )


def softmax(x):
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def softmax_layer(layer, x, run):
    p = softmax(x)
    return p, lambda dy: p * (dy - (dy * p).sum(1, keepdims=True))


class SoftmaxInTheNetwork(Buggy):
    patches = ((FORWARD, {"softmax": softmax_layer}),)

    def build(self, network, optimiser, precision, threads, device):
        layers = [*network["layers"], {"type": "softmax"}]
        super().build({**network, "layers": layers}, optimiser, precision, threads, device)


def loss_of_probabilities(record, output, y, run):
    p, back = softmax_layer(None, output, run)
    value, d = numpy_losses._softmax_cross_entropy(record, p, y, run)
    return value, back(d)


class SoftmaxTwiceInTheLoss(Buggy):
    patches = ((LOSSES, {"softmax_cross_entropy": loss_of_probabilities}),)


def summed_loss(record, output, y, run):
    value, d = numpy_losses._softmax_cross_entropy(record, output, y, run)
    return value * len(y), d * len(y)


class SummedLoss(Buggy):
    patches = ((LOSSES, {"softmax_cross_entropy": summed_loss}),)


class SmoothingForgotten(Buggy):
    def build(self, network, optimiser, precision, threads, device):
        loss = {**network["loss"], "label_smoothing": 0.0}
        super().build({**network, "loss": loss}, optimiser, precision, threads, device)


def unscaled_dropout(layer, x, run):
    if not run.training:
        return x, lambda dy: dy
    mask = run.masks.pop(0).astype(x.dtype)
    return x * mask, lambda dy: dy * mask


class UnscaledDropout(Buggy):
    patches = ((FORWARD, {"dropout": unscaled_dropout}),)


def constant_statistics(layer, x, run):
    y, back = BATCH_NORM(layer, x, run)
    inverse = 1 / np.sqrt(x.var((0, 1, 2)) + layer["epsilon"])

    def wrong(dy):
        back(dy)
        return (dy * run.get(layer, "scale") * inverse).astype(x.dtype)

    return y, wrong if run.training else back


class StatisticsTakenForConstants(Buggy):
    """The batch's mean and variance are right on the way forward and forgotten on the way back."""

    patches = ((FORWARD, {"batch_norm": constant_statistics}),)


class Float32Rate(Buggy):
    def steps(self, batches, learning_rates):
        return super().steps(batches, [float(np.float32(rate)) for rate in learning_rates])


class Float32Everywhere(Buggy):
    """What JAX does unless it is told not to: the arrays themselves are float32."""

    def build(self, network, optimiser, precision, threads, device):
        super().build(network, optimiser, "float32", threads, device)


class Float32Inside(Buggy):
    """Weights kept in float64, arithmetic done in float32."""

    def _single(self):
        return {name: array.astype(np.float32) for name, array in self.parameters.items()}

    def predict(self, x, part=None):
        return forward(self.network["layers"], x, Run(self._single(), np.dtype(np.float32), training=False))[0]


class OneRatePerGroup(Buggy):
    """Several steps in one call, all with the first one's rate."""

    group = 4

    def steps(self, batches, learning_rates):
        return super().steps(batches, [learning_rates[0]] * len(learning_rates))


class StateKeptByLoad(Buggy):
    def load(self, weights):
        before = getattr(self, "optimisers", None)
        super().load(weights)
        self.optimisers = before or self.optimisers


class WithOptimiser(Buggy):
    """The umpire with another optimiser."""

    kind: type = numpy_losses.Optimiser

    def load(self, weights):
        super().load(weights)
        self.optimisers = {"": self.kind(self.optimiser)}


class AdamBug(numpy_losses.Optimiser):
    def move(self, m, v, rate, r):
        raise NotImplementedError

    def update(self, parameters, gradients, rate):
        self.count += 1
        r = self.record
        for name, g in gradients.items():
            m, v = self.state.get(name, (0, 0))
            m, v = r["beta1"] * m + (1 - r["beta1"]) * g, r["beta2"] * v + (1 - r["beta2"]) * g * g
            self.state[name] = (m, v)
            parameters[name] = (parameters[name] - self.move(m, v, rate, r)).astype(g.dtype)


class EpsilonInTheRootRule(AdamBug):
    def move(self, m, v, rate, r):
        m_hat, v_hat = m / (1 - r["beta1"] ** self.count), v / (1 - r["beta2"] ** self.count)
        return rate * m_hat / np.sqrt(v_hat + r["epsilon"])


class EpsilonInTheRoot(WithOptimiser):
    kind = EpsilonInTheRootRule


class EpsilonBeforeCorrectionRule(AdamBug):
    """Kingma & Ba's short form, at the end of their section 2: the correction is in the rate, epsilon outside of it."""

    def move(self, m, v, rate, r):
        corrected = rate * np.sqrt(1 - r["beta2"] ** self.count) / (1 - r["beta1"] ** self.count)
        return corrected * m / (np.sqrt(v) + r["epsilon"])


class EpsilonBeforeCorrection(WithOptimiser):
    kind = EpsilonBeforeCorrectionRule


class RateInTheVelocityRule(numpy_losses.Optimiser):
    """Keras: v = momentum * v - rate * g; w += v."""

    def update(self, parameters, gradients, rate):
        for name, g in gradients.items():
            decay = self.record["weight_decay"] if name.endswith(".kernel") else 0.0
            v = self.record["momentum"] * self.state.get(name, 0.0) - rate * (g + decay * parameters[name])
            self.state[name] = v
            parameters[name] = parameters[name] + v.astype(g.dtype)


class RateInTheVelocity(WithOptimiser):
    kind = RateInTheVelocityRule


class DecayOnEverythingRule(numpy_losses.Optimiser):
    def update(self, parameters, gradients, rate):
        decay = self.record["weight_decay"]
        extra = {name: g if name.endswith(".kernel") else g + decay * parameters[name] for name, g in gradients.items()}
        super().update(parameters, extra, rate)


class DecayOnEverything(WithOptimiser):
    kind = DecayOnEverythingRule


TRAINED = {p.name for p in NET.parameters() if p.trainable}
NOT_KERNELS = {name for name in TRAINED if not name.endswith(".kernel")}
EVERYTHING = TRAINED | {"bn1.mean", "bn1.variance"}
LOSS, OUTPUT = {"loss"}, {"net"}

# adapter, optimiser, the rung on which it must be caught, what may be named
TRAPS = [
    (MomentumInverted, MOMENTUM, "step_1", {"bn1.mean", "bn1.variance"}),
    (EpsilonOfTorch, MOMENTUM, "outputs", OUTPUT),
    (UnbiasedVariance, MOMENTUM, "step_1", {"bn1.variance"}),
    (SymmetricPadding, MOMENTUM, "outputs", OUTPUT),
    (FlattenedChannelsFirst, MOMENTUM, "outputs", OUTPUT),
    (SoftmaxInTheNetwork, MOMENTUM, "outputs", OUTPUT),
    (SoftmaxTwiceInTheLoss, MOMENTUM, "loss", LOSS),
    (SummedLoss, MOMENTUM, "loss", LOSS),
    (SmoothingForgotten, MOMENTUM, "loss", LOSS),
    (UnscaledDropout, MOMENTUM, "loss", LOSS),
    (StatisticsTakenForConstants, MOMENTUM, "gradients", {"conv1.kernel", "conv1.bias"}),
    (EpsilonInTheRoot, Adam(), "step_1", TRAINED),
    (EpsilonBeforeCorrection, Adam(), "step_1", TRAINED),
    (DecayOnEverything, MOMENTUM, "step_1", NOT_KERNELS),
    (DecayOnEverything, Adam(weight_decay=1e-2), "step_1", NOT_KERNELS),
    (StateKeptByLoad, MOMENTUM, "step_1", TRAINED),
    (StateKeptByLoad, Adam(), "step_1", TRAINED),
    (RateInTheVelocity, MOMENTUM, "step_n", EVERYTHING),
    (OneRatePerGroup, MOMENTUM, "step_n", EVERYTHING),
]


@pytest.mark.parametrize(
    ("adapter", "optimiser", "rung", "names"), TRAPS, ids=[f"{bug.__name__}-{o.type}" for bug, o, _, _ in TRAPS]
)
def test_a_trap_is_caught_on_its_rung(tmp_path, adapter, optimiser, rung, names):
    parity = climb_with(adapter, tmp_path, optimiser)
    last = parity.float64[0].rungs[-1]
    assert not parity.float64[0].passed
    assert (last.name, last.fault) == (rung, None), parity.first_failure
    assert last.worst_parameter in names
    assert f"rung {rung}, {last.worst_parameter}: relative difference" in (parity.first_failure or "")
    # Float32 catches each of these too, though Adam's first step, nearly a sign, may hide one until the last rung.
    assert not parity.float32[0].passed
    assert RUNGS.index(parity.float32[0].rungs[-1].name) >= RUNGS.index(rung)


@pytest.mark.parametrize(
    "optimiser", [MOMENTUM, SGD(momentum=0.9, nesterov=True), Adam(), AdamW()], ids=lambda o: o.type
)
@pytest.mark.parametrize("group", [1, 4])
def test_the_umpire_itself_passes_every_rung(tmp_path, optimiser, group):
    control = type("Control", (WithOptimiser,), {"group": group})
    parity = climb_with(control, tmp_path, optimiser)
    assert parity.passed
    assert parity.first_failure is None
    assert parity.float64[0].max_relative_difference == 0  # the same code: whatever else is caught is the bug's doing


def test_a_rate_rounded_to_float32_fails_in_float64_and_is_invisible_in_float32(tmp_path):
    parity = climb_with(Float32Rate, tmp_path)
    assert parity.float64[0].rungs[-1].name == "step_1"
    assert parity.float64[0].rungs[-1].worst_parameter in TRAINED
    assert 1e-12 < (parity.float64[0].max_relative_difference or 0) < 1e-7
    assert parity.float32[0].passed


def test_float32_arrays_in_a_float64_run_fail_on_the_first_rung(tmp_path):
    parity = climb_with(Float32Everywhere, tmp_path)
    assert "rung weights, conv1.kernel: received float32, expected float64" in (parity.float64[0].first_failure or "")
    assert parity.float32[0].passed


def test_float32_arithmetic_on_float64_weights_fails_on_the_outputs(tmp_path):
    parity = climb_with(Float32Inside, tmp_path)
    assert (parity.float64[0].rungs[-1].name, parity.float64[0].rungs[-1].worst_parameter) == ("outputs", "net")


def test_a_pair_is_climbed_too_and_its_trap_is_named_with_its_network(tmp_path):
    judged = (Dense(units=8), Activation(kind="leaky_relu"), Dense(units=1))
    made = (Dense(units=8), BatchNorm(), Activation(kind="relu"), Dense(units=6))
    critic = Net(name="d", input_shape=(6,), layers=judged, loss=BinaryCrossEntropy())
    maker = Net(name="g", input_shape=(3,), layers=made, loss=BinaryCrossEntropy())
    pair = Adversarial(name="pair", generator=maker, discriminator=critic, critic_steps=2)

    class Inverted(Reference):
        def build(self, network, optimiser, precision, threads, device):
            network = copy.deepcopy(network)
            network["generator"]["layers"][1]["momentum"] = 0.1
            super().build(network, optimiser, precision, threads, device)

    assert climb_with(Reference, tmp_path / "control", Adam(), pair, 1e-3).passed
    rung = climb_with(Inverted, tmp_path / "trap", Adam(), pair, 1e-3).float64[0].rungs[-1]
    assert rung.name == "step_1"
    assert rung.worst_parameter in ("generator.bn1.mean", "generator.bn1.variance")


def torch_adapter() -> Adapter:
    pytest.importorskip("torch", reason="torch is not installed: quintet libraries")
    return importlib.import_module("quintet_worker.adapters.torch").ADAPTER()


def test_two_thread_counts_of_torch_agree_within_the_float64_tolerance(tmp_path):
    torch_adapter()
    runs = {}
    for threads in (1, 2):
        launcher = InProcess(torch_adapter, threads)
        assert climb_with(torch_adapter, tmp_path / str(threads), launcher=launcher).passed
        runs[threads] = read_rungs(launcher.results["1-float64-torch"])
    rungs = climb(runs[2], runs[1], "float64", MOMENTUM)
    assert all(rung.passed for rung in rungs), rungs[-1].sentence()


@st.composite
def small_nets(draw):
    """Networks of one to four random layers between the input and a Dense layer."""
    filters = st.integers(1, 4)
    kernels = st.tuples(st.integers(1, 3), st.integers(1, 3))
    conv = st.builds(
        Conv, filters=filters, kernel=kernels, stride=st.tuples(st.integers(1, 2), st.integers(1, 2)),
        padding=st.sampled_from(["same", "valid"]), bias=st.booleans(),
    )  # fmt: skip
    layer = st.one_of(
        conv,
        st.builds(Activation, kind=st.sampled_from(ACTIVATIONS)),
        st.just(BatchNorm(momentum=0.8)),
        st.sampled_from(
            [MaxPool(), AveragePool(), MaxPool(size=(3, 2), stride=(2, 1)), AveragePool(size=(3, 3), stride=(1, 2))]
        ),
        st.builds(Dropout, rate=st.sampled_from([0.25, 0.5])),
        st.just(Residual(layers=(BatchNorm(), Activation(kind="silu")))),
        filters.map(lambda n: Residual(layers=(Conv(filters=n),), shortcut=(Conv(filters=n, kernel=(1, 1)),))),
    )
    body = draw(st.lists(layer, min_size=1, max_size=4))
    end = draw(st.sampled_from([(Flatten(),), (GlobalAveragePool(),), (Flatten(), Normalise())]))
    shape = (draw(st.integers(4, 7)), draw(st.integers(4, 7)), draw(st.integers(1, 3)))
    layers = (Rescale(scale=1 / 255, offset=-0.5), *body, *end, Dense(units=4))
    try:
        return Net(name="random", input_shape=shape, layers=layers, loss=SoftmaxCrossEntropy())
    except NetworkError:
        assume(False)
        raise


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(net=small_nets())
def test_any_small_network_passes_with_the_umpire_and_with_torch(tmp_path_factory, net):
    assert climb_with(Reference, tmp_path_factory.mktemp("reference"), MOMENTUM, net).passed
    if importlib.util.find_spec("torch"):
        outcome = climb_with(torch_adapter, tmp_path_factory.mktemp("torch"), MOMENTUM, net).float64[0]
        assert outcome.passed, outcome.first_failure
