"""Predictors: how a trained model answers, without the library that trained it."""

from quintet.runtimes.numpy import NumpyPredictor
from quintet.runtimes.predictor import Predictor

__all__ = ["NumpyPredictor", "Predictor"]
