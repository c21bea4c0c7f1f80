"""Bundles for the board's tests: real networks, exported, with recorded answers, signed; they tell light from dark."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from quintet.bundle import Bundle, make_key, sign, write_bundle
from quintet.export import export_bundle
from quintet.layers import Dense, Flatten, Rescale
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.runtimes import open_predictor

SHAPE = (12, 12, 3)
LABELS = ("dark", "light")


def pictures(n: int, seed: int = 3) -> np.ndarray:
    """Return `(n, 12, 12, 3)` `uint8` of many brightnesses."""
    rng = np.random.default_rng(seed)
    light = rng.integers(0, 216, (n, 1, 1, 1))
    return (light + rng.integers(0, 40, (n, *SHAPE))).astype(np.uint8)


def make_bundle(
    folder: Path,
    key: Path,
    *,
    version: int = 1,
    threshold: float = 0.6,
    steep: float = 20.0,
    runtimes: tuple[str, ...] = ("litert",),
    precision: str = "int8",
) -> Path:
    """Write a signed bundle that says "light" above half brightness; `steep` is how sure it is of it."""
    net = Net(
        name="light",
        input_shape=SHAPE,
        layers=(Rescale(scale=1 / 255), Flatten(), Dense(units=2)),
        loss=SoftmaxCrossEntropy(),
    )
    n = int(np.prod(SHAPE))
    kernel = np.repeat(np.array([[-steep / n, steep / n]], np.float32), n, axis=0)
    names = [parameter.name for parameter in net.parameters()]
    weights = dict(zip(names, (kernel, np.array([steep / 2, -steep / 2], np.float32)), strict=True))
    card = {"name": "light", "model_version": version}
    write_bundle(folder, Bundle(net=net, weights=weights, labels=LABELS, card=card))
    x = pictures(64)
    truth = (x.reshape(64, -1).mean(axis=1) > 127.5).astype(np.int64)
    targets = {"litert": "litert", "onnxruntime": "onnx", "openvino": "openvino"}
    export_bundle(folder, [targets[name] for name in runtimes], [precision], x, x, truth, margin=0.2)
    answers = {"x": x[:16]}
    for name in runtimes:
        predict = open_predictor(folder, name, precision)
        answers[f"outputs-{name}-{precision}"] = np.concatenate([predict(x[i : i + 1]) for i in range(16)])
    (folder / "answers.safetensors").write_bytes(save(answers))
    decision = {"temperature": 1.0, "threshold": threshold, "coverage": 0.95, "labels": list(LABELS)}
    (folder / "decision.json").write_text(json.dumps(decision))
    make_key(key)
    sign(folder, key)
    return folder


def picture_bytes(value: int, size: tuple[int, int] = (40, 30), kind: str = "JPEG") -> bytes:
    """Return a picture of one brightness."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", size, (value, value, value)).save(buffer, kind)
    return buffer.getvalue()
