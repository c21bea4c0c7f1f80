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
    "mxnet": ("mxnet", None),
    "theano": ("theano", None),
    "theano-original": ("theano", None),
    "lasagne": ("lasagne", None),
    "tflearn": ("tflearn", None),
}


def adapter_class(name):
    """Return the class of a library's adapter; the library itself is not imported."""
    return importlib.import_module("quintet_worker.adapters." + ADAPTERS[name][0]).ADAPTER


def create(name):
    """Return a new adapter; importing its library happens here and nowhere else."""
    engine = ADAPTERS[name][1]
    return adapter_class(name)(engine) if engine else adapter_class(name)()
