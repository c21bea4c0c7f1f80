"""Forward and backward of every layer in numpy: the umpire's arithmetic, plain enough to be checked by eye.

forward() returns (y, backward); backward(dy) returns dx and adds the parameters' gradients to `run.gradients`.
Formulas: Goodfellow, Bengio & Courville 2016, ch. 6 and 9; BatchNorm: Ioffe & Szegedy 2015. Not for speed.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805
_erf = np.vectorize(math.erf, otypes=[np.float64])


class Run(object):
    """One pass: the parameters, the mode, the dropout masks still to be used, and what the pass leaves behind."""

    def __init__(self, parameters, dtype, training, masks=(), prefix=""):
        self.parameters = parameters
        self.dtype = dtype
        self.training = training
        self.masks = list(masks)
        self.prefix = prefix
        self.statistics = {}
        self.gradients = {}

    def get(self, layer, role):
        return self.parameters.get(self.prefix + layer["name"] + "." + role)

    def add_gradient(self, layer, role, value):
        self.gradients[self.prefix + layer["name"] + "." + role] = value


def forward(layers, x, run):
    """Apply `layers` to `x`, `(batch, ...)`; return the output and the function from its gradient to that of `x`."""
    backs = []
    for layer in layers:
        x, back = FORWARD[layer["type"]](layer, x, run)
        backs.append(back)

    def backward(dy):
        for back in reversed(backs):
            dy = back(dy)
        return dy

    return x, backward


def _rescale(layer, x, run):
    dtype = run.dtype
    scale, offset = np.asarray(layer["scale"], dtype), np.asarray(layer["offset"], dtype)
    return x.astype(dtype) * scale + offset, lambda dy: dy * scale


def _windows(x, size, stride):
    """Return a view `(batch, out_height, out_width, height, width, channels)` of all windows."""
    batch, height, width, channels = x.shape
    out = [(height - size[0]) // stride[0] + 1, (width - size[1]) // stride[1] + 1]
    s = x.strides
    shape = (batch, out[0], out[1], size[0], size[1], channels)
    return as_strided(x, shape, (s[0], s[1] * stride[0], s[2] * stride[1], s[1], s[2], s[3]), writeable=False)


def _scatter(windows, shape, stride):
    """Add gradients of windows back to their places: the transpose of _windows."""
    out = np.zeros(shape, windows.dtype)
    _, rows, columns, height, width, _ = windows.shape
    for i in range(height):
        for j in range(width):
            i_end, j_end = i + stride[0] * rows, j + stride[1] * columns
            out[:, i : i_end : stride[0], j : j_end : stride[1]] += windows[:, :, :, i, j]
    return out


def _conv(layer, x, run):
    kernel, bias = run.get(layer, "kernel"), run.get(layer, "bias")
    (top, bottom), (left, right) = layer["pads"]
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), "constant")
    windows = _windows(padded, kernel.shape[:2], layer["stride"])
    columns = windows.reshape(-1, kernel[..., 0].size)
    flat = kernel.reshape(-1, kernel.shape[-1])
    y = (columns @ flat).reshape(windows.shape[:3] + (-1,))
    if bias is not None:
        y = y + bias

    def back(dy):
        rows = dy.reshape(-1, dy.shape[-1])
        run.add_gradient(layer, "kernel", (columns.T @ rows).reshape(kernel.shape))
        if bias is not None:
            run.add_gradient(layer, "bias", rows.sum(0))
        dx = _scatter((rows @ flat.T).reshape(windows.shape), padded.shape, layer["stride"])
        return dx[:, top : top + x.shape[1], left : left + x.shape[2]]

    return y, back


def _dense(layer, x, run):
    kernel, bias = run.get(layer, "kernel"), run.get(layer, "bias")
    y = x @ kernel
    if bias is not None:
        y = y + bias

    def back(dy):
        run.add_gradient(layer, "kernel", x.T @ dy)
        if bias is not None:
            run.add_gradient(layer, "bias", dy.sum(0))
        return dy @ kernel.T

    return y, back


def sigmoid(x):
    """Return 1 / (1 + exp(-x)) without overflow."""
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1 / (1 + e), e / (1 + e))


def softplus(x):
    """Return log(1 + exp(x)) without overflow."""
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def activate(kind, x, alpha=None):
    """Return (f(x), f'(x)) of one activation; the derivative of relu, leaky_relu at 0 is that of the negative side."""
    dtype = x.dtype.type
    if kind == "relu":
        return np.maximum(x, 0), (x > 0).astype(x.dtype)
    if kind == "leaky_relu":
        slope = np.where(x > 0, dtype(1), dtype(alpha))
        return x * slope, slope
    if kind in ("elu", "selu"):
        a, scale = (alpha, 1.0) if kind == "elu" else (SELU_ALPHA, SELU_SCALE)
        e = np.expm1(np.minimum(x, 0))
        return dtype(scale) * np.where(x > 0, x, dtype(a) * e), dtype(scale) * np.where(
            x > 0, dtype(1), dtype(a) * (e + 1)
        )
    if kind == "tanh":
        t = np.tanh(x)
        return t, 1 - t * t
    if kind == "sigmoid":
        s = sigmoid(x)
        return s, s * (1 - s)
    if kind == "softplus":
        return softplus(x), sigmoid(x)
    if kind == "softsign":
        d = 1 + np.abs(x)
        return x / d, 1 / (d * d)
    if kind == "gelu":
        cdf = (0.5 * (1 + _erf(x / math.sqrt(2)))).astype(x.dtype)
        return x * cdf, cdf + x * np.exp(-0.5 * x * x) * dtype(1 / math.sqrt(2 * math.pi))
    if kind == "silu":
        s = sigmoid(x)
        return x * s, s * (1 + x * (1 - s))
    if kind == "mish":
        t, s = np.tanh(softplus(x)), sigmoid(x)
        return x * t, t + x * (1 - t * t) * s
    raise ValueError("unknown activation " + kind)


def _activation(layer, x, run):
    y, slope = activate(layer["kind"], x, layer.get("alpha"))
    return y, lambda dy: dy * slope


def _max_pool(layer, x, run):
    windows = _windows(x, layer["size"], layer["stride"])
    batch, rows, columns, height, width, channels = windows.shape
    flat = windows.reshape(batch, rows, columns, height * width, channels)
    first = flat.argmax(3)

    def back(dy):
        places = np.arange(height * width)[:, None] == first[..., None, :]
        return _scatter((places * dy[:, :, :, None, :]).reshape(windows.shape), x.shape, layer["stride"])

    return flat.max(3), back


def _average_pool(layer, x, run):
    windows = _windows(x, layer["size"], layer["stride"])
    area = windows.shape[3] * windows.shape[4]

    def back(dy):
        spread = np.broadcast_to((dy / area)[:, :, :, None, None, :], windows.shape)
        return _scatter(spread, x.shape, layer["stride"])

    return windows.mean((3, 4)), back


def _global_average_pool(layer, x, run):
    area = x.shape[1] * x.shape[2]
    return x.mean((1, 2)), lambda dy: np.broadcast_to((dy / area)[:, None, None, :], x.shape).copy()


def _batch_norm(layer, x, run):
    scale, offset = run.get(layer, "scale"), run.get(layer, "offset")
    dtype = x.dtype.type
    if not run.training:
        mean, variance = run.get(layer, "mean"), run.get(layer, "variance")
        gain = scale / np.sqrt(variance + dtype(layer["epsilon"]))
        return (x - mean) * gain + offset, lambda dy: dy * gain
    axes = tuple(range(x.ndim - 1))
    mean, variance = x.mean(axes), x.var(axes)
    keep = layer["momentum"]
    for role, value in (("mean", mean), ("variance", variance)):
        run.statistics[run.prefix + layer["name"] + "." + role] = (
            dtype(keep) * run.get(layer, role) + dtype(1 - keep) * value
        )
    inverse = 1 / np.sqrt(variance + dtype(layer["epsilon"]))
    normal = (x - mean) * inverse

    def back(dy):
        run.add_gradient(layer, "scale", (dy * normal).sum(axes))
        run.add_gradient(layer, "offset", dy.sum(axes))
        d = dy * scale
        return inverse * (d - d.mean(axes) - normal * (d * normal).mean(axes))

    return normal * scale + offset, back


def _dropout(layer, x, run):
    if not run.training or not layer["rate"]:
        return x, lambda dy: dy
    mask = run.masks.pop(0).astype(x.dtype) / x.dtype.type(1 - layer["rate"])
    return x * mask, lambda dy: dy * mask


def _flatten(layer, x, run):
    return x.reshape(len(x), -1), lambda dy: dy.reshape(x.shape)


def _residual(layer, x, run):
    main, main_back = forward(layer["layers"], x, run)
    short, short_back = forward(layer["shortcut"], x, run)
    return main + short, lambda dy: main_back(dy) + short_back(dy)


def _normalise(layer, x, run):
    length = np.sqrt((x * x).sum(-1, keepdims=True) + x.dtype.type(layer["epsilon"]))
    y = x / length
    return y, lambda dy: (dy - y * (dy * y).sum(-1, keepdims=True)) / length


FORWARD = {
    "rescale": _rescale,
    "conv": _conv,
    "dense": _dense,
    "activation": _activation,
    "max_pool": _max_pool,
    "average_pool": _average_pool,
    "global_average_pool": _global_average_pool,
    "batch_norm": _batch_norm,
    "dropout": _dropout,
    "flatten": _flatten,
    "residual": _residual,
    "normalise": _normalise,
}
