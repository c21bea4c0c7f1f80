"""The losses and optimisers in numpy, as the formulas say: the umpire's other half.

loss() returns (mean loss, its gradient with respect to the output). Formulas in docs/networks.md.
"""

import math

import numpy as np

from quintet_worker.numpy_layers import sigmoid, softplus


def loss(record, output, y, run):
    """Return (loss, gradient) for the network's `output`; cosine_margin also adds loss.kernel's gradient to `run`."""
    return LOSSES[record["type"]](record, output, y, run)


def _softmax_cross_entropy(record, output, y, run):
    classes, smoothing = output.shape[1], record["label_smoothing"]
    target = np.full(output.shape, smoothing / classes, output.dtype)
    target[np.arange(len(y)), y] += 1 - smoothing
    shifted = output - output.max(1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(1, keepdims=True))
    return -(target * log_p).sum(1).mean(), (np.exp(log_p) - target) / len(y)


def _binary_cross_entropy(record, output, y, run):
    smoothing = record["label_smoothing"]
    target = np.reshape(y, output.shape).astype(output.dtype) * (1 - smoothing) + smoothing / 2
    return (softplus(output) - target * output).mean(), (sigmoid(output) - target) / output.size


def _mean_squared_error(record, output, y, run):
    difference = output - np.reshape(y, output.shape)
    return (difference * difference).mean(), 2 * difference / output.size


def _cosine_margin(record, output, y, run):
    kernel = run.parameters[run.prefix + "loss.kernel"]
    tiny, scale = 1e-12, record["scale"]
    margin, cosine_margin = record["angular_margin"], record["cosine_margin"]
    x_length = np.sqrt((output * output).sum(1, keepdims=True) + tiny)
    k_length = np.sqrt((kernel * kernel).sum(0, keepdims=True) + tiny)
    x, k = output / x_length, kernel / k_length
    cosine = x @ k
    rows = np.arange(len(y))
    true = cosine[rows, y]
    sine = np.sqrt(np.maximum(1 - true * true, tiny))
    turned = true * math.cos(margin) - sine * math.sin(margin)
    inside = true > math.cos(math.pi - margin)
    logits = cosine.copy()
    logits[rows, y] = np.where(inside, turned, true - margin * math.sin(margin)) - cosine_margin
    value, d = _softmax_cross_entropy({"label_smoothing": 0.0}, scale * logits, y, run)
    d = d * scale
    slope = math.cos(margin) + np.where(1 - true * true > tiny, true / sine, 0) * math.sin(margin)
    d[rows, y] *= np.where(inside, slope, 1)
    dk = x.T @ d
    run.gradients[run.prefix + "loss.kernel"] = (dk - k * (dk * k).sum(0, keepdims=True)) / k_length
    dx = d @ k.T
    return value, (dx - x * (dx * x).sum(1, keepdims=True)) / x_length


LOSSES = {
    "softmax_cross_entropy": _softmax_cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
    "mean_squared_error": _mean_squared_error,
    "cosine_margin": _cosine_margin,
}


class Optimiser(object):
    """SGD, Adam or AdamW over a dict of arrays, in place; weight decay touches names that end in ".kernel" only.

    sgd:   g += decay * w;  v = momentum * v + g;  w -= rate * (g + momentum * v if nesterov else v)
    adam:  g += decay * w;  m, v moments;  w -= rate * m_hat / (sqrt(v_hat) + epsilon)      Kingma & Ba 2015, alg. 1
    adamw: the same without the first term, and w -= rate * decay * w apart                  Loshchilov & Hutter 2019
    """

    def __init__(self, record):
        self.record = record
        self.state = {}
        self.count = 0

    def update(self, parameters, gradients, rate):
        """Move `parameters` by one step along `gradients`; `rate` is a float."""
        self.count += 1
        r = self.record
        for name, g in gradients.items():
            w, dtype = parameters[name], parameters[name].dtype.type
            decay = r["weight_decay"] if name.endswith(".kernel") else 0.0
            if decay and r["type"] != "adamw":
                g = g + dtype(decay) * w
            if r["type"] == "sgd":
                v = self.state.get(name)
                v = g if v is None else dtype(r["momentum"]) * v + g
                self.state[name] = v
                parameters[name] = w - dtype(rate) * (g + dtype(r["momentum"]) * v if r["nesterov"] else v)
                continue
            m, v = self.state.get(name, (0, 0))
            m = dtype(r["beta1"]) * m + dtype(1 - r["beta1"]) * g
            v = dtype(r["beta2"]) * v + dtype(1 - r["beta2"]) * g * g
            self.state[name] = (m, v)
            m_hat = m / dtype(1 - r["beta1"] ** self.count)
            v_hat = v / dtype(1 - r["beta2"] ** self.count)
            moved = w - dtype(rate) * m_hat / (np.sqrt(v_hat) + dtype(r["epsilon"]))
            parameters[name] = moved - dtype(rate * decay) * w if decay and r["type"] == "adamw" else moved
