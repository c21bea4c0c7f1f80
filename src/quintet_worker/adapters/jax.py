"""JAX: one compiled step with donated buffers, called eight times before anything is read.

The steps are a Python loop and no lax.scan: inside a while loop XLA's CPU compiler leaves the fast convolution
(https://github.com/jax-ml/jax/issues/12868). 64-bit types are enabled throughout, so each array names its type.
"""

# pyright takes `import jax` here for this very file, and None for the type of parameters that only some layers have.
# pyright: reportAttributeAccessIssue=false, reportIncompatibleMethodOverride=false, reportArgumentType=false
# pyright: reportPossiblyUnboundVariable=false, reportOptionalMemberAccess=false

import math
import os

import numpy as np

from quintet_worker.adapters.adapter import Adapter
from quintet_worker.jax_windows import convolution, max_pool, slices

PARTS = ("discriminator", "generator")
BCE = {"type": "binary_cross_entropy", "label_smoothing": 0.0}
TINY = 1e-12


class Jax(Adapter):
    """JAX on XLA."""

    name = "jax"
    precisions = ("float64", "float32", "bfloat16")
    group = 8

    def __init__(self):
        import jax

        jax.config.update("jax_enable_x64", True)
        self.jax, self.jnp, self.lax = jax, jax.numpy, jax.lax

    def versions(self):
        import jaxlib

        return {"jax": self.jax.__version__, "jaxlib": jaxlib.__version__}  # pyright: ignore[reportPrivateImportUsage]

    def build(self, network, optimiser, precision, threads, device):
        # XLA sizes its thread pool by this, once, when the first array is made: a second build() cannot change it.
        os.environ["PJRT_NPROC"] = str(threads)
        jax, jnp, self.on_cpu = self.jax, self.jnp, device == "cpu"
        if self.on_cpu:
            jax.config.update("jax_platforms", "cpu")
        else:
            jax.config.update("jax_default_matmul_precision", "highest")  # else float32 is TF32 on recent GPUs
        self.network, self.optimiser, self.pair = network, optimiser, network["format"] == "quintet-adversarial"
        self.dtype = jnp.float64 if precision == "float64" else jnp.float32
        self.compute = jnp.bfloat16 if precision == "bfloat16" else self.dtype
        self.trained = {}
        for part in PARTS if self.pair else ("",):
            records = (network[part] if part else network)["parameters"]
            self.trained[part] = [_prefix(part) + record["name"] for record in records if record["trainable"]]
        self.compiled_step = jax.jit(self._pair_step if self.pair else self._net_step, donate_argnums=(0, 1))
        self.compiled_gradients = jax.jit(self._pair_gradients if self.pair else self._net_gradients)
        self.compiled_predict = jax.jit(self._predict, static_argnums=0)

    def load(self, weights):
        # From numpy arrays of the right type: whatever jax.numpy converts or fills is compiled first, shape by shape.
        given = {name: np.asarray(array, self.dtype) for name, array in weights.items()}
        moments = 1 if self.optimiser["type"] == "sgd" else 2
        trained = [name for names in self.trained.values() for name in names]
        self.values = {name: self.jnp.array(array) for name, array in given.items()}
        self.state = {name: [self.jnp.array(np.zeros_like(given[name])) for _ in range(moments)] for name in trained}
        self.count = 0

    def steps(self, batches, learning_rates):
        x, y, extra = batches
        losses = []
        for i, rate in enumerate(learning_rates):
            batch = (x[i], None if y is None else y[i], [array[i] for array in extra])
            self.values, self.state, loss = self.compiled_step(self.values, self.state, batch, self._scalars(rate))
            self.count += 1
            losses.append(loss)
        return np.array(self.jax.device_get(losses), np.float64)

    def gradients(self, batch):
        loss, gradients = self.compiled_gradients(self.values, batch)
        return np.array(loss, np.float64), {name: np.array(gradient) for name, gradient in gradients.items()}

    def predict(self, x, part=None):
        return np.array(self.compiled_predict(part or "", self.values, x))

    def weights(self):
        # Copies: np.asarray() would give a view of memory that the next step is free to use again.
        return {name: np.array(array) for name, array in self.values.items()}

    def wait(self):
        self.jax.block_until_ready((self.values, self.state))

    def save_native(self, path):
        """Write a .npz: JAX has no format of its own, its users' checkpoints are arrays by name."""
        np.savez(os.path.join(path, "model.npz"), **self.weights())
        return "model.npz"

    def _scalars(self, rate):
        """Return what changes from update to update: of a pair's discriminator, then of the generator or only network.

        Python floats keep every bit and take on the arrays' type.
        """
        record, critic = self.optimiser, self.network["critic_steps"] if self.pair else 0
        if record["type"] == "sgd":
            return [(rate,)] * critic, (rate,)
        decay = rate * record["weight_decay"]

        def of_update(count):
            return (rate, 1 - record["beta1"] ** count, 1 - record["beta2"] ** count, decay)

        return [of_update(self.count * critic + k + 1) for k in range(critic)], of_update(self.count + 1)

    def _update(self, values, state, gradients, scalars):
        """Return (values, state) after one update of the parameters that `gradients` names."""
        values, state, record = dict(values), dict(state), self.optimiser
        for name, g in gradients.items():
            w, decay = values[name], record["weight_decay"] if name.endswith(".kernel") else 0.0
            if decay and record["type"] != "adamw":
                g = g + decay * w
            if record["type"] == "sgd":
                v = record["momentum"] * state[name][0] + g
                state[name] = [v]
                values[name] = w - scalars[0] * (g + record["momentum"] * v if record["nesterov"] else v)
                continue
            rate, m_part, v_part, rate_times_decay = scalars
            m = record["beta1"] * state[name][0] + (1 - record["beta1"]) * g
            v = record["beta2"] * state[name][1] + (1 - record["beta2"]) * g * g
            state[name] = [m, v]
            moved = w - rate * (m / m_part) / (self.jnp.sqrt(v / v_part) + record["epsilon"])
            values[name] = moved - rate_times_decay * w if decay and record["type"] == "adamw" else moved
        return values, state

    def _predict(self, part, values, x):
        return self._forward(part, values, x, False)[0]

    def _forward(self, part, values, x, training, masks=()):
        """Return (output, {name: new running statistic})."""
        run = _Pass(values, training, masks, _prefix(part))
        x = x if x.dtype == np.uint8 else x.astype(self.dtype)
        layers = (self.network[part] if part else self.network)["layers"]
        return self._through(layers, x, run).astype(self.dtype), run.statistics

    def _differentiated(self, part, function, values):
        """Return ((loss, statistics), gradients) of `function(values)` by the trained parameters of `part`."""
        trained = {name: values[name] for name in self.trained[part]}
        return self.jax.value_and_grad(lambda t: function(dict(values, **t)), has_aux=True)(trained)

    def _net_pass(self, values, batch):
        x, y, masks = batch

        def value(values):
            output, statistics = self._forward("", values, x, True, masks)
            return self._loss(self.network["loss"], output, y, values), statistics

        return self._differentiated("", value, values)

    def _net_gradients(self, values, batch):
        (loss, _), gradients = self._net_pass(values, batch)
        return loss, gradients

    def _net_step(self, values, state, batch, scalars):
        (loss, statistics), gradients = self._net_pass(values, batch)
        values, state = self._update(values, state, gradients, scalars[1])
        return dict(values, **statistics), state, loss

    def _pair_inputs(self, batch):
        x, _, extra = batch
        x = x.astype(self.dtype)
        return [x] + ([array.astype(self.dtype) for array in extra] if extra else [x, x[-1]])

    def _discriminator_pass(self, values, x, z):
        def value(values):
            fake, _ = self._forward("generator", values, z, True)
            real, statistics = self._forward("discriminator", values, x, True)
            judged, statistics = self._forward("discriminator", dict(values, **statistics), fake, True)
            ones, zeros = self.jnp.ones_like(real), self.jnp.zeros_like(judged)
            return self._loss(BCE, real, ones, values) + self._loss(BCE, judged, zeros, values), statistics

        return self._differentiated("discriminator", value, values)

    def _generator_pass(self, values, x, z):
        def value(values):
            fake, statistics = self._forward("generator", values, z, True)
            judged, _ = self._forward("discriminator", values, fake, True)
            loss = self._loss(BCE, judged, self.jnp.ones_like(judged), values)
            weight = self.network["reconstruction_weight"]
            if weight:
                loss = loss + weight * self._loss({"type": "mean_squared_error"}, fake, x, values)
            return loss, statistics

        return self._differentiated("generator", value, values)

    def _pair_gradients(self, values, batch):
        x, noise, generator_noise = self._pair_inputs(batch)
        (d_loss, _), d_gradients = self._discriminator_pass(values, x[0], noise[0])
        (g_loss, _), g_gradients = self._generator_pass(values, x[-1], generator_noise)
        return self.jnp.stack((g_loss, d_loss)), dict(d_gradients, **g_gradients)

    def _pair_step(self, values, state, batch, scalars):
        x, noise, generator_noise = self._pair_inputs(batch)
        for i in range(len(x)):
            (d_loss, statistics), gradients = self._discriminator_pass(values, x[i], noise[i])
            values, state = self._update(values, state, gradients, scalars[0][i])
            values.update(statistics)
        (g_loss, statistics), gradients = self._generator_pass(values, x[-1], generator_noise)
        values, state = self._update(values, state, gradients, scalars[1])
        return dict(values, **statistics), state, self.jnp.stack((g_loss, d_loss))

    def _loss(self, record, output, y, values):
        jnp, nn = self.jnp, self.jax.nn
        if record["type"] == "softmax_cross_entropy":
            classes, smoothing = output.shape[1], record["label_smoothing"]
            target = nn.one_hot(y, classes, dtype=self.dtype) * (1 - smoothing) + smoothing / classes
            return -(target * nn.log_softmax(output)).sum(1).mean()
        if record["type"] == "cosine_margin":
            return self._cosine_margin(record, output, y, values["loss.kernel"])
        y = y.astype(self.dtype).reshape(output.shape)
        if record["type"] == "mean_squared_error":
            return jnp.square(output - y).mean()
        smoothing = record["label_smoothing"]
        return (nn.softplus(output) - (y * (1 - smoothing) + smoothing / 2) * output).mean()

    def _cosine_margin(self, record, output, y, kernel):
        jnp, margin = self.jnp, record["angular_margin"]
        cosine = self._unit(output, 1, TINY) @ self._unit(kernel, 0, TINY)
        hit = self.jax.nn.one_hot(y, record["classes"], dtype=self.dtype)
        true = (cosine * hit).sum(1, keepdims=True)
        sine = jnp.sqrt(jnp.maximum(1 - true * true, TINY))
        turned = true * math.cos(margin) - sine * math.sin(margin)
        inside = true > math.cos(math.pi - margin)
        true = jnp.where(inside, turned, true - margin * math.sin(margin)) - record["cosine_margin"]
        logits = record["scale"] * jnp.where(hit > 0, true, cosine)
        return -(hit * self.jax.nn.log_softmax(logits)).sum(1).mean()

    def _unit(self, x, axis, epsilon):
        return x / self.jnp.sqrt((x * x).sum(axis, keepdims=True) + epsilon)

    def _through(self, layers, x, run):
        for layer in layers:
            x = getattr(self, "_" + layer["type"])(layer, x, run)
        return x

    def _rescale(self, layer, x, run):
        scale, offset = (np.asarray(layer[key], self.dtype) for key in ("scale", "offset"))
        return x.astype(self.dtype) * scale + offset

    def _conv(self, layer, x, run):
        kernel, bias = run.get(layer, "kernel").astype(self.compute), run.get(layer, "bias")
        y = convolution(self.jax, layer["stride"], layer["pads"], self.on_cpu)(x.astype(self.compute), kernel)
        return y if bias is None else y + bias.astype(self.compute)

    def _dense(self, layer, x, run):
        kernel, bias = run.get(layer, "kernel").astype(self.compute), run.get(layer, "bias")
        y = x.astype(self.compute) @ kernel
        return y if bias is None else y + bias.astype(self.compute)

    def _activation(self, layer, x, run):
        kind, nn = layer["kind"], self.jax.nn
        if kind == "leaky_relu":  # nn.leaky_relu takes the positive side's slope at 0, the others the negative side's
            return self.jnp.where(x > 0, x, layer["alpha"] * x)
        if kind == "elu":
            return nn.elu(x, layer["alpha"])
        if kind == "gelu":
            return nn.gelu(x, approximate=False)
        return nn.soft_sign(x) if kind == "softsign" else getattr(nn, kind)(x)

    def _max_pool(self, layer, x, run):
        return max_pool(self.jax, layer["size"], layer["stride"], x.shape)(x)

    def _average_pool(self, layer, x, run):
        places = list(slices(x, layer["size"], layer["stride"]))
        return sum(places[1:], places[0]) / len(places)

    def _global_average_pool(self, layer, x, run):
        return x.mean((1, 2))

    def _batch_norm(self, layer, x, run):
        jnp, x = self.jnp, x.astype(self.dtype)
        scale, offset, mean, variance = (run.get(layer, role) for role in ("scale", "offset", "mean", "variance"))
        if run.training:
            axes, keep = tuple(range(x.ndim - 1)), layer["momentum"]
            kept = {"mean": mean, "variance": variance}
            mean = x.mean(axes)
            variance = jnp.square(x - mean).mean(axes)
            for role, value in (("mean", mean), ("variance", variance)):
                run.statistics[run.prefix + layer["name"] + "." + role] = keep * kept[role] + (1 - keep) * value
        return (x - mean) * (scale / jnp.sqrt(variance + layer["epsilon"])) + offset

    def _dropout(self, layer, x, run):
        if not run.training or not layer["rate"]:
            return x
        return x * (next(run.masks).astype(x.dtype) / (1 - layer["rate"]))

    def _flatten(self, layer, x, run):
        return x.reshape(len(x), -1)

    def _residual(self, layer, x, run):
        return self._through(layer["layers"], x, run) + self._through(layer["shortcut"], x, run)

    def _normalise(self, layer, x, run):
        return self._unit(x.astype(self.dtype), -1, layer["epsilon"])


class _Pass(object):
    """What one traced pass reads, and the running statistics that it leaves."""

    def __init__(self, values, training, masks, prefix):
        self.values, self.training, self.masks, self.prefix = values, training, iter(masks), prefix
        self.statistics = {}

    def get(self, layer, role):
        return self.values.get(self.prefix + layer["name"] + "." + role)


def _prefix(part):
    return part + "." if part else ""


ADAPTER = Jax
