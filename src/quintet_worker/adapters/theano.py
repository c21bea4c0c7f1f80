"""Theano: one symbolic graph per kind of call, compiled to C; images are NCHW inside.

Rules
* Theano's own relu and max pooling share a gradient among equals, so both are written with switch(), whose gradient goes
  one way; 1.0.5 cuts its softplus and sigmoid short, off by 7e-8 and 1e-9, so both are made of what it does not cut.
* Gradients and updates are in the same compiled function as the loss: nothing returns to Python between them.
"""

import ctypes
import glob
import math
import os
import sys

import numpy as np

from quintet_worker.adapters.adapter import Adapter, Pass

PARTS = ("discriminator", "generator")
BCE = {"type": "binary_cross_entropy", "label_smoothing": 0.0}
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
TINY = 1e-12


class Theano(Adapter):
    """Theano on the CPU; the same file serves the original and its continuation Theano-PyMC."""

    name = "theano"

    def __init__(self):
        # How Theano-PyMC, and how the original on its old Python, writes a setting's section.
        dot = "__" if sys.version_info >= (3, 8) else "."
        flags = [os.environ.get("THEANO_FLAGS", ""), "device=cpu", "blas" + dot + "ldflags=" + blas_flags()]
        os.environ["THEANO_FLAGS"] = ",".join(flags).strip(",")
        import theano
        import theano.tensor
        import theano.tensor.nnet
        from theano.tensor.signal.pool import pool_2d

        self.theano, self.T, self.pool_2d = theano, theano.tensor, pool_2d

    def versions(self):
        return {"theano": str(self.theano.__version__), "numpy": np.__version__}

    def build(self, network, optimiser, precision, threads, device):
        if device != "cpu":
            raise RuntimeError(
                "received device {}, expected cpu: Theano's GPU code needs a retired CUDA".format(device)
            )
        self.theano.config.floatX = self.dtype = precision
        self.network, self.optimiser = network, optimiser
        self.pair = network["format"] == "quintet-adversarial"
        self.shared, self.trained, self.slots, self.compiled = {}, {}, {}, {}
        for part in PARTS if self.pair else ("",):
            one, prefix = (network[part], part + ".") if part else (network, "")
            self.trained[part] = []
            for record in one["parameters"]:
                name = prefix + record["name"]
                self.shared[name] = self._zeros(record["shape"])
                if record["trainable"]:
                    self.trained[part].append(name)
                    slots = 2 if optimiser["type"] != "sgd" else 1 if optimiser["momentum"] else 0
                    self.slots[name] = [self._zeros(record["shape"]) for _ in range(slots)]

    def load(self, weights):
        for name, variable in self.shared.items():
            variable.set_value(self._laid_out(np.asarray(weights[name], self.dtype)))
        for slots in self.slots.values():
            for slot in slots:
                slot.set_value(np.zeros_like(slot.get_value(borrow=True)))
        self.counts = dict.fromkeys(self.trained, 0)

    def steps(self, batches, learning_rates):
        x, y, extra = batches
        step = self._pair_step if self.pair else self._net_step
        losses = []
        for i, rate in enumerate(learning_rates):
            losses.append(step(x[i], None if y is None else y[i], [array[i] for array in extra], rate))
        return np.array(losses, np.float64)

    def gradients(self, batch):
        x, y, extra = batch
        if not self.pair:
            found = self._function("gradients", "", self._net_inputs(x, y, extra))
            return float(found[0]), self._named(found[1:], "")
        x, noise, generator_noise = self._pair_inputs(x, extra)
        d_found = self._function("gradients", "discriminator", [x[0], noise[0]])
        g_found = self._function("gradients", "generator", [x[-1], generator_noise])
        named = dict(self._named(d_found[1:], "discriminator"), **self._named(g_found[1:], "generator"))
        return np.array([g_found[0], d_found[0]], np.float64), named

    def predict(self, x, part=None):
        return self._function("predict", part or "", [self._host(x)])

    def weights(self):
        return {name: self._canonical(variable.get_value()) for name, variable in self.shared.items()}

    def wait(self):
        """Nothing is queued: a compiled function has finished when it returns."""

    # Into the graph

    def _zeros(self, shape):
        return self.theano.shared(self._laid_out(np.zeros(shape, self.dtype)))

    def _laid_out(self, array):
        return np.ascontiguousarray(array.transpose(3, 2, 0, 1)) if array.ndim == 4 else array

    def _canonical(self, array):
        return np.ascontiguousarray(array.transpose(2, 3, 1, 0)) if array.ndim == 4 else np.asarray(array)

    def _host(self, array):
        return np.asarray(array, self.dtype)

    def _named(self, gradients, part):
        return {name: self._canonical(np.asarray(g)) for name, g in zip(self.trained[part], gradients)}

    def _net_inputs(self, x, y, extra):
        y = np.asarray(y, np.int64) if y.dtype.kind in "iu" else self._host(y)
        return [self._host(x), y] + [self._host(mask) for mask in extra]

    def _pair_inputs(self, x, extra):
        x = self._host(x)
        return [x] + ([self._host(array) for array in extra] if extra else [x, x[-1]])

    def _net_step(self, x, y, extra, rate):
        return self._function("step", "", self._net_inputs(x, y, extra), self._rates("", rate))

    def _pair_step(self, x, _, extra, rate):
        x, noise, generator_noise = self._pair_inputs(x, extra)
        d_loss = None
        for one_x, one_z in zip(x, noise):
            d_loss = self._function("step", "discriminator", [one_x, one_z], self._rates("discriminator", rate))
        g_loss = self._function("step", "generator", [x[-1], generator_noise], self._rates("generator", rate))
        return (g_loss, d_loss)

    def _rates(self, part, rate):
        """Return the rate and Adam's two bias corrections of this step."""
        self.counts[part] += 1
        if self.optimiser["type"] == "sgd":
            return [rate]
        return [rate] + [1 - self.optimiser[beta] ** self.counts[part] for beta in ("beta1", "beta2")]

    def _function(self, kind, part, arrays, rates=()):
        """Call the compiled function of this kind, part and kind of input, compiled at its first call."""
        key = (kind, part) + tuple((array.dtype.str, array.ndim) for array in arrays)
        if key not in self.compiled:
            self.compiled[key] = getattr(self, "_compile_" + kind)(part, [self._variable(a) for a in arrays])
        return self.compiled[key](*(list(arrays) + [np.asarray(rate, self.dtype) for rate in rates]))

    def _variable(self, array):
        return self.T.TensorType(str(array.dtype), (False,) * array.ndim)()

    def _compile_predict(self, part, inputs):
        network = self.network[part] if part else self.network
        output = self._forward(network["layers"], inputs[0], self._run(part, False))
        return self.theano.function(inputs, output)

    def _compile_gradients(self, part, inputs):
        loss, _ = self._passed(part, inputs)
        return self.theano.function(inputs, [loss] + self._gradients(loss, part), on_unused_input="ignore")

    def _compile_step(self, part, inputs):
        loss, moved = self._passed(part, inputs)
        rates = [self.T.scalar(dtype=self.dtype) for _ in range(1 if self.optimiser["type"] == "sgd" else 3)]
        updates = [(self.shared[name], value) for name, value in moved.items()]
        for name, gradient in zip(self.trained[part], self._gradients(loss, part)):
            updates += self._moved(name, gradient, *rates)
        return self.theano.function(inputs + rates, loss, updates=updates, on_unused_input="ignore")

    def _gradients(self, loss, part):
        return self.theano.grad(loss, [self.shared[name] for name in self.trained[part]])

    def _moved(self, name, g, rate, first=None, second=None):
        """Return the updates of one parameter and its slots: the formulas of the reference's optimiser."""
        w, slots, r = self.shared[name], self.slots[name], self.optimiser
        decay = r["weight_decay"] if name.endswith(".kernel") else 0.0
        if decay and r["type"] != "adamw":
            g = g + decay * w
        if r["type"] == "sgd":
            if not slots:
                return [(w, w - rate * g)]
            v = r["momentum"] * slots[0] + g
            return [(slots[0], v), (w, w - rate * (g + r["momentum"] * v if r["nesterov"] else v))]
        m = r["beta1"] * slots[0] + (1 - r["beta1"]) * g
        v = r["beta2"] * slots[1] + (1 - r["beta2"]) * g * g
        moved = w - rate * (m / first) / (self.T.sqrt(v / second) + r["epsilon"])
        if decay and r["type"] == "adamw":
            moved = moved - rate * decay * w
        return [(slots[0], m), (slots[1], v), (w, moved)]

    # Passes

    def _run(self, part, training=True, masks=()):
        return Pass(self.shared, training, masks, part + "." if part else "")

    def _passed(self, part, inputs):
        """Return (loss, running statistics that move) of one training-mode pass."""
        if not part:
            run = self._run("", masks=inputs[2:])
            return self._loss(
                self.network["loss"], self._forward(self.network["layers"], inputs[0], run), inputs[1]
            ), run.moved
        x, z = inputs
        generator = self._run("generator")
        fake = self._forward(self.network["generator"]["layers"], z, generator)
        run = self._run("discriminator")
        if part == "discriminator":
            value = self._judged(x, run, 1.0) + self._judged(fake, run, 0.0)
            return value, run.moved
        value, weight = self._judged(fake, run, 1.0), self.network["reconstruction_weight"]
        if weight:
            value = value + weight * self._loss({"type": "mean_squared_error"}, fake, x)
        return value, generator.moved

    def _judged(self, x, run, target):
        output = self._forward(self.network["discriminator"]["layers"], x, run)
        return self._loss(BCE, output, self.T.zeros_like(output) + target)

    def _forward(self, layers, x, run):
        """Return the output, NHWC, of NHWC `x`; inside, images are NCHW."""
        y = self._branch(layers, x.dimshuffle(0, 3, 1, 2) if x.ndim == 4 else x, run)
        return y.dimshuffle(0, 2, 3, 1) if y.ndim == 4 else y

    def _branch(self, layers, x, run):
        for layer in layers:
            x = getattr(self, "_" + layer["type"])(layer, x, run)
        return x

    # Layers

    def _along_channels(self, vector, ndim):
        return vector.dimshuffle("x", 0, "x", "x") if ndim == 4 else vector.dimshuffle("x", 0)

    def _rescale(self, layer, x, run):
        def shaped(value):
            if not isinstance(value, list):
                return value
            return self._along_channels(self.T.constant(np.asarray(value, self.dtype)), x.ndim)

        return x * shaped(layer["scale"]) + shaped(layer["offset"])

    def _padded(self, x, layer):
        """Return `x` with its zeros around it; only for sides that conv2d cannot pad by itself."""
        (top, bottom), (left, right) = layer["pads"]
        height, width, channels = layer["input_shape"]
        shape = (x.shape[0], channels, height + top + bottom, width + left + right)
        inside = self.T.zeros(shape, self.dtype)[:, :, top : top + height, left : left + width]
        return self.T.set_subtensor(inside, x)

    def _conv(self, layer, x, run):
        (top, bottom), (left, right) = layer["pads"]
        height, width, channels = layer["input_shape"]
        border = (top, left)
        if (top, left) != (bottom, right):
            x, border, height, width = self._padded(x, layer), (0, 0), height + top + bottom, width + left + right
        y = self.T.nnet.conv2d(
            x,
            run.get(layer, "kernel"),
            input_shape=(None, channels, height, width),
            filter_shape=(layer["filters"], channels) + tuple(layer["kernel"]),
            border_mode=border,
            subsample=tuple(layer["stride"]),
            filter_flip=False,  # True is its default, and what the word convolution means; here it is cross-correlation
        )
        bias = run.get(layer, "bias")
        return y if bias is None else y + self._along_channels(bias, 4)

    def _dense(self, layer, x, run):
        y, bias = self.T.dot(x, run.get(layer, "kernel")), run.get(layer, "bias")
        return y if bias is None else y + bias

    def _activation(self, layer, x, run):
        T, kind = self.T, layer["kind"]
        if kind == "relu":
            return T.switch(x > 0, x, 0.0)
        if kind == "leaky_relu":
            return T.switch(x > 0, x, layer["alpha"] * x)
        if kind in ("elu", "selu"):
            alpha, scale = (layer["alpha"], 1.0) if kind == "elu" else (SELU_ALPHA, SELU_SCALE)
            return scale * T.switch(x > 0, x, alpha * T.expm1(T.minimum(x, 0.0)))
        if kind == "softplus":
            return self._softplus(x)
        if kind == "softsign":
            return x / (1 + abs(x))
        if kind == "gelu":
            return 0.5 * x * (1 + T.erf(math.sqrt(0.5) * x))
        if kind == "silu":
            return x * self._sigmoid(x)
        if kind == "mish":
            return x * T.tanh(self._softplus(x))
        return T.tanh(x) if kind == "tanh" else self._sigmoid(x)

    def _sigmoid(self, x):
        """Return 1 / (1 + exp(-x)); that of 1.0.5 is 1 from some 20 on, off by 1e-9."""
        return 0.5 + 0.5 * self.T.tanh(0.5 * x)

    def _softplus(self, x):
        softplus = self.T.nnet.softplus
        return self.T.switch(x > 0, x + softplus(-x), softplus(x))

    def _max_pool(self, layer, x, run):
        """Return the largest of each window; the gradient goes to the first of equals."""
        (height, width), (down, right) = layer["size"], layer["stride"]
        rows, columns, _ = layer["output_shape"]
        y = None
        for i in range(height):
            for j in range(width):
                one = x[:, :, i : i + down * (rows - 1) + 1 : down, j : j + right * (columns - 1) + 1 : right]
                y = one if y is None else self.T.switch(one > y, one, y)
        return y

    def _average_pool(self, layer, x, run):
        size, stride = tuple(layer["size"]), tuple(layer["stride"])
        return self.pool_2d(x, size, ignore_border=True, stride=stride, mode="average_exc_pad")

    def _global_average_pool(self, layer, x, run):
        return x.mean((2, 3))

    def _batch_norm(self, layer, x, run):
        T, axes = self.T, (0, 2, 3) if x.ndim == 4 else (0,)
        scale, offset, mean, variance = (run.get(layer, role) for role in ("scale", "offset", "mean", "variance"))
        if run.training:
            keep, batch_mean = layer["momentum"], x.mean(axes)
            centred = x - self._along_channels(batch_mean, x.ndim)
            batch_variance = (centred * centred).mean(axes)
            run.move(layer, "mean", keep * mean + (1 - keep) * batch_mean)
            run.move(layer, "variance", keep * variance + (1 - keep) * batch_variance)
            variance = batch_variance
        else:
            centred = x - self._along_channels(mean, x.ndim)
        gain = scale / T.sqrt(variance + layer["epsilon"])
        return centred * self._along_channels(gain, x.ndim) + self._along_channels(offset, x.ndim)

    def _dropout(self, layer, x, run):
        if not run.training or not layer["rate"]:
            return x
        mask = run.masks.pop(0)
        return x * (mask.dimshuffle(0, 3, 1, 2) if x.ndim == 4 else mask) * (1 / (1 - layer["rate"]))

    def _flatten(self, layer, x, run):
        return (x.dimshuffle(0, 2, 3, 1) if x.ndim == 4 else x).reshape((x.shape[0], layer["output_shape"][0]))

    def _residual(self, layer, x, run):
        return self._branch(layer["layers"], x, run) + self._branch(layer["shortcut"], x, run)

    def _normalise(self, layer, x, run):
        return self._unit(x, 1, layer["epsilon"])

    def _unit(self, x, axis, epsilon):
        return x / self.T.sqrt((x * x).sum(axis, keepdims=True) + epsilon)

    # Losses

    def _loss(self, record, output, y):
        return getattr(self, "_" + record["type"])(record, output, y)

    def _log_softmax(self, output):
        shifted = output - output.max(1, keepdims=True)
        return shifted - self.T.log(self.T.exp(shifted).sum(1, keepdims=True))

    def _softmax_cross_entropy(self, record, output, y):
        T, smoothing = self.T, record["label_smoothing"]
        log_p = self._log_softmax(output)
        true = log_p[T.arange(y.shape[0]), y]
        if not smoothing:
            return -true.mean()
        return -((1 - smoothing) * true + smoothing * log_p.mean(1)).mean()

    def _binary_cross_entropy(self, record, output, y):
        smoothing = record["label_smoothing"]
        target = y.reshape(output.shape) * (1 - smoothing) + smoothing / 2
        return (self._softplus(output) - target * output).mean()

    def _mean_squared_error(self, record, output, y):
        return self.T.sqr(output - y.reshape(output.shape)).mean()

    def _cosine_margin(self, record, output, y):
        T, margin = self.T, record["angular_margin"]
        cosine = T.dot(self._unit(output, 1, TINY), self._unit(self.shared["loss.kernel"], 0, TINY))
        turned = cosine * math.cos(margin) - T.sqrt(T.maximum(1 - cosine * cosine, TINY)) * math.sin(margin)
        inside = cosine > math.cos(math.pi - margin)
        pulled = T.switch(inside, turned, cosine - margin * math.sin(margin)) - record["cosine_margin"]
        true = T.eq(T.arange(record["classes"]).dimshuffle("x", 0), y.dimshuffle(0, "x"))
        logits = record["scale"] * T.switch(true, pulled, cosine)
        return self._softmax_cross_entropy({"label_smoothing": 0.0}, logits, y)


def blas_flags():
    """Return how to link against the OpenBLAS that SciPy's wheel brings, or "" (Theano's own, slower loops)."""
    try:
        import scipy
    except ImportError:
        return ""
    root = os.path.dirname(scipy.__file__)
    for folder in (root + ".libs", os.path.join(root, ".libs")):
        for path in sorted(glob.glob(os.path.join(folder, "libopenblas*.so*"))):
            ctypes.CDLL(
                path, ctypes.RTLD_GLOBAL
            )  # so that the compiled code finds it: THEANO_FLAGS takes no -Wl,-rpath
            return "-L{0} -l:{1}".format(folder, os.path.basename(path))
    return ""


ADAPTER = Theano
