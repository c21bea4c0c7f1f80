"""One climb of the ladder: two runs' arrays compared rung by rung, up to the first rung that fails.

Rules
* A distance is relative to the umpire's array; one that is nearly zero is measured against its rung's scale.
* Tolerances are fixed before the run. Those of float32, and of the weights after Adam's steps, widen for an array that
  rounding alone moves further: see climb().
Not here: making the runs (parity.py). Reasons for each number: docs/parity.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from quintet.launch import Result
from quintet.optimiser import SGD, Optimiser
from quintet.weights import Weights

Precision = Literal["float64", "float32"]
Rungs = Mapping[str, Weights]  # rung -> {name: array}

RUNGS = ("weights", "outputs", "loss", "gradients", "step_1", "step_n")
FLOAT64_TOLERANCE = 1e-12
ADAM_TOLERANCE = 1e-10  # float64, after Adam's steps: m / sqrt(v) amplifies the rounding of a small gradient
FLOAT32_TOLERANCE = 1e-5
NOISE_FACTOR = 10  # another order of sums, or another convolution algorithm, may lose this much more than numpy does
SMALLEST_SHARE = 0.1  # of a rung's root-mean-square length: a shorter array is measured against this instead


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One comparison with the umpire.

    Args:
        max_relative_difference: the greatest distance of any array on this rung.
        worst_parameter: the array that is furthest beyond its tolerance, or nearest to it.
        difference, tolerance: that array's.
        widened: {name: tolerance} of the arrays that are beyond 1e-5 (1e-10), and within what rounding alone excuses.
        fault: what made a comparison impossible (a missing array, a wrong shape or type, not a number), or None.
    """

    name: str
    passed: bool
    max_relative_difference: float
    worst_parameter: str
    difference: float
    tolerance: float
    widened: Mapping[str, float]
    fault: str | None = None

    def sentence(self) -> str:
        """Return what happened, naming the rung, the parameter, the figure and the tolerance."""
        if self.fault:
            return f"rung {self.name}, {self.worst_parameter}: {self.fault}"
        relation = "is within" if self.passed else "exceeds"
        figures = f"relative difference {self.difference:.2g} {relation} the tolerance {self.tolerance:.2g}"
        return f"rung {self.name}, {self.worst_parameter}: {figures}"


def differences(found: Weights, exact: Weights) -> dict[str, float]:
    """Return `{name: |found - exact| / max(|exact|, floor)}`, lengths Euclidean, in float64.

    `floor` is a tenth of the root-mean-square length of all arrays of `exact`: an array whose true value is zero (the
    gradient of a bias before BatchNorm) is held to the scale of its rung, not divided by its own rounding noise.

    >>> found, exact = {"a": np.array([3.0, 4.0]), "b": np.array([1e-9])}, {"a": np.array([3.0, 3.0]), "b": np.zeros(1)}
    >>> {name: f"{distance:.1e}" for name, distance in differences(found, exact).items()}
    {'a': '2.4e-01', 'b': '3.3e-09'}
    """
    lengths = {name: float(np.linalg.norm(np.asarray(array, np.float64))) for name, array in exact.items()}
    floor = SMALLEST_SHARE * math.sqrt(sum(length**2 for length in lengths.values()) / max(len(lengths), 1))
    result = {}
    for name, array in exact.items():
        apart = float(np.linalg.norm(np.asarray(found[name], np.float64) - np.asarray(array, np.float64)))
        scale = max(lengths[name], floor)
        distance = apart / scale if scale else (0.0 if apart == 0 else math.inf)
        result[name] = math.inf if math.isnan(distance) else distance
    return result


def tolerance(rung: str, precision: Precision, optimiser: Optimiser) -> float:
    """Return a rung's tolerance before the noise floor widens it; the weights must be equal to the bit."""
    if rung == "weights":
        return 0.0
    if precision == "float32":
        return FLOAT32_TOLERANCE
    return ADAM_TOLERANCE if rung.startswith("step") and not isinstance(optimiser, SGD) else FLOAT64_TOLERANCE


def climb(
    found: Rungs,
    umpire: Rungs,
    precision: Precision,
    optimiser: Optimiser,
    noise: Rungs | None = None,
    nudged: Sequence[Rungs] = (),
) -> tuple[Rung, ...]:
    """Compare `found` with `umpire` rung by rung; the first rung that fails is the last one returned.

    Args:
        noise: the same job as rounding alone changes it (the reference's float32 run, or its twin in float64); where it
            counts, an array's tolerance is at least ten times its distance there.
        nudged: float32 runs of the reference that start ten units in the last place away; an array's tolerance is at
            least its distance there. They show where a relu or a maximum stands so near its kink that rounding decides.
    """
    rungs = []
    for name in RUNGS:
        base, exact = tolerance(name, precision, optimiser), umpire[name]
        allowed = dict.fromkeys(exact, base)
        if base > FLOAT64_TOLERANCE:
            runs = [(1, run[name]) for run in nudged] + ([(NOISE_FACTOR, noise[name])] if noise else [])
            for factor, run in runs:
                allowed = {key: max(allowed[key], factor * d) for key, d in differences(run, exact).items()}
        rungs.append(_rung(name, found[name], exact, precision, base, allowed))
        if not rungs[-1].passed:
            break
    return tuple(rungs)


def read_rungs(result: Result) -> Rungs:
    """Return the arrays that a ladder job left, by rung."""
    rungs: dict[str, Weights] = {}
    for name in RUNGS:
        path = result.file(name)
        if path is None:
            continue
        if name == "loss":
            loss = np.load(path, allow_pickle=False)
            parts = ("loss",) if loss.size == 1 else ("generator", "discriminator")
            rungs[name] = dict(zip(parts, loss.reshape(-1), strict=True))
            continue
        with np.load(path, allow_pickle=False) as arrays:
            rungs[name] = {key: arrays[key] for key in arrays.files}
    return rungs


def _rung(
    name: str, found: Weights, exact: Weights, precision: Precision, base: float, allowed: Mapping[str, float]
) -> Rung:
    fault = next(
        ((key, words) for key in exact if (words := _fault(name, found.get(key), exact[key], precision))), None
    )
    extra = sorted(set(found) - set(exact))
    if fault is None and extra:
        fault = (extra[0], "the library has this array, the network does not")
    if fault:
        return Rung(
            name=name,
            passed=False,
            max_relative_difference=math.inf,
            worst_parameter=fault[0],
            difference=math.inf,
            tolerance=base,
            widened={},
            fault=fault[1],
        )
    apart = differences(found, exact)
    worst = max(exact, key=lambda key: apart[key] / allowed[key] if allowed[key] else apart[key])
    return Rung(
        name=name,
        passed=all(apart[key] <= allowed[key] for key in exact),
        max_relative_difference=max(apart.values()),
        worst_parameter=worst,
        difference=apart[worst],
        tolerance=allowed[worst],
        widened={key: value for key, value in allowed.items() if base < apart[key] <= value},
    )


def _fault(rung: str, found: np.ndarray | None, exact: np.ndarray, precision: Precision) -> str | None:
    """Return what makes a comparison impossible, or None."""
    if found is None:
        return "the library returned no such array"
    if np.shape(found) != np.shape(exact):
        return f"received shape {np.shape(found)}, expected {np.shape(exact)}"
    if not np.isfinite(found).all():
        return "received values that are not finite"
    if rung == "weights" and found.dtype != precision:
        return f"received {found.dtype}, expected {precision}"
    return None
