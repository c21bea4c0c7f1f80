"""A bundle to sign, and two keys: what the tests of signing and of kills both begin with."""

from pathlib import Path

import numpy as np

from quintet.bundle import Bundle, make_key, sign, write_bundle
from quintet.layers import Dense
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.weights import initial_weights

NET = Net(name="n", input_shape=(30,), layers=(Dense(units=100),), loss=SoftmaxCrossEntropy())
VERSION = 1_700_000_000
FILES = [
    "bundle.json",
    "card.md",
    "exports/exports.json",
    "exports/onnx-int8.onnx",
    "network.json",
    "weights.safetensors",
]


def make_keys(folder: Path) -> tuple[Path, Path]:
    """Return two private keys, made in `folder`: the signer's, and a stranger's."""
    for name in ("ours", "theirs"):
        make_key(folder / f"{name}.pem")
    return folder / "ours.pem", folder / "theirs.pem"


def make_signed(folder: Path, key: Path) -> Path:
    """Write a bundle with exports into `folder`, sign it with `key`, and return `folder`."""
    weights = initial_weights(NET, np.random.default_rng(0))
    write_bundle(folder, Bundle(net=NET, weights=weights, labels=["no", "yes"], card={"model_version": VERSION}))
    (folder / "exports").mkdir()
    (folder / "exports" / "onnx-int8.onnx").write_bytes(bytes(range(256)) * 8)
    (folder / "exports" / "exports.json").write_text('{"exports": {}, "n": 10}')
    sign(folder, key)
    return folder
