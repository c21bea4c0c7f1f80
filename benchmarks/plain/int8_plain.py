"""An int8 file under its own runtime, as that runtime's documentation shows it: RUNTIME FILE SAMPLE.npy.

One thread, otherwise the defaults. The sample is `(1, height, width, channels)` uint8; it is brought to the file's own input
type before the clock. For each line N on standard input N predictions are timed one by one, and {"ms": [...]} is printed.
"""

import json
import sys
import time

import numpy as np

WARM_UP = 3
runtime, file, sample = sys.argv[1:4]
x = np.load(sample)

if runtime == "litert":
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=file, num_threads=1)
    interpreter.allocate_tensors()
    taken, made = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    scale, zero = taken["quantization"]
    x = np.clip(np.round(x / scale) + zero, -128, 127).astype(taken["dtype"])

    def predict():
        interpreter.set_tensor(taken["index"], x)
        interpreter.invoke()
        return interpreter.get_tensor(made["index"])

elif runtime == "onnxruntime":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name

    def predict():
        return session.run(None, {name: x})[0]

else:
    import openvino

    compiled = openvino.Core().compile_model(file, "CPU", {"INFERENCE_NUM_THREADS": 1})

    def predict():
        return compiled(x)[0]


print(json.dumps({"outputs": np.asarray(predict())[0].tolist()}), flush=True)
for line in sys.stdin:
    for _ in range(WARM_UP):
        predict()
    times = []
    for _ in range(int(line)):
        begun = time.perf_counter()
        predict()
        times.append(1e3 * (time.perf_counter() - begun))
    print(json.dumps({"ms": times}), flush=True)
