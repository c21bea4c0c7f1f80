"""One file per library; each is imported only by the process that runs it."""

import importlib

# name on the command line -> (module, engine). The engine is what Keras runs on; no other adapter has one.
ADAPTERS = {
    "reference": ("reference", None),
    "torch": ("torch", None),
    "jax": ("jax", None),
    "tensorflow": ("tensorflow", None),
    "keras-tensorflow": ("keras", "tensorflow"),
    "keras-jax": ("keras", "jax"),
    "keras-torch": ("keras", "torch"),
}


def create(name):
    """Return a new adapter; importing its library happens here and nowhere else."""
    module, engine = ADAPTERS[name]
    adapter_class = importlib.import_module("quintet_worker.adapters." + module).ADAPTER
    return adapter_class(engine) if engine else adapter_class()
