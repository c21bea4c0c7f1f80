"""Scores of a classifier, held against scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_score, recall_score

from quintet.scores import classification_scores


@given(st.integers(2, 6), st.integers(1, 50), st.integers(0, 1000))
def test_the_scores_are_scikit_learns(classes, samples, seed):
    rng = np.random.default_rng(seed)
    truth, output = rng.integers(0, classes, samples), rng.random((samples, classes))
    answers, every = output.argmax(1), range(classes)
    scores = classification_scores(truth, output)
    assert scores["accuracy"] == pytest.approx(accuracy_score(truth, answers))
    assert scores["macro_precision"] == pytest.approx(
        precision_score(truth, answers, labels=list(every), average="macro", zero_division=0)  # pyright: ignore[reportArgumentType]
    )
    assert scores["macro_recall"] == pytest.approx(
        recall_score(truth, answers, labels=sorted(set(truth)), average="macro", zero_division=0)  # pyright: ignore[reportArgumentType]
    )
