"""The classic MNIST network in plain TensorFlow: DATA.npz STEPS; prints {"seconds", "images"} as JSON.

A tf.function over GradientTape; tf.data makes the order, and each batch is gathered whole.
"""

import json
import sys
import time
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

BATCH = 128
WARM_UP = 8

data, steps = np.load(sys.argv[1]), int(sys.argv[2])
images, labels = data["train_x"][..., None], data["train_y"]  # (samples, 28, 28, 1), uint8

layers = tf.keras.layers
model = tf.keras.Sequential(
    [
        tf.keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10),
    ]
)
optimiser = tf.keras.optimizers.SGD(0.05, momentum=0.9)
optimiser.build(model.trainable_variables)


@tf.function
def step(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        logits = model(x, training=True)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits))
    optimiser.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
    return loss


def batches(count: int) -> tf.data.Dataset:
    x, y = tf.constant(images), tf.constant(labels)
    order = tf.data.Dataset.range(len(images)).shuffle(len(images)).repeat().batch(BATCH, drop_remainder=True)
    return order.take(count).map(lambda index: (tf.gather(x, index), tf.gather(y, index))).prefetch(tf.data.AUTOTUNE)


def train(supply: Iterator[tuple[tf.Tensor, tf.Tensor]], count: int) -> None:
    for _ in range(count):
        step(*next(supply))
    model.trainable_variables[0].numpy()  # waits for the last step


supply = iter(batches(WARM_UP + steps))
train(supply, WARM_UP)
begun = time.perf_counter()
train(supply, steps)
print(json.dumps({"seconds": time.perf_counter() - begun, "images": steps * BATCH}))
