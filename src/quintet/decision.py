"""From a classifier's outputs to a label, or to "unsure": a temperature and a reject rule, fitted to what is shipped.

Rules
* Both are fitted on the validation split with the outputs of the file that will answer, so after int8: quantisation moves
  confidence more than it moves the answer.
* The temperature makes the validation labels likeliest (Guo et al. 2017). The threshold is the largest that still answers
  the asked share of validation pictures; what share it answers of the test set, and how often it is right, is measured.
* Reading and using a decision needs numpy only: a board does it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quintet.errors import BundleError

FILE = "decision.json"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How outputs become a label.

    Args:
        temperature: what logits are divided by.
        threshold: below this probability of the likeliest class the answer is "unsure".
        coverage: the share of validation samples that the threshold was chosen to answer.
    """

    temperature: float = 1.0
    threshold: float = 0.0
    coverage: float = 1.0


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """Return the temperature that makes held-out samples likeliest.

    `logits` float `(n, classes)`, `labels` int `(n,)`: of samples that were not trained on.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    logits = np.asarray(logits, dtype=np.float64)
    truth = logits[np.arange(len(labels)), labels]

    def loss(log_temperature: float) -> float:
        heat = np.exp(log_temperature)
        return float(np.mean(logsumexp(logits / heat, axis=1) - truth / heat))

    found = minimize_scalar(loss, bounds=(-3.0, 3.0), method="bounded")
    return float(np.exp(found["x"]))  # type: ignore[index]  # a dict, which scipy's stubs do not say


def fit_decision(logits: np.ndarray, labels: np.ndarray, coverage: float) -> Decision:
    """Return the decision that answers `coverage` (0 to 1] of held-out samples; arguments as fit_temperature's."""
    if not 0 < coverage <= 1:
        raise BundleError(f"received a coverage of {coverage}, expected more than 0 and at most 1; 0.95 answers 95 %")
    temperature = fit_temperature(logits, labels)
    sureness = np.sort(probabilities(logits, temperature).max(1))
    rejected = int((1 - coverage) * len(sureness) + 1e-9)
    return Decision(
        temperature=temperature, threshold=float(sureness[rejected]) if rejected else 0.0, coverage=coverage
    )


def probabilities(logits: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Return probabilities `(n, classes)` float64 of logits `(n, classes)`; a single logit is that of the second of two classes.

    >>> probabilities(np.array([[0.0, 0.0]]), 2.0).tolist()
    [[0.5, 0.5]]
    """
    logits = np.asarray(logits, np.float64)
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    powers = np.exp((logits - logits.max(1, keepdims=True)) / temperature)
    return powers / powers.sum(1, keepdims=True)


def measure(decision: Decision, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    """Return what the decision does on a test set: how much it answers, how often it is then right, how well calibrated.

    Every share with its 95 % interval and n. "calibration_error" is the expected calibration error in 15 bins of equal
    width (Guo et al. 2017), "uncalibrated" that of temperature 1.
    """
    from quintet.statistics import binomial_interval

    shares = probabilities(logits, decision.temperature)
    answered = shares.max(1) >= decision.threshold
    right = shares.argmax(1) == labels
    n, n_answered, n_right = len(labels), int(answered.sum()), int((answered & right).sum())
    found: dict[str, Any] = {"n": n, "coverage": n_answered / n, "accuracy": float(right.mean())}
    among = binomial_interval(n_answered, n)
    found["coverage_interval"] = [among.low, among.high]
    found["accuracy_of_answers"] = n_right / n_answered if n_answered else None
    if n_answered:
        among = binomial_interval(n_right, n_answered)
        found["accuracy_of_answers_interval"] = [among.low, among.high]
    found["calibration_error"] = calibration_error(shares, labels)
    found["uncalibrated"] = calibration_error(probabilities(logits), labels)
    return found


def calibration_error(shares: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Return the expected calibration error, 0 to 1, of probabilities `(n, classes)` against `labels` `(n,)`."""
    sureness, right = shares.max(1), shares.argmax(1) == labels
    place = np.minimum((sureness * bins).astype(int), bins - 1)
    gaps = [
        abs(float(right[place == b].mean() - sureness[place == b].mean())) * (place == b).mean() for b in set(place)
    ]
    return float(sum(gaps))


def decision_record(decision: Decision, of: str, figures: Mapping[str, Any]) -> bytes:
    """Return decision.json: the decision, the export `of` which it was fitted, and its test figures by export."""
    own = {"temperature": decision.temperature, "threshold": decision.threshold, "coverage": decision.coverage}
    return json.dumps({"version": VERSION, **own, "fitted_to": of, "test": dict(figures)}, indent=1).encode()


def read_decision(folder: Path) -> Decision:
    """Return a bundle's decision; one without any takes each sample's likeliest class.

    Raises:
        BundleError: decision.json is damaged.
    """
    try:
        content = (folder / FILE).read_bytes()
    except FileNotFoundError:
        return Decision()
    try:
        record = json.loads(content)
        decision = Decision(**{key: float(record[key]) for key in ("temperature", "threshold", "coverage")})
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"received {folder} whose {FILE} lacks {error}; export or copy it again") from None
    if not (decision.temperature > 0 and 0 <= decision.threshold <= 1 and 0 <= decision.coverage <= 1):
        raise BundleError(
            f"received {folder} with {decision}, expected a temperature above 0 and shares; export it again"
        )
    return decision
