"""Judging a bundle anew: its figures on its system's test set, beside those that it carries.

The rule, stated before any figure is seen
* On the test set that the bundle names (equal hash), the accuracy must lie within the tolerance of the one it carries, on
  either side: the same weights on the same samples differ only by rounding, so more means that something else was judged.
* On other data no such claim was made. What is asked then is whether it is worse than its claim beyond sampling: it is, when
  the upper end of the interval here lies below the lower end of the bundle's own by more than the tolerance.
* A bundle that carries no figure is judged, and nothing is held against it.
* The figure that an export is held to is its own, from exports/exports.json; without one it is the model's.
The tolerance: TOLERANCE for the precision, and one sample at least. For int8 it is
the loss that an export may have: processors compute it with different instructions, some of which saturate.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quintet.bundle import Bundle, read_bundle
from quintet.errors import BundleError, DataError
from quintet.metrics import METRICS
from quintet.runtimes import NumpyPredictor, Predictor
from quintet.statistics import Interval, binomial_interval
from quintet.system import Prepared, load_system

TOLERANCE = {"float32": 0.001, "int8": 0.003}
BATCH = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What judging came to. Accuracies are 0 to 1.

    `claimed` is the figure that the bundle carries, or None; `claimed_of` is "model", or the export whose figure it is.
    """

    system: str
    model_version: int
    runtime: str
    precision: str
    data: str
    n: int
    scores: Mapping[str, float]
    interval: Interval
    claimed: float | None
    claimed_n: int | None
    claimed_interval: Mapping[str, Any] | None
    claimed_of: str
    same_data: bool
    tolerance: float
    holds: bool

    def to_json(self) -> dict[str, Any]:
        """Return plain values, with the sentence under "verdict"."""
        return {**asdict(self), "verdict": sentence(self)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Claim:
    of: str
    accuracy: float | None
    n: int | None
    interval: Mapping[str, Any] | None


def judge(
    folder: Path,
    data: str | None = None,
    runtime: str = "numpy",
    precision: str = "float32",
    tolerance: float | None = None,
) -> Judgement:
    """Return the bundle's figures on its system's test set: `data`, or the data set that the bundle names.

    Raises:
        BundleError: it is no whole bundle, or names no system.
        DataError: the data have other inputs or other classes than the bundle.
        QuintetError: what the system says of `data`, or the runtime of itself.
    """
    bundle = read_bundle(folder)
    card = bundle.card
    if not card.get("system"):
        raise BundleError(f"received {folder}, which names no system, expected one to judge it by; train it again")
    system = load_system(card["system"])
    prepared = system.prepare(data or (card.get("data") or {}).get("name"))
    _check_fit(bundle, prepared)
    x, y = prepared.arrays["test_x"], prepared.arrays["test_y"]
    predict = _predictor(folder, bundle, runtime, precision)
    outputs = np.concatenate([predict(x[start : start + BATCH]) for start in range(0, len(x), BATCH)])
    scores = system.score(y, outputs)
    n = len(y)
    allowed = max(TOLERANCE.get(precision, 0.0) if tolerance is None else tolerance, 1 / n)
    interval = binomial_interval(round(scores["accuracy"] * n), n)
    claim = _claim(folder, card, runtime, precision)
    same = (card.get("data") or {}).get("test_sha256") == prepared.test_sha256()
    return Judgement(
        system=card["system"],
        model_version=card["model_version"],
        runtime=runtime,
        precision=precision,
        data=prepared.name,
        n=n,
        scores=scores,
        interval=interval,
        claimed=claim.accuracy,
        claimed_n=claim.n,
        claimed_interval=claim.interval,
        claimed_of=claim.of,
        same_data=same,
        tolerance=allowed,
        holds=_holds(scores["accuracy"], interval, claim, same, allowed),
    )


def sentence(found: Judgement) -> str:
    """Return the verdict in words: figure, interval, n, the claim, and whether it holds."""
    show = METRICS["accuracy"].show
    how = f"{found.runtime}, {found.precision}"
    figure = f"{show(found.scores['accuracy'])} on {found.n:,} test samples of {found.data} ({how}; 95 % interval"
    figure += f" {show(found.interval.low)} to {show(found.interval.high)})"
    if found.claimed is None:
        return f"{figure}; the bundle carries no figure to compare with"
    claimed = f"{show(found.claimed)}" + ("" if found.claimed_of == "model" else f" of {found.claimed_of}")
    margin = METRICS["accuracy"].show_difference(found.tolerance, signed=False)
    if found.same_data:
        verdict = "as the bundle says" if found.holds else "NOT what the bundle says"
        return f"{figure}: {verdict}, {claimed} on the same samples (tolerance {margin} points)"
    verdict = "no worse than the bundle's figure beyond sampling" if found.holds else "WORSE than the bundle's figure"
    return (
        f"{figure}: {verdict}, {claimed}, which was measured on another test set (the hashes differ;"
        f" tolerance {margin} points between the intervals)"
    )


def _claim(folder: Path, card: Mapping[str, Any], runtime: str, precision: str) -> _Claim:
    """Return the figure of the export that is judged, else that of the model."""
    try:
        exports = json.loads((folder / "exports" / "exports.json").read_text())["exports"]
        for name, export in exports.items():
            if export["kept"] and (export["runtime"], export["precision"]) == (runtime, precision):
                accuracy, n = float(export["accuracy"]), int(export["n"])
                interval = asdict(binomial_interval(round(accuracy * n), n))
                return _Claim(of=name, accuracy=accuracy, n=n, interval=interval)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BundleError(
            f"received {folder} with an exports/exports.json that cannot be read ({error!r}), expected that of quintet export;"
            " export again"
        ) from None
    figure, n, interval = (card.get(f"own_test_{key}") for key in ("accuracy", "n", "interval"))
    return _Claim(of="model", accuracy=figure, n=n, interval=interval)


def _holds(accuracy: float, interval: Interval, claim: _Claim, same: bool, allowed: float) -> bool:
    if claim.accuracy is None:
        return True
    if same:
        return abs(accuracy - claim.accuracy) <= allowed + 1e-9  # one sample of 500 is 0.002, give or take a rounding
    low = (claim.interval or {}).get("low")
    return interval.high is None or interval.high >= (claim.accuracy if low is None else low) - allowed


def _check_fit(bundle: Bundle, prepared: Prepared) -> None:
    if tuple(prepared.input_shape) != tuple(bundle.net.input_shape):
        raise DataError(
            f"{prepared.name}: received inputs {tuple(prepared.input_shape)}, expected {tuple(bundle.net.input_shape)} as the"
            " bundle takes; name its kind of data: --data NAME"
        )
    if list(prepared.labels) != list(bundle.labels):
        raise DataError(
            f"{prepared.name}: received the classes {', '.join(map(str, prepared.labels))}, expected"
            f" {', '.join(map(str, bundle.labels))} as the bundle answers; name its kind of data: --data NAME"
        )
    if not len(prepared.arrays["test_y"]):
        raise DataError(
            f"{prepared.name}: received no test sample, expected at least one; name other data: --data NAME"
        )


def _predictor(folder: Path, bundle: Bundle, runtime: str, precision: str) -> Predictor:
    if (runtime, precision) == ("numpy", "float32"):
        return NumpyPredictor(bundle)
    from quintet.runtimes import open_predictor  # pyright: ignore[reportAttributeAccessIssue]

    return open_predictor(folder, runtime=runtime, precision=precision)
