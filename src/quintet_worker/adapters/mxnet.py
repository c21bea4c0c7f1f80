"""Apache MXNet: symbols run by CachedOp, which is what Gluon's hybridize() makes; images are NCHW inside.

Rules
* MXNet's softplus and elu take short cuts or keep their constants in float32; they are written out here.
* Its fused optimisers keep the rate inside the velocity and their settings in float32: the updates are written out, in place.
* BatchNorm is written out too, so that the running statistics are moved by the formula.
"""

# pyright: reportIncompatibleMethodOverride=false
import math
import os

import numpy as np

from quintet_worker.adapters.adapter import Adapter, Pass

PARTS = ("discriminator", "generator")
BCE = {"type": "binary_cross_entropy", "label_smoothing": 0.0}
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
TINY = 1e-12
STATIC = (("static_alloc", True), ("static_shape", True))


class MXNet(Adapter):
    """Apache MXNet on the CPU, or on one CUDA device where its build has it."""

    name = "mxnet"

    def __init__(self):
        os.environ.setdefault("MXNET_STORAGE_FALLBACK_LOG_VERBOSE", "0")
        import mxnet

        self.mx, self.nd, self.sym = mxnet, mxnet.nd, mxnet.sym

    def versions(self):
        return {"mxnet": str(self.mx.__version__), "numpy": np.__version__}

    def build(self, network, optimiser, precision, threads, device):
        self.context = self.mx.cpu() if device == "cpu" else self.mx.gpu()
        self.network, self.optimiser, self.dtype = network, optimiser, precision
        self.pair = network["format"] == "quintet-adversarial"
        self.arrays, self.trained, self.slots, self.symbols, self.compiled = {}, {}, {}, {}, {}
        for part in PARTS if self.pair else ("",):
            one, prefix = (network[part], part + ".") if part else (network, "")
            self.trained[part] = []
            for record in one["parameters"]:
                name = prefix + record["name"]
                self.arrays[name] = self._array(self._laid_out(np.zeros(record["shape"])))
                self.symbols[name] = self.sym.Variable(name)
                if record["trainable"]:
                    self.trained[part].append(name)
                    slots = 2 if optimiser["type"] != "sgd" else 1 if optimiser["momentum"] else 0
                    self.slots[name] = [self.nd.zeros_like(self.arrays[name]) for _ in range(slots)]

    def load(self, weights):
        for name, array in self.arrays.items():
            array[:] = self._array(self._laid_out(np.asarray(weights[name])))
        for slots in self.slots.values():
            for slot in slots:
                slot[:] = 0
        self.counts = dict.fromkeys(self.trained, 0)

    def steps(self, batches, learning_rates):
        x, y, extra = batches
        step = self._pair_step if self.pair else self._net_step
        losses = []
        for i, rate in enumerate(learning_rates):
            losses.append(step(x[i], None if y is None else y[i], [array[i] for array in extra], rate))
        return np.array(
            [[one.asscalar() for one in row] if self.pair else row.asscalar() for row in losses], np.float64
        )

    def gradients(self, batch):
        x, y, extra = batch
        if not self.pair:
            loss, gradients, _ = self._passed("", self._net_inputs(x, y, extra))
            return float(loss.asscalar()), self._named(gradients)
        x, noise, generator_noise = self._pair_inputs(x, extra)
        d_loss, d_gradients, _ = self._passed("discriminator", [x[0], noise[0]])
        found = self._named(d_gradients)
        g_loss, g_gradients, _ = self._passed("generator", [x[-1], generator_noise])
        found.update(self._named(g_gradients))
        return np.array([g_loss.asscalar(), d_loss.asscalar()], np.float64), found

    def predict(self, x, part=None):
        return self._call("predict", part or "", [self._array(x)])[0].asnumpy()

    def weights(self):
        return {name: self._canonical(array.asnumpy()) for name, array in self.arrays.items()}

    def wait(self):
        self.nd.waitall()

    def save_native(self, path):
        """Write the parameters as MXNet does: kernels (filters, in, height, width), dense kernels (units, in)."""
        self.nd.save(os.path.join(path, "model.params"), self.arrays)
        return "model.params"

    # Into the graph

    def _array(self, array):
        return self.nd.array(array, self.context, self.dtype)

    def _laid_out(self, array):
        return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array.T

    def _canonical(self, array):
        return np.ascontiguousarray(array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T)

    def _named(self, gradients):
        return {name: self._canonical(gradient.asnumpy()) for name, gradient in gradients.items()}

    def _net_inputs(self, x, y, extra):
        return [self._array(x), self._array(y)] + [self._array(mask) for mask in extra]

    def _pair_inputs(self, x, extra):
        x = self._array(x)
        return [x] + ([self._array(array) for array in extra] if extra else [x, x[-1]])

    def _net_step(self, x, y, extra, rate):
        loss, gradients, moved = self._passed("", self._net_inputs(x, y, extra))
        self._update("", gradients, moved, rate)
        return loss

    def _pair_step(self, x, _, extra, rate):
        x, noise, generator_noise = self._pair_inputs(x, extra)
        d_loss = None
        for i in range(len(x)):
            d_loss, gradients, moved = self._passed("discriminator", [x[i], noise[i]])
            self._update("discriminator", gradients, moved, rate)
        g_loss, gradients, moved = self._passed("generator", [x[-1], generator_noise])
        self._update("generator", gradients, moved, rate)
        return g_loss, d_loss

    def _passed(self, part, inputs):
        """Return (loss, gradients, running statistics that move) of one training-mode pass."""
        found, names = self._call("train", part, inputs, recorded=True), self.trained[part]
        gradients = {name: self.arrays[name].grad for name in names}
        return found[0], gradients, dict(zip(self.compiled["train", part][2], found[1:]))

    def _call(self, kind, part, inputs, recorded=False):
        """Call the compiled graph of this kind and part, made at its first call; recorded: leave gradients behind."""
        key = (kind, part) + tuple(array.shape[1:] for array in inputs)
        if (kind, part) not in self.compiled or self.compiled[kind, part][0] != key:
            self.compiled[kind, part] = (key,) + getattr(self, "_graph_" + kind)(part, inputs)
        op, order = self.compiled[kind, part][1], self.compiled[kind, part][3]
        given = dict(self.arrays, **{"input{}".format(i): array for i, array in enumerate(inputs)})
        if not recorded:
            found = op(*[given[name] for name in order])
            return found if isinstance(found, list) else [found]
        for name in self.trained[part]:
            given[name].attach_grad()
        with self.mx.autograd.record():
            found = op(*[given[name] for name in order])
        found = found if isinstance(found, list) else [found]
        found[0].backward()
        return found

    def _compiled(self, outputs):
        symbol = self.sym.Group(outputs)
        return self.nd.CachedOp(symbol, STATIC), symbol.list_inputs()

    def _inputs(self, arrays):
        return [self.sym.Variable("input{}".format(i)) for i in range(len(arrays))]

    def _graph_predict(self, part, arrays):
        network = self.network[part] if part else self.network
        x = self._inputs(arrays)[0]
        op, order = self._compiled([self._forward(network, x, self._run(part, False))])
        return op, (), order

    def _graph_train(self, part, arrays):
        inputs = self._inputs(arrays)
        if not part:
            run = self._run("", masks=inputs[2:])
            loss = self._loss(self.network["loss"], self._forward(self.network, inputs[0], run), inputs[1])
            moved = run.moved
        else:
            loss, moved = self._pair_loss(part, *inputs)
        names = sorted(moved)
        op, order = self._compiled([loss] + [self.sym.BlockGrad(moved[name]) for name in names])
        return op, names, order

    def _pair_loss(self, part, x, z):
        generator, judge = self._run("generator"), self._run("discriminator")
        fake = self._forward(self.network["generator"], z, generator)
        if part == "discriminator":
            loss = self._judged(x, judge, 1.0) + self._judged(self.sym.BlockGrad(fake), judge, 0.0)
            return loss, judge.moved
        loss, weight = self._judged(fake, judge, 1.0), self.network["reconstruction_weight"]
        if weight:
            loss = loss + weight * self._mean_squared_error({}, fake, x)
        return loss, generator.moved

    def _judged(self, x, run, target):
        output = self._forward(self.network["discriminator"], x, run)
        return self._loss(BCE, output, self.sym.zeros_like(output) + target)

    def _update(self, part, gradients, moved, rate):
        """Move the parameters by the formulas of the reference's optimiser, in place."""
        self.counts[part] += 1
        r, count = self.optimiser, self.counts[part]
        for name, g in gradients.items():
            w, slots = self.arrays[name], self.slots[name]
            decay = r["weight_decay"] if name.endswith(".kernel") else 0.0
            if decay and r["type"] != "adamw":
                g = g + decay * w
            if r["type"] == "sgd":
                if slots:
                    slots[0] *= r["momentum"]
                    slots[0] += g
                    g = g + r["momentum"] * slots[0] if r["nesterov"] else slots[0]
                w -= rate * g
                continue
            m, v = slots
            m *= r["beta1"]
            m += (1 - r["beta1"]) * g
            v *= r["beta2"]
            v += (1 - r["beta2"]) * g * g
            m_hat, v_hat = m / (1 - r["beta1"] ** count), v / (1 - r["beta2"] ** count)
            moving = rate * m_hat / (v_hat.sqrt() + r["epsilon"])
            if decay and r["type"] == "adamw":
                moving += rate * decay * w
            w -= moving
        for name, value in moved.items():
            self.arrays[name][:] = value

    # Layers

    def _run(self, part, training=True, masks=()):
        return Pass(self.symbols, training, masks, part + "." if part else "")

    def _forward(self, network, x, run):
        """Return the output, NHWC, of NHWC `x`; inside, images are NCHW."""
        images_in, images_out = len(network["input_shape"]) == 3, len(network["output_shape"]) == 3
        y = self._branch(network["layers"], self.sym.transpose(x, (0, 3, 1, 2)) if images_in else x, run)
        return self.sym.transpose(y, (0, 2, 3, 1)) if images_out else y

    def _branch(self, layers, x, run):
        for layer in layers:
            x = getattr(self, "_" + layer["type"])(layer, x, run)
        return x

    def _rescale(self, layer, x, run):
        for value, apply in ((layer["scale"], self.sym.broadcast_mul), (layer["offset"], self.sym.broadcast_add)):
            if isinstance(value, list):
                along = (1, -1, 1, 1) if len(layer["input_shape"]) == 3 else (1, -1)
                parts = [self.sym.full((1,), one, dtype=self.dtype) for one in value]
                x = apply(x, self.sym.reshape(self.sym.concat(*parts, dim=0), along))
            else:
                x = x * value if apply is self.sym.broadcast_mul else x + value
        return x

    def _conv(self, layer, x, run):
        (top, bottom), (left, right) = layer["pads"]
        pad, bias = (top, left), run.get(layer, "bias")
        if (top, left) != (bottom, right):
            widths = (0, 0, 0, 0, top, bottom, left, right)
            x, pad = self.sym.pad(x, mode="constant", pad_width=widths, constant_value=0), (0, 0)
        return self.sym.Convolution(
            x,
            run.get(layer, "kernel"),
            bias,
            kernel=tuple(layer["kernel"]),
            stride=tuple(layer["stride"]),
            pad=pad,
            num_filter=layer["filters"],
            no_bias=bias is None,
        )

    def _dense(self, layer, x, run):
        bias = run.get(layer, "bias")
        return self.sym.FullyConnected(
            x, run.get(layer, "kernel"), bias, num_hidden=layer["units"], no_bias=bias is None, flatten=False
        )

    def _activation(self, layer, x, run):
        sym, kind = self.sym, layer["kind"]
        if kind in ("relu", "tanh", "sigmoid", "softsign"):
            return sym.Activation(x, act_type=kind)
        if kind == "softplus":
            return self._softplus(x)
        if kind == "leaky_relu":
            return sym.where(x > 0, x, layer["alpha"] * x)
        if kind in ("elu", "selu"):
            alpha, scale = (layer["alpha"], 1.0) if kind == "elu" else (SELU_ALPHA, SELU_SCALE)
            return scale * sym.where(x > 0, x, alpha * sym.expm1(sym.minimum(x, 0)))
        if kind == "gelu":
            return self._gelu(x)
        if kind == "silu":
            return x * sym.sigmoid(x)
        return x * sym.tanh(self._softplus(x))  # mish

    def _gelu(self, x):
        """Return x times the normal law's share below x; the gradient of MXNet's erf is off by 2e-9, so it is written out."""
        still = self.sym.BlockGrad
        share = still(0.5 * (1 + self.sym.erf(math.sqrt(0.5) * x)))
        slope = still(x * self.sym.exp(-0.5 * x * x) * (1 / math.sqrt(2 * math.pi)))
        return x * share + (x - still(x)) * slope

    def _softplus(self, x):
        """Return log(1 + exp(x)); MXNet's own takes x itself from some 20 on, off by 1e-9."""
        far = x + self.sym.log1p(self.sym.exp(-self.sym.relu(x)))
        return self.sym.where(x > 15, far, self.sym.Activation(x, act_type="softrelu"))

    def _pool(self, layer, x, kind):
        size, stride = tuple(layer["size"]), tuple(layer["stride"])
        return self.sym.Pooling(x, kernel=size, stride=stride, pool_type=kind, pooling_convention="valid")

    def _max_pool(self, layer, x, run):
        return self._pool(layer, x, "max")

    def _average_pool(self, layer, x, run):
        return self._pool(layer, x, "avg")

    def _global_average_pool(self, layer, x, run):
        return self.sym.mean(x, axis=(2, 3))

    def _batch_norm(self, layer, x, run):
        sym, image = self.sym, len(layer["input_shape"]) == 3
        axes, along = ((0, 2, 3), (1, -1, 1, 1)) if image else ((0,), (1, -1))
        scale, offset, mean, variance = (run.get(layer, role) for role in ("scale", "offset", "mean", "variance"))
        if run.training:
            keep, batch_mean = layer["momentum"], sym.mean(x, axis=axes)
            centred = sym.broadcast_sub(x, sym.reshape(batch_mean, along))
            batch_variance = sym.mean(sym.square(centred), axis=axes)
            run.move(layer, "mean", keep * mean + (1 - keep) * batch_mean)
            run.move(layer, "variance", keep * variance + (1 - keep) * batch_variance)
            variance = batch_variance
        else:
            centred = sym.broadcast_sub(x, sym.reshape(mean, along))
        gain = scale * sym.rsqrt(variance + layer["epsilon"])
        return sym.broadcast_add(sym.broadcast_mul(centred, sym.reshape(gain, along)), sym.reshape(offset, along))

    def _dropout(self, layer, x, run):
        if not run.training or not layer["rate"]:
            return x
        mask = run.masks.pop(0)
        if len(layer["input_shape"]) == 3:
            mask = self.sym.transpose(mask, (0, 3, 1, 2))
        return x * mask * (1 / (1 - layer["rate"]))

    def _flatten(self, layer, x, run):
        if len(layer["input_shape"]) == 3:
            x = self.sym.transpose(x, (0, 2, 3, 1))
        return self.sym.reshape(x, (0, -1))

    def _residual(self, layer, x, run):
        return self._branch(layer["layers"], x, run) + self._branch(layer["shortcut"], x, run)

    def _normalise(self, layer, x, run):
        return self._unit(x, 1, layer["epsilon"])

    def _unit(self, x, axis, epsilon):
        return self.sym.broadcast_div(x, self.sym.sqrt(self.sym.sum(x * x, axis=axis, keepdims=True) + epsilon))

    # Losses

    def _loss(self, record, output, y):
        return getattr(self, "_" + record["type"])(record, output, y)

    def _softmax_cross_entropy(self, record, output, y):
        log_p, smoothing = self.sym.log_softmax(output, axis=1), record["label_smoothing"]
        true = self.sym.pick(log_p, y, axis=1)
        if not smoothing:
            return -self.sym.mean(true)
        return -self.sym.mean((1 - smoothing) * true + smoothing * self.sym.mean(log_p, axis=1))

    def _binary_cross_entropy(self, record, output, y):
        smoothing = record["label_smoothing"]
        target = self.sym.reshape_like(y, output) * (1 - smoothing) + smoothing / 2
        return self.sym.mean(self._softplus(output) - target * output)

    def _mean_squared_error(self, record, output, y):
        return self.sym.mean(self.sym.square(output - self.sym.reshape_like(y, output)))

    def _cosine_margin(self, record, output, y):
        sym, margin = self.sym, record["angular_margin"]
        unit = self._unit(self.symbols["loss.kernel"], 1, TINY)  # laid out (classes, features)
        cosine = sym.FullyConnected(self._unit(output, 1, TINY), unit, num_hidden=record["classes"], no_bias=True)
        sine = sym.sqrt(sym.maximum(1 - cosine * cosine, TINY))
        turned = cosine * math.cos(margin) - sine * math.sin(margin)
        inside = cosine > math.cos(math.pi - margin)
        pulled = sym.where(inside, turned, cosine - margin * math.sin(margin)) - record["cosine_margin"]
        true = sym.one_hot(y, depth=record["classes"], dtype=self.dtype)
        logits = record["scale"] * sym.where(true, pulled, cosine)
        return self._softmax_cross_entropy({"label_smoothing": 0.0}, logits, y)


ADAPTER = MXNet
