"""The classic MNIST network in plain JAX: DATA.npz STEPS; prints {"seconds", "images"} as JSON."""

import functools
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

BATCH = 128
WARM_UP = 8
RATE, MOMENTUM = 0.05, 0.9
SHAPES = ((3, 3, 1, 32), (3, 3, 32, 64), (64 * 12 * 12, 128), (128, 10))

data, steps = np.load(sys.argv[1]), int(sys.argv[2])
images, labels = data["train_x"][..., None], data["train_y"]  # (samples, 28, 28, 1), uint8


def initial(key: jax.Array) -> list[tuple[jax.Array, jax.Array]]:
    he = jax.nn.initializers.he_normal()
    return [(he(k, shape), jnp.zeros(shape[-1])) for k, shape in zip(jax.random.split(key, 4), SHAPES, strict=True)]


def forward(weights: Any, x: jax.Array) -> jax.Array:
    x = x.astype(jnp.float32) / 255
    for kernel, bias in weights[:2]:
        x = lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
        x = jax.nn.relu(x + bias)
    x = lax.reduce_window(x, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID").reshape(len(x), -1)
    (kernel, bias), (last_kernel, last_bias) = weights[2:]
    return jax.nn.relu(x @ kernel + bias) @ last_kernel + last_bias


def loss_of(weights: Any, x: jax.Array, y: jax.Array) -> jax.Array:
    return -jnp.take_along_axis(jax.nn.log_softmax(forward(weights, x)), y[:, None], 1).mean()


@functools.partial(jax.jit, donate_argnums=(0, 1))
def step(weights: Any, moments: Any, x: jax.Array, y: jax.Array) -> tuple[Any, Any, jax.Array]:
    loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
    moments = jax.tree.map(lambda m, g: MOMENTUM * m + g, moments, gradients)
    return jax.tree.map(lambda w, m: w - RATE * m, weights, moments), moments, loss


def batches() -> Iterator[np.ndarray]:
    rng = np.random.default_rng(0)
    while True:
        order = rng.permutation(len(images))
        yield from order[: len(order) // BATCH * BATCH].reshape(-1, BATCH)


def train(state: tuple[Any, Any], supply: Iterator[np.ndarray], count: int) -> tuple[Any, Any]:
    weights, moments = state
    for _ in range(count):
        index = next(supply)
        weights, moments, _ = step(weights, moments, images[index], labels[index])
    return jax.block_until_ready((weights, moments))


weights = initial(jax.random.key(0))
supply = batches()
state = train((weights, jax.tree.map(jnp.zeros_like, weights)), supply, WARM_UP)
begun = time.perf_counter()
train(state, supply, steps)
print(json.dumps({"seconds": time.perf_counter() - begun, "images": steps * BATCH}))
