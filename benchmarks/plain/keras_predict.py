"""keras.Model.predict on one picture, as Keras's users call it, on TensorFlow: MODEL.keras SAMPLE.npy.

One thread. For each line N on standard input N predictions are timed one by one, and {"ms": [...]} is printed.
"""

# keras types `verbose` as text, and documents 0.
# pyright: reportArgumentType=false

import json
import sys
import time

import keras
import numpy as np
import tensorflow as tf

WARM_UP = 1
tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
model, x = keras.models.load_model(sys.argv[1]), np.load(sys.argv[2])

print(json.dumps({"outputs": model.predict(x, verbose=0)[0].tolist()}), flush=True)
for line in sys.stdin:
    for _ in range(WARM_UP):
        model.predict(x, verbose=0)
    times = []
    for _ in range(int(line)):
        begun = time.perf_counter()
        model.predict(x, verbose=0)
        times.append(1e3 * (time.perf_counter() - begun))
    print(json.dumps({"ms": times}), flush=True)
