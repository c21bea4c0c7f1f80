"""The "Simple MNIST convnet" of keras.io: DATA.npz SEED EPOCHS; after each epoch prints {"train_s", "accuracy"}.

Its network, loss, Adam and batch size are the example's, and so are its training images, the first nine tenths
(validation_split=0.1); the validation itself is left out, as it is no training.
https://keras.io/examples/vision/mnist_convnet/
"""

# keras types `verbose` as text, and documents 0.
# pyright: reportArgumentType=false

import json
import sys
import time

import keras
import numpy as np

BATCH = 128

data, seed, epochs = np.load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
keras.utils.set_random_seed(seed)
x, test_x = (data[name].astype("float32")[..., None] / 255 for name in ("train_x", "test_x"))
y = keras.utils.to_categorical(data["train_y"], 10)
x, y = x[: len(x) * 9 // 10], y[: len(y) * 9 // 10]

layers = keras.layers
model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(32, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Conv2D(64, kernel_size=(3, 3), activation="relu"),
        layers.MaxPooling2D(pool_size=(2, 2)),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(10, activation="softmax"),
    ]
)
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])


class Clock(keras.callbacks.Callback):
    """Adds up the seconds of the epochs, and looks at the test images between them."""

    train_s = 0.0

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        self.begun = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:  # noqa: ARG002
        self.train_s += time.perf_counter() - self.begun
        output = np.asarray(model.predict(test_x, batch_size=1000, verbose=0))
        accuracy = float((output.argmax(1) == data["test_y"]).mean())
        print(json.dumps({"train_s": self.train_s, "accuracy": accuracy}), flush=True)


# Warm-up: everything is compiled, both for full batches and for the last, shorter one; then all is set back.
model.optimizer.build(model.trainable_variables)
variables = [*model.variables, *model.optimizer.variables]
before = [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in variables]
few = BATCH + (len(x) % BATCH or BATCH)
model.fit(x[:few], y[:few], batch_size=BATCH, epochs=1, verbose=0)
for variable, value in zip(variables, before, strict=True):
    variable.assign(value)
model.fit(x, y, batch_size=BATCH, epochs=epochs, verbose=0, callbacks=[Clock()])
