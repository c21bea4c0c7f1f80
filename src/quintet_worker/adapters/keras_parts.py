"""What Keras lacks, as a Keras user adds it: layers, a loss head and an optimiser, and the making of its own layers.

Rules: this file is imported by keras.py alone, after the engine is chosen. All is written in keras.ops; a Python float
beside a tensor takes the tensor's own type on every engine, while ops.cast(0.05, "float64") would pass through float32.
"""

import math

import keras
import numpy as np
from keras import ops
from keras.src.backend.common import dtypes

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805


def allow_float64(allowed):
    """Let float64 stay float64 on every engine, or not.

    On all engines but TensorFlow, Keras's table of type promotion turns float64 into float32 within ops.matmul, tanh
    and others, whatever the policy says; no public setting changes that (keras/src/backend/common/dtypes.py).
    """
    if keras.backend.backend() != "tensorflow":
        dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64" if allowed else "float32"


@keras.saving.register_keras_serializable("quintet")
def selu(x):
    """SELU; written out because TensorFlow's slope at 0 is the right one, not the left."""
    below = SELU_ALPHA * ops.expm1(ops.where(x > 0, ops.zeros_like(x), x))
    return SELU_SCALE * ops.where(x > 0, x, below)


@keras.saving.register_keras_serializable("quintet")
def gelu(x):
    """Exact GELU; written out because TensorFlow's own constant is a float32."""
    return 0.5 * x * (1 + ops.erf(x * math.sqrt(0.5)))


@keras.saving.register_keras_serializable("quintet")
def softplus(x):
    """log(1 + exp(x)); PyTorch's own is x itself beyond 20, and elsewhere logaddexp has no slope of 1/2 at 0."""
    return ops.logaddexp(x, ops.zeros_like(x)) if keras.backend.backend() == "torch" else ops.softplus(x)


@keras.saving.register_keras_serializable("quintet")
class LeakyReLU(keras.layers.Layer):
    """Leaky ReLU; written out because TensorFlow's slope is a float32 and JAX's slope at 0 is the right one."""

    def __init__(self, slope, **options):
        super().__init__(**options)
        self.slope = slope

    def call(self, x):
        return ops.where(x > 0, x, self.slope * x)

    def get_config(self):
        return dict(super().get_config(), slope=self.slope)


class GivenDropout(keras.layers.Layer):
    """Dropout by a mask that comes with the batch: input [x, mask], 1 = keep."""

    def __init__(self, rate, **options):
        super().__init__(**options)
        self.rate = rate

    def call(self, inputs):
        x, mask = inputs
        return x * (ops.cast(mask, x.dtype) * (1 / (1 - self.rate)))


@keras.saving.register_keras_serializable("quintet")
class Normalise(keras.layers.Layer):
    """x / sqrt(sum(x ** 2) + epsilon) over the last axis; keras.layers.UnitNormalization takes a maximum instead."""

    def __init__(self, epsilon, **options):
        super().__init__(**options)
        self.epsilon = epsilon

    def call(self, x):
        return x / ops.sqrt(ops.sum(x * x, -1, keepdims=True) + self.epsilon)

    def get_config(self):
        return dict(super().get_config(), epsilon=self.epsilon)


class CosineMargin(keras.layers.Layer):
    """The loss head with ArcFace's and CosFace's margins: call(embedding, classes) gives the loss."""

    def __init__(self, record, **options):
        super().__init__(**options)
        self.settings = record

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.settings["classes"]), name="kernel")
        self.built = True

    def call(self, output, y):
        tiny, margin = 1e-12, self.settings["angular_margin"]
        kernel = ops.convert_to_tensor(self.kernel)
        x = output / ops.sqrt(ops.sum(output * output, 1, keepdims=True) + tiny)
        k = kernel / ops.sqrt(ops.sum(kernel * kernel, 0, keepdims=True) + tiny)
        cosine = ops.matmul(x, k)
        square = 1 - cosine * cosine
        sine = ops.sqrt(ops.where(square > tiny, square, ops.full_like(square, tiny)))
        turned = cosine * math.cos(margin) - sine * math.sin(margin)
        inside = cosine > math.cos(math.pi - margin)
        pulled = ops.where(inside, turned, cosine - margin * math.sin(margin)) - self.settings["cosine_margin"]
        true = ops.one_hot(y, self.settings["classes"], dtype="bool")
        logits = self.settings["scale"] * ops.where(true, pulled, cosine)
        return ops.mean(ops.sparse_categorical_crossentropy(y, logits, from_logits=True))


def layer(record, name, policy):
    """Return the Keras layer for a resolved layer, dropout with its given mask included."""
    options = {"name": name, "dtype": policy}
    return LAYERS[record["type"]](record, options)


def _rescale(record, options):
    # Arrays, since a Python float would pass through float32 on TensorFlow.
    scale, offset = (np.asarray(record[key], np.float64) for key in ("scale", "offset"))
    return keras.layers.Rescaling(scale, offset, **options)


def _conv(record, options):
    return keras.layers.Conv2D(
        record["filters"], record["kernel"], record["stride"], record["padding"], use_bias=record["bias"], **options
    )


def _activation(record, options):
    kind = record["kind"]
    if kind == "leaky_relu":
        return LeakyReLU(record["alpha"], **options)
    if kind == "elu":
        return keras.layers.ELU(record["alpha"], **options)
    return keras.layers.Activation({"selu": selu, "gelu": gelu, "softplus": softplus}.get(kind, kind), **options)


LAYERS = {
    "rescale": _rescale,
    "conv": _conv,
    "dense": lambda r, options: keras.layers.Dense(r["units"], use_bias=r["bias"], **options),
    "activation": _activation,
    "max_pool": lambda r, options: keras.layers.MaxPooling2D(r["size"], r["stride"], "valid", **options),
    "average_pool": lambda r, options: keras.layers.AveragePooling2D(r["size"], r["stride"], "valid", **options),
    "global_average_pool": lambda r, options: keras.layers.GlobalAveragePooling2D(**options),
    "batch_norm": lambda r, options: keras.layers.BatchNormalization(
        momentum=r["momentum"], epsilon=r["epsilon"], **options
    ),
    "dropout": lambda r, options: GivenDropout(r["rate"], **options),
    "flatten": lambda r, options: keras.layers.Flatten(**options),
    "residual": lambda r, options: keras.layers.Add(**options),
    "normalise": lambda r, options: Normalise(r["epsilon"], **options),
}


def loss(record, output, y):
    """Return the mean loss of `output`, which is in the weights' own type."""
    if record["type"] == "softmax_cross_entropy":
        smoothing, classes = record["label_smoothing"], output.shape[1]
        if not smoothing:
            return ops.mean(ops.sparse_categorical_crossentropy(y, output, from_logits=True))
        target = ops.one_hot(y, classes, dtype=output.dtype) * (1 - smoothing) + smoothing / classes
        return ops.mean(ops.categorical_crossentropy(target, output, from_logits=True))
    target = ops.cast(ops.reshape(y, output.shape), output.dtype)
    if record["type"] == "mean_squared_error":
        return ops.mean(ops.square(output - target))
    smoothing = record["label_smoothing"]
    target = target * (1 - smoothing) + smoothing / 2
    return ops.mean(ops.binary_crossentropy(target, output, from_logits=True))


class Optimiser(keras.optimizers.Optimizer):
    """SGD, Adam or AdamW as numpy_losses.Optimiser writes them.

    Keras's own SGD has the rate inside the velocity, its Adam scales epsilon by the bias correction, and its weight
    decay is always apart from the gradient.
    """

    def __init__(self, record):
        super().__init__(learning_rate=0.0)
        self.kind, self.decay = record["type"], record["weight_decay"]
        if self.kind == "sgd":
            self.momentum, self.nesterov = record["momentum"], record["nesterov"]
        else:
            self.beta1, self.beta2, self.epsilon = record["beta1"], record["beta2"], record["epsilon"]

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.decays = [self.decay if variable.name == "kernel" else 0.0 for variable in variables]
        self.first = self.add_optimizer_variables(variables, "velocity" if self.kind == "sgd" else "mean")
        self.second = [] if self.kind == "sgd" else self.add_optimizer_variables(variables, "variance")

    def update_step(self, gradient, variable, learning_rate):
        place = self._get_variable_index(variable)
        rate = ops.cast(learning_rate, variable.dtype)
        decay = self.decays[place]
        if decay and self.kind != "adamw":
            gradient = gradient + decay * ops.convert_to_tensor(variable)
        if self.kind == "sgd":
            velocity = self.momentum * ops.convert_to_tensor(self.first[place]) + gradient
            self.assign(self.first[place], velocity)
            self.assign_sub(variable, rate * (gradient + self.momentum * velocity if self.nesterov else velocity))
            return
        m = self.beta1 * ops.convert_to_tensor(self.first[place]) + (1 - self.beta1) * gradient
        v = self.beta2 * ops.convert_to_tensor(self.second[place]) + (1 - self.beta2) * gradient * gradient
        self.assign(self.first[place], m)
        self.assign(self.second[place], v)
        count = ops.cast(self.iterations + 1, variable.dtype)
        # 1 - beta ** count, without the loss of digits that float32 would suffer
        m_hat = m / -ops.expm1(count * math.log(self.beta1))
        v_hat = v / -ops.expm1(count * math.log(self.beta2))
        move = rate * m_hat / (ops.sqrt(v_hat) + self.epsilon)
        if decay and self.kind == "adamw":
            move = move + rate * decay * ops.convert_to_tensor(variable)
        self.assign_sub(variable, move)
