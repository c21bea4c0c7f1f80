"""TensorFlow 2: plain tf.Variables, tf.nn and tf.function; no Keras.

Rules: every constant is made in the tensors' own type, since tf.cast(0.05, tf.float64) passes through float32 (wrong by
1.5e-8), as do float attributes of kernels (leaky_relu's alpha) and tf.nn.gelu's own constants. In bfloat16 the weights,
normalisation and loss stay in float32.
"""

import itertools
import math
import os

import numpy as np

from quintet_worker.adapters.adapter import Adapter, Pass, has_unseeing_weights

BCE = {"type": "binary_cross_entropy", "label_smoothing": 0.0}
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


class TensorFlow(Adapter):
    """Each kind of call is one tf.function; several steps share a call, which spares small networks its overhead."""

    name = "tensorflow"
    precisions = ("float64", "float32", "bfloat16")
    group = 10

    def __init__(self):
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # it warns of retracing where a process builds several networks
        self.tf = tf

    def versions(self):
        return {"tensorflow": self.tf.__version__, "numpy": np.__version__}

    def build(self, network, optimiser, precision, threads, device):
        tf = self.tf
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        if device == "cuda" and not tf.config.list_physical_devices("GPU"):
            raise RuntimeError("TensorFlow sees no GPU here; choose device cpu or install tensorflow[and-cuda]")
        self.device = "/GPU:0" if device == "cuda" else "/CPU:0"
        self.network, self.optimiser = network, optimiser
        self.dtype = tf.float64 if precision == "float64" else tf.float32
        self.compute = tf.bfloat16 if precision == "bfloat16" else self.dtype
        self.pair = network["format"] == "quintet-adversarial"
        parts = ("generator", "discriminator") if self.pair else ("",)
        self.updates = ["discriminator"] * network["critic_steps"] + ["generator"] if self.pair else [""]
        self.variables, self.trainable, self.slots = {}, {part: [] for part in parts}, {}
        with tf.device(self.device):
            for part in parts:
                for record in (network[part] if part else network)["parameters"]:
                    name = part + "." + record["name"] if part else record["name"]
                    self.variables[name] = self._zeros(record["shape"], record["trainable"])
                    if record["trainable"]:
                        self.trainable[part].append(name)
                        count = 1 if optimiser["type"] == "sgd" else 2
                        self.slots[name] = [self._zeros(record["shape"], False) for _ in range(count)]
        self._compiled_steps = tf.function(self._many_steps)
        self._compiled_gradients = tf.function(self._pair_gradients if self.pair else self._net_gradients)
        self._compiled_output = tf.function(self._output)

    def load(self, weights):
        for name, variable in self.variables.items():
            variable.assign(np.asarray(weights[name], self.dtype.as_numpy_dtype))
        for slot in itertools.chain.from_iterable(self.slots.values()):
            slot.assign(self.tf.zeros_like(slot))
        self.counts = dict.fromkeys(self.trainable, 0)

    def steps(self, batches, learning_rates):
        x, y, extra = batches
        return self._compiled_steps(*self._inputs(x, y, extra), schedule=self._schedule(learning_rates)).numpy()

    def gradients(self, batch):
        loss, gradients = self._compiled_gradients(*self._inputs(*batch))
        return loss.numpy(), {name: gradient.numpy() for name, gradient in gradients.items()}

    def predict(self, x, part=None):
        return self._compiled_output(self._host(x), part or "").numpy()

    def weights(self):
        return {name: variable.numpy() for name, variable in self.variables.items()}

    def wait(self):
        """Read one variable: a device works in order, so what was queued before the read is done."""
        next(iter(self.variables.values())).numpy()

    def save_native(self, path):
        tf = self.tf
        module = tf.Module()
        module.held = list(self.variables.values())
        for part in self.trainable:
            shape = (self.network[part] if part else self.network)["input_shape"]
            spec = tf.TensorSpec([None] + list(shape), self.dtype)
            output = tf.function(lambda x, part=part: self._output(x, part), input_signature=[spec])
            setattr(module, part or "predict", output)
        tf.saved_model.save(module, os.path.join(path, "native"))
        return "native"

    # Into the graph

    def _zeros(self, shape, trainable):
        return self.tf.Variable(self.tf.zeros(shape, self.dtype), trainable=trainable)

    def _host(self, array):
        """Return `array` as it goes to the device: bytes and classes as they are, floats in the weights' type."""
        return array.astype(self.dtype.as_numpy_dtype) if array.dtype.kind == "f" else array

    def _inputs(self, x, y, extra):
        return self._host(x), None if y is None else self._host(y), [self._host(array) for array in extra]

    def _schedule(self, learning_rates):
        """Return `(steps, updates, 3)`: rate, Adam's rate with both bias corrections in it, and Adam's scaled epsilon.

        rate * m_hat / (sqrt(v_hat) + epsilon) is the fused kernel's a * m / (sqrt(v) + e) with
        a = rate * sqrt(1 - beta2 ** t) / (1 - beta1 ** t) and e = epsilon * sqrt(1 - beta2 ** t).
        """
        r, kind = self.optimiser, self.dtype.as_numpy_dtype
        rows = []
        for rate in learning_rates:
            for part in self.updates:
                self.counts[part] += 1
                if r["type"] == "sgd":
                    rows.append((rate, 0.0, 0.0))
                    continue
                # The kernel's betas, rounded as it rounds them: in float32 1 - 0.999 is off by 5e-5 otherwise.
                first, second = [1 - float(kind(r[beta])) ** self.counts[part] for beta in ("beta1", "beta2")]
                rows.append((rate, rate * math.sqrt(second) / first, r["epsilon"] * math.sqrt(second)))
        return np.array(rows, kind).reshape(len(learning_rates), len(self.updates), 3)

    def _many_steps(self, x, y, extra, schedule):
        """Take all steps in a loop inside the graph, which so stays as small as that of one step."""
        tf, count = self.tf, schedule.shape[0]
        step = self._pair_step if self.pair else self._net_step

        def body(i, losses):
            loss = step(x[i], None if y is None else y[i], [array[i] for array in extra], schedule[i])
            return i + 1, losses.write(i, loss)

        with tf.device(self.device):
            start = (tf.constant(0), tf.TensorArray(self.dtype, count))
            _, losses = tf.while_loop(lambda i, losses: i < count, body, start, parallel_iterations=1)
            return losses.stack()

    # Steps

    def _run(self, part, training=True, masks=()):
        return Pass(self.variables, training, masks, part + "." if part else "")

    def _net_gradients(self, x, y, masks):
        return self._net_pass(x, y, masks)[:2]

    def _net_pass(self, x, y, masks):
        run = self._run("", masks=masks)
        with self.tf.GradientTape() as tape:
            value = self._loss(self.network["loss"], self._forward(self.network["layers"], x, run), y)
        return value, self._gradients(tape, value, ""), run.moved

    def _gradients(self, tape, value, part):
        names = self.trainable[part]
        return dict(zip(names, tape.gradient(value, [self.variables[name] for name in names])))

    def _net_step(self, x, y, masks, schedule):
        value, gradients, moved = self._net_pass(x, y, masks)
        self._apply(gradients, moved, schedule[0])
        return value

    def _pair_inputs(self, x, extra):
        return extra if self.network["generator_input"] == "noise" else (x, x[-1])

    def _pair_gradients(self, x, y, extra):
        noise, generator_noise = self._pair_inputs(x, extra)
        d_loss, d_gradients, _ = self._discriminator_pass(x[0], noise[0])
        g_loss, g_gradients, _ = self._generator_pass(x[-1], generator_noise)
        return self.tf.stack([g_loss, d_loss]), dict(d_gradients, **g_gradients)

    def _discriminator_pass(self, x, z):
        tf, judge = self.tf, self._run("discriminator")
        fake = self._forward(self.network["generator"]["layers"], z, self._run("generator"))
        with tf.GradientTape() as tape:
            value = self._judged(x, judge, 1) + self._judged(tf.stop_gradient(fake), judge, 0)
        return value, self._gradients(tape, value, "discriminator"), judge.moved

    def _generator_pass(self, x, z):
        run, weight = self._run("generator"), self.network["reconstruction_weight"]
        with self.tf.GradientTape() as tape:
            fake = self._forward(self.network["generator"]["layers"], z, run)
            value = self._judged(fake, self._run("discriminator"), 1)
            if weight:
                value += weight * self._mean_squared_error({}, fake, x)
        return value, self._gradients(tape, value, "generator"), run.moved

    def _judged(self, x, run, target):
        output = self._forward(self.network["discriminator"]["layers"], x, run)
        return self._loss(BCE, output, self.tf.fill(output.shape, self._constant(target)))

    def _pair_step(self, x, y, extra, schedule):
        noise, generator_noise = self._pair_inputs(x, extra)
        for i in range(self.network["critic_steps"]):
            d_loss, gradients, moved = self._discriminator_pass(x[i], noise[i])
            self._apply(gradients, moved, schedule[i])
        g_loss, gradients, moved = self._generator_pass(x[-1], generator_noise)
        self._apply(gradients, moved, schedule[-1])
        return self.tf.stack([g_loss, d_loss])

    def _apply(self, gradients, moved, schedule):
        """Move the variables by the optimiser's fused kernels: their formulas are those of the reference."""
        raw, r = self.tf.raw_ops, self.optimiser
        rate, adam_rate, adam_epsilon = schedule[0], schedule[1], schedule[2]
        for name, g in gradients.items():
            variable, slots = self.variables[name], [slot.handle for slot in self.slots[name]]
            decay = r["weight_decay"] if name.endswith(".kernel") else 0.0
            if decay and r["type"] == "adamw":
                variable.assign_sub(rate * self._constant(decay) * variable)
            elif decay:
                g = g + self._constant(decay) * variable
            if r["type"] == "sgd":
                raw.ResourceApplyMomentum(
                    var=variable.handle, accum=slots[0], lr=rate, grad=g,
                    momentum=self._constant(r["momentum"]), use_nesterov=r["nesterov"],
                )  # fmt: skip
            else:
                zero = self._constant(0.0)  # the powers of the betas are in the schedule already
                raw.ResourceApplyAdam(
                    var=variable.handle, m=slots[0], v=slots[1], beta1_power=zero, beta2_power=zero, lr=adam_rate,
                    beta1=self._constant(r["beta1"]), beta2=self._constant(r["beta2"]), epsilon=adam_epsilon, grad=g,
                )  # fmt: skip
        for name, value in moved.items():
            self.variables[name].assign(value)

    # Layers

    def _constant(self, value, dtype=None):
        return self.tf.constant(value, dtype or self.dtype)

    def _output(self, x, part):
        network = self.network[part] if part else self.network
        with self.tf.device(self.device):
            return self._forward(network["layers"], x, self._run(part, training=False))

    def _forward(self, layers, x, run):
        tf = self.tf
        if x.dtype == tf.uint8:
            x = tf.cast(x, self.dtype)
        return tf.cast(self._branch(layers, x, run), self.dtype)

    def _branch(self, layers, x, run):
        for layer in layers:
            x = getattr(self, "_" + layer["type"])(layer, x, run)
        return x

    def _rescale(self, layer, x, run):
        return x * self._constant(layer["scale"]) + self._constant(layer["offset"])

    def _biased(self, layer, y, run):
        bias = run.get(layer, "bias")
        return y if bias is None else self.tf.nn.bias_add(y, self.tf.cast(bias, y.dtype))

    def _conv(self, layer, x, run):
        tf = self.tf
        dtype = self.dtype if has_unseeing_weights(layer) else self.compute
        kernel = tf.cast(run.get(layer, "kernel"), dtype)
        y = tf.nn.conv2d(tf.cast(x, dtype), kernel, layer["stride"], layer["padding"].upper())
        return self._biased(layer, y, run)

    def _dense(self, layer, x, run):
        tf = self.tf
        y = tf.matmul(tf.cast(x, self.compute), tf.cast(run.get(layer, "kernel"), self.compute))
        return self._biased(layer, y, run)

    def _activation(self, layer, x, run):
        tf, kind = self.tf, layer["kind"]
        if kind == "leaky_relu":
            if x.dtype != tf.float64:
                return tf.nn.leaky_relu(x, layer["alpha"])
            return tf.where(x > 0, x, self._constant(layer["alpha"]) * x)  # the kernel's alpha is a float32
        if kind == "selu" or (kind == "elu" and layer["alpha"] != 1):
            alpha, scale = (SELU_ALPHA, SELU_SCALE) if kind == "selu" else (layer["alpha"], 1.0)
            # tf.nn.selu's slope at 0 is the right one, the reference's the left.
            below = self._constant(alpha, x.dtype) * tf.math.expm1(tf.minimum(x, 0))
            return self._constant(scale, x.dtype) * tf.where(x > 0, x, below)
        if kind == "gelu":
            half, root = self._constant(0.5, x.dtype), self._constant(math.sqrt(0.5), x.dtype)
            return half * x * (1 + tf.math.erf(root * x))
        if kind == "mish":
            return x * tf.tanh(tf.nn.softplus(x))
        return getattr(tf.nn, kind)(x)

    def _max_pool(self, layer, x, run):
        return self.tf.nn.max_pool2d(x, layer["size"], layer["stride"], "VALID")

    def _average_pool(self, layer, x, run):
        return self.tf.nn.avg_pool2d(x, layer["size"], layer["stride"], "VALID")

    def _global_average_pool(self, layer, x, run):
        return self.tf.reduce_mean(x, [1, 2])

    def _batch_norm(self, layer, x, run):
        tf, given = self.tf, x.dtype
        x = tf.cast(x, self.dtype)
        scale, offset, mean, variance = [run.get(layer, role) for role in ("scale", "offset", "mean", "variance")]
        if not run.training:
            return tf.cast(tf.nn.batch_normalization(x, mean, variance, offset, scale, layer["epsilon"]), given)
        if len(x.shape) == 4 and self.dtype == tf.float32:
            y, batch_mean, batch_variance = tf.raw_ops.FusedBatchNormV3(
                x=x, scale=scale, offset=offset, mean=[], variance=[], epsilon=layer["epsilon"], is_training=True
            )[:3]
            count = int(np.prod(x.shape[:3]))
            batch_variance *= (count - 1) / float(count)  # the kernel returns the unbiased one
        else:
            batch_mean, batch_variance = tf.nn.moments(x, list(range(len(x.shape) - 1)))
            y = tf.nn.batch_normalization(x, batch_mean, batch_variance, offset, scale, layer["epsilon"])
        keep = layer["momentum"]
        run.move(layer, "mean", keep * mean + (1 - keep) * batch_mean)
        run.move(layer, "variance", keep * variance + (1 - keep) * batch_variance)
        return tf.cast(y, given)

    def _dropout(self, layer, x, run):
        if not run.training or not layer["rate"]:
            return x
        return x * (self.tf.cast(run.masks.pop(0), x.dtype) * self._constant(1 / (1 - layer["rate"]), x.dtype))

    def _flatten(self, layer, x, run):
        return self.tf.reshape(x, [-1] + layer["output_shape"])

    def _residual(self, layer, x, run):
        return self._branch(layer["layers"], x, run) + self._branch(layer["shortcut"], x, run)

    def _normalise(self, layer, x, run):
        x = self.tf.cast(x, self.dtype)
        return x / self.tf.sqrt(self.tf.reduce_sum(x * x, -1, keepdims=True) + layer["epsilon"])

    # Losses

    def _loss(self, record, output, y):
        return getattr(self, "_" + record["type"])(record, output, y)

    def _softmax_cross_entropy(self, record, output, y):
        tf, smoothing, classes = self.tf, record["label_smoothing"], int(output.shape[1])
        if not smoothing:
            return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=output))
        share = self._constant(smoothing / classes)
        target = tf.one_hot(y, classes, 1 - smoothing + share, share, dtype=self.dtype)
        return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(labels=target, logits=output))

    def _binary_cross_entropy(self, record, output, y):
        tf, smoothing = self.tf, record["label_smoothing"]
        target = tf.cast(tf.reshape(y, output.shape), self.dtype) * (1 - smoothing) + smoothing / 2
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels=target, logits=output))

    def _mean_squared_error(self, record, output, y):
        tf = self.tf
        return tf.reduce_mean(tf.square(output - tf.cast(tf.reshape(y, output.shape), self.dtype)))

    def _cosine_margin(self, record, output, y):
        tf, tiny, margin = self.tf, 1e-12, record["angular_margin"]
        kernel = self.variables["loss.kernel"]
        x = output / tf.sqrt(tf.reduce_sum(output * output, 1, keepdims=True) + tiny)
        k = kernel / tf.sqrt(tf.reduce_sum(kernel * kernel, 0, keepdims=True) + tiny)
        cosine = tf.matmul(x, k)
        sine = tf.sqrt(tf.maximum(1 - cosine * cosine, tiny))
        turned = cosine * math.cos(margin) - sine * math.sin(margin)
        inside = cosine > math.cos(math.pi - margin)
        pulled = tf.where(inside, turned, cosine - margin * math.sin(margin)) - record["cosine_margin"]
        logits = tf.where(tf.one_hot(y, record["classes"], True, False, dtype=tf.bool), pulled, cosine)
        return self._softmax_cross_entropy({"label_smoothing": 0.0}, record["scale"] * logits, y)


ADAPTER = TensorFlow
