"""Predictors: how a trained model answers, without the library that trained it."""

from typing import TYPE_CHECKING, Any

from quintet.runtimes.choosing import Choice, check_installed, check_setting, choose, chosen, measure, usual
from quintet.runtimes.opening import PRECISIONS, RUNTIMES, export_file, open_predictor
from quintet.runtimes.predictor import Predictor

if TYPE_CHECKING:
    from quintet.runtimes.numpy import NumpyPredictor

__all__ = [
    "PRECISIONS",
    "RUNTIMES",
    "Choice",
    "NumpyPredictor",
    "Predictor",
    "check_installed",
    "check_setting",
    "choose",
    "chosen",
    "export_file",
    "measure",
    "open_predictor",
    "usual",
]


def __getattr__(name: str) -> Any:
    if name == "NumpyPredictor":  # it brings the bundle and the reference; a board that runs an export needs neither
        from quintet.runtimes.numpy import NumpyPredictor

        return NumpyPredictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
