"""The classic MNIST network in plain Keras, on the engine KERAS_BACKEND: DATA.npz STEPS; prints {"seconds", "images"}.

compile() and fit() with their defaults; the steps are at most one epoch's.
"""

# keras types `verbose` as text, and documents 0.
# pyright: reportArgumentType=false

import json
import sys
import time

import keras
import numpy as np

BATCH = 128
WARM_UP = 8

data, steps = np.load(sys.argv[1]), int(sys.argv[2])
images, labels = data["train_x"][..., None], data["train_y"]  # (samples, 28, 28, 1), uint8

layers = keras.layers
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(32, 3, activation="relu"),
        layers.Conv2D(64, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dense(128, activation="relu"),
        layers.Dense(10),
    ]
)
model.compile(
    optimizer=keras.optimizers.SGD(0.05, momentum=0.9),
    loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
)


def train(count: int) -> None:
    model.fit(images[: count * BATCH], labels[: count * BATCH], batch_size=BATCH, epochs=1, verbose=0)


train(WARM_UP)
begun = time.perf_counter()
train(steps)
print(json.dumps({"seconds": time.perf_counter() - begun, "images": steps * BATCH}))
