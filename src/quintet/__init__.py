"""One network under every deep-learning library, with the same weights and the same batches, measured honestly.

What is exported here is what a program needs; each name is loaded when it is first used, so that `import quintet`
costs next to nothing. No deep-learning library is ever loaded in this process: workers do that.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quintet.bundle import Bundle, read_bundle, write_bundle
    from quintet.errors import (
        BundleError,
        DataError,
        EnvironmentUnavailable,
        NetworkError,
        QuintetError,
        RecommendationError,
        StoreError,
        StudyError,
    )
    from quintet.layers import (
        Activation,
        AveragePool,
        BatchNorm,
        Conv,
        Dense,
        Dropout,
        Flatten,
        GlobalAveragePool,
        MaxPool,
        Normalise,
        Rescale,
        Residual,
    )
    from quintet.losses import BinaryCrossEntropy, CosineMargin, MeanSquaredError, SoftmaxCrossEntropy
    from quintet.network import Adversarial, Net
    from quintet.optimiser import SGD, Adam, AdamW
    from quintet.recipe import Claim, Recipe
    from quintet.results import StudyResult, analyse
    from quintet.schedule import run_study
    from quintet.store import Store
    from quintet.study import Study, make_study, read_study
    from quintet.system import Prepared, System

__all__ = [
    "SGD",
    "Activation",
    "Adam",
    "AdamW",
    "Adversarial",
    "AveragePool",
    "BatchNorm",
    "BinaryCrossEntropy",
    "Bundle",
    "BundleError",
    "Claim",
    "Conv",
    "CosineMargin",
    "DataError",
    "Dense",
    "Dropout",
    "EnvironmentUnavailable",
    "Flatten",
    "GlobalAveragePool",
    "MaxPool",
    "MeanSquaredError",
    "Net",
    "NetworkError",
    "Normalise",
    "Prepared",
    "QuintetError",
    "Recipe",
    "RecommendationError",
    "Rescale",
    "Residual",
    "SoftmaxCrossEntropy",
    "Store",
    "StoreError",
    "Study",
    "StudyError",
    "StudyResult",
    "System",
    "analyse",
    "make_study",
    "read_bundle",
    "read_study",
    "run_study",
    "write_bundle",
]

_HOMES = {
    "bundle": ("Bundle", "read_bundle", "write_bundle"),
    "errors": (
        "BundleError", "DataError", "EnvironmentUnavailable", "NetworkError", "QuintetError", "RecommendationError",
        "StoreError", "StudyError",
    ),
    "layers": (
        "Activation", "AveragePool", "BatchNorm", "Conv", "Dense", "Dropout", "Flatten", "GlobalAveragePool", "MaxPool",
        "Normalise", "Rescale", "Residual",
    ),
    "losses": ("BinaryCrossEntropy", "CosineMargin", "MeanSquaredError", "SoftmaxCrossEntropy"),
    "network": ("Adversarial", "Net"),
    "optimiser": ("SGD", "Adam", "AdamW"),
    "recipe": ("Claim", "Recipe"),
    "results": ("StudyResult", "analyse"),
    "schedule": ("run_study",),
    "store": ("Store",),
    "study": ("Study", "make_study", "read_study"),
    "system": ("Prepared", "System"),
}  # fmt: skip
_MODULE_OF = {name: f"quintet.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'quintet' has no attribute {name!r}")
    value = getattr(importlib.import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
