"""From what was measured on this machine to a choice: the best by a goal among those within the user's limits.

Rules: what was not measured meets no limit; a library whose parity was not passed, or one of whose runs failed, or that
is shown less accurate than another one within the limits, is refused with the reason. A choice names its runner-up,
and the limits at which it would change. Where nothing can be chosen, RecommendationError says what is missing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

from quintet.errors import RecommendationError
from quintet.metrics import show_number
from quintet.verdict import Verdict, shown_worse

Goal = Literal["training", "inference", "latency", "memory"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the user's machine and task allow; None is no limit. Accuracy is 0 to 1; energy and time are of a training."""

    min_accuracy: float | None = None
    max_latency_ms: float | None = None
    max_peak_mib: float | None = None
    max_energy_j: float | None = None
    max_train_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One library as measured on this machine, each number a mean over its runs; None is not measured, never 0.

    `not_comparable` says why its parity ladder was not passed; None where it was. `latency_ms` is the median at batch 1.
    """

    library: str
    accuracy: float | None
    training_images_per_s: float | None = None
    inference_images_per_s: float | None = None
    latency_ms: float | None = None
    peak_mib: float | None = None
    energy_j: float | None = None
    train_s: float | None = None
    n: int
    n_failed: int = 0
    not_comparable: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The choice, why, who came next, why others were refused, and at which limits the answer would change."""

    library: str
    goal: Goal
    sentence: str
    runner_up: str | None
    refused: dict[str, str]
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quantity:
    attribute: str
    label: str
    unit: str
    higher_is_better: bool

    def show(self, value: float) -> str:
        return f"{100 * value:.2f} %" if self.unit == "share" else f"{show_number(value)} {self.unit}"

    def loosened(self, value: float) -> float:
        """Return `value` rounded to the digits that `show` prints, to the side that lets `value` itself pass."""
        if self.unit == "share":
            return math.floor(value * 10_000 + 1e-6) / 10_000
        if value <= 0:
            return value
        digits = math.floor(math.log10(value))
        step = 10.0 ** (digits - 1 if value < 0.1 else min(0, max(digits, 0) - 2))
        return math.ceil(value / step - 1e-6) * step

    def of(self, candidate: Candidate) -> float | None:
        return getattr(candidate, self.attribute)


_LIMITED = {
    "min_accuracy": _Quantity(attribute="accuracy", label="accuracy", unit="share", higher_is_better=True),
    "max_latency_ms": _Quantity(attribute="latency_ms", label="latency", unit="ms", higher_is_better=False),
    "max_peak_mib": _Quantity(attribute="peak_mib", label="peak memory", unit="MiB", higher_is_better=False),
    "max_energy_j": _Quantity(attribute="energy_j", label="energy", unit="J", higher_is_better=False),
    "max_train_s": _Quantity(attribute="train_s", label="training time", unit="s", higher_is_better=False),
}
_GOALS: dict[str, tuple[_Quantity, str]] = {
    "training": (
        _Quantity(attribute="training_images_per_s", label="training speed", unit="images/s", higher_is_better=True),
        "training_images_per_s",
    ),
    "inference": (
        _Quantity(attribute="inference_images_per_s", label="inference speed", unit="images/s", higher_is_better=True),
        "inference_images_per_s",
    ),
    "latency": (_LIMITED["max_latency_ms"], "latency_p50_ms"),
    "memory": (_LIMITED["max_peak_mib"], "peak_mib"),
}


def recommend(
    candidates: Sequence[Candidate], limits: Limits, *, goal: Goal = "training", verdicts: Sequence[Verdict] = ()
) -> Recommendation:
    """Choose the best in `goal` among those within `limits` and not shown less accurate than another such.

    `verdicts` (of `compare_metric`, in accuracy and in the goal's metric) say what is shown; without them only the
    measured means speak. Raises RecommendationError where no library is left, with what is missing.
    """
    if goal not in _GOALS:
        raise RecommendationError(f"received the goal {goal!r}; expected one of {', '.join(_GOALS)}; name one of them")
    if not candidates:
        raise RecommendationError(
            "received no measured library; expected at least one trial of this system on this machine; "
            "run `quintet compare SYSTEM` first"
        )
    ranked, refused = _ranked(candidates, limits, goal, verdicts)
    if not ranked:
        why = "; ".join(f"{name}: {reason}" for name, reason in refused.items())
        raise RecommendationError(
            f"received {len(candidates)} measured libraries, none of which can be recommended ({why}); expected one "
            "within all limits; loosen a limit, or measure what is missing with `quintet compare SYSTEM`"
        )
    best = ranked[0]
    runner_up = ranked[1] if len(ranked) > 1 else None
    return Recommendation(
        library=best.library,
        goal=goal,
        sentence=_sentence(best, runner_up, limits, goal, verdicts),
        runner_up=runner_up.library if runner_up else None,
        refused=refused,
        changes=_changes(candidates, limits, goal, verdicts, best),
    )


def _ranked(
    candidates: Sequence[Candidate], limits: Limits, goal: Goal, verdicts: Sequence[Verdict]
) -> tuple[list[Candidate], dict[str, str]]:
    """Return those that may be chosen, the best first, and why each of the others may not."""
    quantity = _GOALS[goal][0]
    refused: dict[str, str] = {}
    for candidate in candidates:
        reason = _refusal(candidate, limits, quantity)
        if reason is not None:
            refused[candidate.library] = reason
    left = [c.library for c in candidates if c.library not in refused]
    for name in shown_worse([v for v in verdicts if v.metric == "accuracy"], left):
        refused[name] = "it is shown less accurate than another library within the limits"
    sign = -1 if quantity.higher_is_better else 1
    kept = [c for c in candidates if c.library not in refused]
    return sorted(kept, key=lambda c: sign * (quantity.of(c) or 0.0)), refused


def _refusal(candidate: Candidate, limits: Limits, goal: _Quantity) -> str | None:
    if candidate.not_comparable is not None:
        return f"it is not comparable: {candidate.not_comparable}"
    if candidate.n_failed:
        return f"{candidate.n_failed} of its {candidate.n + candidate.n_failed} runs failed"
    if goal.of(candidate) is None:
        return f"its {goal.label} was not measured"
    for name, quantity in _LIMITED.items():
        limit, value = getattr(limits, name), quantity.of(candidate)
        if limit is None:
            continue
        if value is None:
            return f"its {quantity.label} was not measured, and there is a limit on it"
        if (value < limit) if quantity.higher_is_better else (value > limit):
            where = "under" if quantity.higher_is_better else "over"
            return f"its {quantity.label}, {quantity.show(value)}, is {where} the limit of {quantity.show(limit)}"
    return None


def _sentence(
    best: Candidate, runner_up: Candidate | None, limits: Limits, goal: Goal, verdicts: Sequence[Verdict]
) -> str:
    quantity, metric = _GOALS[goal]
    value = quantity.of(best)
    limited = any(getattr(limits, field.name) is not None for field in fields(limits))
    scope = "within your limits" if limited else "on this machine"
    start = f"{best.library} is recommended: the best {quantity.label} {scope}, {quantity.show(value or 0.0)}"
    if best.accuracy is not None:
        start += f", at an accuracy of {100 * best.accuracy:.2f} %"
    if runner_up is None:
        return f"{start}; no other library is left to choose from."
    second = quantity.of(runner_up)
    start += f"; {runner_up.library} comes next with {quantity.show(second or 0.0)}"
    between = [v for v in verdicts if v.metric == metric and {v.subject, v.other} == {best.library, runner_up.library}]
    if not between:
        return f"{start}. How sure the order of the two is was not tested."
    if between[0].kind == "better" and between[0].subject == best.library:
        return f"{start}, and the difference is shown. {between[0].sentence}"
    if between[0].kind == "equal":
        return f"{start}, which counts as equal. {between[0].sentence}"
    return f"{start}, and that {best.library} is ahead is not shown. {between[0].sentence}"


def _changes(
    candidates: Sequence[Candidate], limits: Limits, goal: Goal, verdicts: Sequence[Verdict], best: Candidate
) -> tuple[str, ...]:
    """Try each limit at each value measured: looser up to the first change, and just too tight for the choice."""
    sentences = []
    for name, quantity in _LIMITED.items():
        limit = getattr(limits, name)
        values = {quantity.loosened(value) for c in candidates if (value := quantity.of(c)) is not None}
        sign = -1 if quantity.higher_is_better else 1  # ascending is tight to loose
        ordered = sorted(values, key=lambda value: sign * value)
        own = quantity.of(best)
        looser = [v for v in ordered if limit is not None and sign * v > sign * limit]
        tighter = [v for v in reversed(ordered) if own is not None and sign * v < sign * own]
        for tried in (looser, tighter):
            for value in tried:
                ranked, _ = _ranked(candidates, replace(limits, **{name: value}), goal, verdicts)
                if ranked and ranked[0].library != best.library:
                    side = "at least" if quantity.higher_is_better else "at most"
                    sentences.append(
                        f"If your limit on {quantity.label} were {side} {quantity.show(value)}, the answer would change "
                        f"to {ranked[0].library}."
                    )
                    break
    return tuple(sentences)
