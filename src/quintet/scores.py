"""Scores of a classifier on a test set; all are shares from 0 to 1. Pure functions on arrays."""

import numpy as np


def classification_scores(truth: np.ndarray, output: np.ndarray) -> dict[str, float]:
    """Return {"accuracy", "macro_precision", "macro_recall"} of logits or probabilities.

    Args:
        truth: class indices `(samples,)`, integers.
        output: one score per class `(samples, classes)`; the largest is the answer.

    A class that is never answered has precision 0, one that never occurs is left out of the recall. Source: Sokolova
    and Lapalme 2009, macro-averaged precision and recall.

    >>> classification_scores(np.array([0, 1, 1]), np.array([[2.0, 1.0], [0.0, 1.0], [3.0, 1.0]]))
    {'accuracy': 0.6666666666666666, 'macro_precision': 0.75, 'macro_recall': 0.75}
    """
    classes = output.shape[1]
    answers = output.argmax(1)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (truth, answers), 1)
    right = confusion.diagonal()
    answered, occurring = confusion.sum(0), confusion.sum(1)
    precision = np.divide(right, answered, out=np.zeros(classes), where=answered > 0)
    recall = np.divide(right, occurring, out=np.full(classes, np.nan), where=occurring > 0)
    return {
        "accuracy": float(right.sum() / len(truth)),
        "macro_precision": float(precision.mean()),
        "macro_recall": float(np.nanmean(recall)),
    }
