"""From comparisons to verdicts, and from verdicts to sentences: verdict, number, interval, n.

Rules: a verdict is better, equal, not_shown or not_comparable; below 3 pairs only the last two; "equal" goes before
"better", as the margin was fixed beforehand as what does not matter; a run that failed rules "equal" out, and "better"
for the side that failed more; where normality is trusted, the sentence says so.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from quintet.comparison import Comparison, compare_family
from quintet.metrics import METRICS, Metric, show_number
from quintet.statistics import BOOTSTRAP_FROM, LEAST_PAIRS, Interval, Samples

__all__ = [
    "METRICS",
    "ClaimVerdict",
    "Metric",
    "Verdict",
    "claim_verdict",
    "compare_metric",
    "headline",
    "shown_worse",
    "verdict",
]

_TRUSTING = ", trusting the differences to be normal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One sentence on two names in one metric. "better": `subject` is; "not_comparable": `other` is None, `subject` why."""

    kind: Literal["better", "equal", "not_shown", "not_comparable"]
    subject: str
    other: str | None
    metric: str
    sentence: str
    comparison: Comparison | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimVerdict:
    """What became of someone's claim that `winner` is the best."""

    kind: Literal["reproduced", "not reproduced", "cannot be told"]
    claim: str
    winner: str
    sentence: str


def compare_metric(
    metric: Metric,
    samples: Samples,
    *,
    not_comparable: Mapping[str, str] | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> list[Verdict]:
    """Return the verdict on every pair of names, Holm over all of them; `samples` has one value, or None, for each seed.

    `not_comparable` gives, by name, why one did not pass the parity ladder; such a name, like one whose runs all failed,
    is left out of the family and gets one verdict of its own.
    """
    if metric.scale == "description":
        raise ValueError(f"received {metric.name!r}, one number for each name; expected a metric measured in every run")
    reasons = {name: why for name, why in (not_comparable or {}).items() if name in samples}
    for name, values in samples.items():
        if values and all(value is None for value in values):
            reasons.setdefault(name, f"no value in any of its {len(values)} {'run' if len(values) == 1 else 'runs'}")
    kept = {
        name: [v if v is None or metric.floor is None else max(v, metric.floor) for v in values]
        for name, values in samples.items()
        if name not in reasons
    }
    made = compare_family(
        kept,
        margin=metric.margin,
        higher_is_better=metric.higher_is_better,
        level=level,
        scale="ratio" if metric.scale == "ratio" else "difference",
        rng=rng,
    )
    verdicts = [verdict(comparison, metric) for comparison in made]
    for name, why in reasons.items():
        sentence = f"{name} is not comparable in {metric.label}: {why}."
        verdicts.append(
            Verdict(
                kind="not_comparable",
                subject=name,
                other=None,
                metric=metric.name,
                sentence=sentence,
                comparison=None,
            )
        )
    return verdicts


def verdict(comparison: Comparison, metric: Metric) -> Verdict:
    """Return the verdict on one comparison; alpha is 1 - level of its interval, its p values are those after Holm."""
    c, alpha = comparison, round(1 - comparison.interval.level, 12)
    kind: Literal["better", "equal", "not_shown"] = "not_shown"
    subject, other = c.a, c.b
    ahead = _ahead(c)
    if c.p_equivalence_adjusted is not None and c.p_equivalence_adjusted <= alpha:
        kind, sentence = "equal", _equal(c, metric)
    elif ahead is not None and c.p_adjusted is not None and c.p_adjusted <= alpha and _excludes_no_effect(c):
        kind, (subject, other) = "better", ahead
        sentence = _better(c, metric, subject, other)
    else:
        sentence = _not_shown(c, metric)
    return Verdict(
        kind=kind, subject=subject, other=other, metric=metric.name, sentence=sentence + _failures(c), comparison=c
    )


def _ahead(c: Comparison) -> tuple[str, str] | None:
    """Return (the better, the other) as measured; None where neither is, or the better one failed more often."""
    neutral = 1.0 if c.scale == "ratio" else 0.0
    if c.estimate is None or c.estimate == neutral:
        return None
    if (c.estimate > neutral) == c.higher_is_better:
        return None if c.failed_a > c.failed_b else (c.a, c.b)
    return None if c.failed_b > c.failed_a else (c.b, c.a)


def _excludes_no_effect(c: Comparison) -> bool:
    neutral = 1.0 if c.scale == "ratio" else 0.0
    low, high = c.interval.low, c.interval.high
    return low is None or high is None or low > neutral or high < neutral


def _numbers(c: Comparison, metric: Metric, subject: str, bounds: Interval) -> tuple[str, str]:
    """Return (the effect of `subject` against the other, its interval in words with n)."""
    estimate = 0.0 if c.estimate is None else c.estimate
    turned = subject != c.a
    low, high = bounds.low, bounds.high
    if turned:
        estimate = 1 / estimate if c.scale == "ratio" else -estimate
        if low is not None and high is not None:
            low, high = (1 / high, 1 / low) if c.scale == "ratio" else (-high, -low)
    pairs = f"{c.n} paired {'seed' if c.n == 1 else 'seeds'}"
    if low is None or high is None:
        same = f"the same in each of {pairs}" if c.n > 1 else pairs
        span = f"no interval, {same}"
    elif c.scale == "ratio":
        span = f"{100 * bounds.level:.0f} % interval {show_number(low)} to {show_number(high)}, {pairs}"
    else:
        show = metric.show_difference
        span = f"{100 * bounds.level:.0f} % interval {show(low)} to {show(high)}, {pairs}"
    if c.scale == "ratio":
        return show_number(estimate), span
    return f"{metric.show_difference(estimate + 0.0)} {metric.difference_unit}", span


def _p(value: float | None, family: int) -> str:
    text = "p < 0.001" if value is not None and value < 0.001 else f"p = {value:.3f}"
    return text + (" after Holm" if family > 1 else "")


def _ratio_sentence(metric: Metric, subject: str, other: str, ratio: str) -> str:
    phrase = metric.comparison or "{subject} has {ratio} times the " + metric.label + " of {other}"
    return phrase.format(subject=subject, other=other, ratio=ratio)


def _better(c: Comparison, metric: Metric, subject: str, other: str) -> str:
    effect, span = _numbers(c, metric, subject, c.interval)
    p = _p(c.p_adjusted, c.family)
    if c.scale == "ratio":
        sentence = f"{_ratio_sentence(metric, subject, other, effect)} ({span}, {p})."
    else:
        sentence = f"{subject} is better than {other} in {metric.label}: {effect} ({span}, {p})."
    if _trusting(c):
        sentence += f" This trusts the differences to be normal: {c.n} pairs are too few for a test that does not."
    return sentence


def _margin(c: Comparison, metric: Metric) -> str:
    margin = c.margin or 0.0
    if c.scale == "ratio":
        return f"within a factor of {show_number(1 + margin)}"
    return f"within ±{metric.show_difference(margin, signed=False)} {metric.difference_unit}"


def _equal(c: Comparison, metric: Metric) -> str:
    effect, span = _numbers(c, metric, c.a, c.equivalence_interval)
    p = _p(c.p_equivalence_adjusted, c.family)
    start = f"{c.a} and {c.b} are equal in {metric.label} {_margin(c, metric)}"
    if c.equivalence_interval.low is None:
        return f"{start}: {'ratio ' if c.scale == 'ratio' else ''}{effect} ({span})."
    number = _ratio_sentence(metric, c.a, c.b, effect) if c.scale == "ratio" else effect
    trusts = " This trusts the differences to be normal." if c.n < BOOTSTRAP_FROM else ""
    return f"{start}: {number} ({span}, {p} for a larger difference).{trusts}"


def _not_shown(c: Comparison, metric: Metric) -> str:
    start = f"No difference in {metric.label} between {c.a} and {c.b} was shown"
    if c.estimate is None:
        return f"{start}: no run finished."
    if c.n < LEAST_PAIRS:
        effect, _ = _numbers(c, metric, c.a, c.interval)
        pairs = f"{c.n} paired {'seed' if c.n == 1 else 'seeds'}"
        shown = _ratio_sentence(metric, c.a, c.b, effect) if c.scale == "ratio" else effect
        return f"{start}: {shown} in {pairs}, and fewer than {LEAST_PAIRS} show nothing."
    effect, span = _numbers(c, metric, c.a, c.interval)
    shown = _ratio_sentence(metric, c.a, c.b, effect) if c.scale == "ratio" else effect
    return f"{start}: {shown} ({span}, {_p(c.p_adjusted, c.family)}); {_need(c, metric)}."


def _need(c: Comparison, metric: Metric) -> str:
    if _ahead(c) is None and c.failed_a != c.failed_b:
        return "the one ahead failed more often"
    if c.n_needed is None:
        return "no number of seeds up to 10,000 would settle it, if this is how they are"
    n = f"about {max(c.n + 1, c.n_needed):,} paired seeds"
    if c.n_needed == c.pairs_for_equivalence:
        return f"{n} would be needed to show the two equal {_margin(c, metric)}"
    return f"{n} would be needed to show a difference of this size"


def _failures(c: Comparison) -> str:
    parts = [f"{n} of {c.n} runs of {name}" for name, n in ((c.a, c.failed_a), (c.b, c.failed_b)) if n]
    return f" Failed, and counted as the worst run seen: {' and '.join(parts)}." if parts and c.n else ""


def _names(names: Collection[str]) -> str:
    listed = list(names)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"


def shown_worse(verdicts: Sequence[Verdict], names: Collection[str]) -> list[str]:
    """Return those of `names` that one of the verdicts shows worse than another of `names`."""
    return [
        name for name in names if any(v.kind == "better" and v.other == name and v.subject in names for v in verdicts)
    ]


def _leader(verdicts: Sequence[Verdict], names: Collection[str]) -> list[str]:
    """Return `names`, the best measured first, by the sum of their effects against each other."""
    total = dict.fromkeys(names, 0.0)
    for v in verdicts:
        c = v.comparison
        if c is None or c.estimate is None or c.a not in total or c.b not in total:
            continue
        effect = (np.log(c.estimate) if c.scale == "ratio" else c.estimate) * (1 if c.higher_is_better else -1)
        total[c.a] += float(effect)
        total[c.b] -= float(effect)
    return sorted(total, key=lambda name: -total[name])


def headline(
    verdicts: Sequence[Verdict], quality: str = "accuracy", speed: str = "training_images_per_s"
) -> tuple[str, ...]:
    """Return one to three sentences: which library serves this network best here, and how sure that is.

    Best: of those not shown worse in `quality`, the best in `speed`; sure only if better there than each of the others.
    `verdicts` are those of `compare_metric` in both metrics.
    """
    in_quality = [v for v in verdicts if v.metric == quality]
    in_speed = [v for v in verdicts if v.metric == speed]
    out = list(dict.fromkeys(v.subject for v in in_quality + in_speed if v.kind == "not_comparable"))
    names = [
        name
        for name in dict.fromkeys(n for v in in_quality + in_speed for n in (v.subject, v.other) if n is not None)
        if name not in out
    ]
    left_out = _left_out(verdicts, names, out)
    if len(names) < 2:
        return (
            "Which library serves this network best here was not shown: fewer than two could be compared.",
            *left_out,
        )
    worse = shown_worse(in_quality, names)
    kept = _leader(in_speed, [name for name in names if name not in worse] or names)
    return (
        _best_sentence(in_speed, kept, METRICS[speed]),
        _quality_sentence(in_quality, names, worse, quality),
        *left_out,
    )


def _left_out(verdicts: Sequence[Verdict], names: Sequence[str], out: Sequence[str]) -> tuple[str, ...]:
    """Return the sentence on what a reader must not overlook: who was left out, and whose runs failed; or nothing."""
    failed: dict[str, int] = {}
    for c in (v.comparison for v in verdicts if v.comparison is not None):
        for name, n in ((c.a, c.failed_a), (c.b, c.failed_b)):
            failed[name] = max(n, failed.get(name, 0))
    parts = [f"left out as not comparable: {_names(out)}"] if out else []
    parts += [f"failed runs of {name}: {failed[name]}" for name in names if failed.get(name)]
    text = "; ".join(parts)
    return (f"{text[:1].upper()}{text[1:]}.",) if text else ()


def _best_sentence(in_speed: Sequence[Verdict], kept: Sequence[str], metric: Metric) -> str:
    best, *others = kept
    if not others:
        return (
            f"{best} serves this network best here: it is the only one that no other was shown to surpass in accuracy."
        )
    if not any(v.comparison and v.comparison.estimate and {v.subject, v.other} <= set(kept) for v in in_speed):
        return f"Which library serves this network best here was not shown: nothing is known of their {metric.label}."
    beaten = {v.other for v in in_speed if v.kind == "better" and v.subject == best}
    rivals = [name for name in others if name not in beaten]
    if not rivals:
        shown = next(v.comparison for v in in_speed if v.subject == best and v.other == others[0])
        if shown is None:
            return f"{best} serves this network best here."
        effect, span = _numbers(shown, metric, best, shown.interval)
        lead = _ratio_sentence(metric, best, others[0], effect)
        return (
            f"{best} serves this network best here: not shown less accurate than any, {lead}, the next "
            f"({span}, {_p(shown.p_adjusted, shown.family)}{_trusting(shown)})."
        )
    equal = {
        name for v in in_speed if v.kind == "equal" and best in (v.subject, v.other) for name in (v.subject, v.other)
    }
    if all(name in equal for name in rivals):
        return f"{_names([best, *rivals])} serve this network best here, equal in {metric.label}."
    open_ones = [name for name in rivals if name not in equal]
    return (
        f"{best} was measured best in {metric.label}, but that it serves this network best here is not shown: "
        f"its lead over {_names(open_ones)} may be chance."
    )


def _quality_sentence(in_quality: Sequence[Verdict], names: Sequence[str], worse: Sequence[str], quality: str) -> str:
    metric = METRICS[quality]
    among = [v for v in in_quality if v.subject in names and v.other in names]
    if not among:
        return f"Nothing is known of their {metric.label}."
    made = [v.comparison for v in among if v.comparison is not None]
    n = min(c.n for c in made)
    wrong = f"{n} paired seeds; wrong in at most {100 * (1 - made[0].interval.level):.0f} of 100 such studies"
    if worse:
        sure = f"({wrong}{_trusting(made[0])})"
        return f"In {metric.label}, {_names(worse)} {'is' if len(worse) == 1 else 'are'} shown to be surpassed {sure}."
    if all(v.kind == "equal" for v in among):
        trusting = _TRUSTING if n < BOOTSTRAP_FROM else ""
        return f"In {metric.label}, {_names(names)} are equal {_margin(made[0], metric)} ({wrong}{trusting})."
    largest = max(made, key=lambda c: abs(c.estimate or 0.0))
    subject, other = _ahead(largest) or (largest.a, largest.b)
    effect, span = _numbers(largest, metric, subject, largest.interval)
    sure_of = "" if largest.p_adjusted is None else f", {_p(largest.p_adjusted, largest.family)}"
    return (
        f"In {metric.label} no library was shown to surpass another: the largest difference measured, {subject} against "
        f"{other}, is {effect} ({span}{sure_of})."
    )


def _trusting(c: Comparison) -> str:
    return _TRUSTING if c.test == "t" and c.n < BOOTSTRAP_FROM else ""


def claim_verdict(claim: str, winner: str, verdicts: Sequence[Verdict]) -> ClaimVerdict:
    """Judge the claim that `winner` is the best, from the verdicts on it against each of the others in one metric.

    Reproduced if better than each; not reproduced if one is better than it, or equal to it; else it cannot be told.
    """
    against = [v for v in verdicts if winner in (v.subject, v.other)]
    beaten_by = [v for v in against if v.kind == "better" and v.other == winner]
    equals = [v for v in against if v.kind == "equal"]
    open_ones = [v for v in against if v.kind == "not_shown"] + [v for v in verdicts if v.kind == "not_comparable"]
    kind: Literal["reproduced", "not reproduced", "cannot be told"]
    if beaten_by:
        kind, why = "not reproduced", beaten_by[0].sentence
    elif equals:
        kind, why = "not reproduced", f"{winner} is not the best alone, as {equals[0].sentence}"
    elif against and not open_ones:
        kind, why = "reproduced", f"{winner} is shown better than each of the others; the nearest: " + _weakest(against)
    else:
        kind, why = "cannot be told", open_ones[0].sentence if open_ones else f"nothing was measured against {winner}."
    return ClaimVerdict(kind=kind, claim=claim, winner=winner, sentence=f'"{claim}": {kind}: {why}')


def _weakest(verdicts: Sequence[Verdict]) -> str:
    """Return the sentence of the verdict with the largest p, the one the claim hangs on."""
    return max(verdicts, key=lambda v: (v.comparison.p_adjusted or 0.0) if v.comparison else 0.0).sentence
