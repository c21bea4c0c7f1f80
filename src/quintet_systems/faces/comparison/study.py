"""The whole comparison: sets, methods, conditions, detectors; pure numbers, told by report.py."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quintet.statistics import Summary, holm, interval, paired_p_value, summarise
from quintet_systems.faces.comparison.crops import Crops, aligned, of_lfw
from quintet_systems.faces.comparison.measuring import (
    UNCHANGED,
    Key,
    Values,
    fit_by_fold,
    grid,
    identify,
    random_splits,
    some_of_each_fold,
    verify_pairs,
)
from quintet_systems.faces.comparison.methods import Method, milliseconds, named
from quintet_systems.faces.data import gallery
from quintet_systems.faces.data.lfw import Lfw
from quintet_systems.faces.engine.parts import Detector
from quintet_systems.faces.protocols.detection import (
    UNDER_CONDITIONS,
    Found,
    Hits,
    Trial,
    found_by,
    judge_cascade,
    judging_pictures,
    try_detector,
    try_under,
)

ROBUST = "Learned features are more robust than hand-crafted ones."
ALPHA = 0.05
TIMED = 50  # faces
DETECTION = "detection"
Report = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One method on one set under one condition at one level (0: unchanged), over people or folds."""

    data: str
    method: str
    condition: str
    level: int
    accuracy: Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A learned method's accuracy minus a hand-crafted one's, under one condition, averaged over its levels."""

    data: str
    condition: str
    learned: str
    handcrafted: str
    mean: float
    low: float | None
    high: float | None
    n: int
    p_adjusted: float | None

    @property
    def shown(self) -> int:
        """1: the learned method is better, -1: the hand-crafted one is, 0: neither is shown."""
        if self.p_adjusted is None or self.p_adjusted > ALPHA:
            return 0
        return 1 if self.mean > 0 else -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What `quintet faces compare` came to."""

    detector: Mapping[str, Any]
    methods: tuple[Mapping[str, Any], ...]
    sets: tuple[Mapping[str, Any], ...]
    cells: tuple[Cell, ...]
    costs: tuple[Mapping[str, Any], ...]
    differences: tuple[Difference, ...]
    claims: tuple[str, ...]
    detection: tuple[Found, ...] = ()
    under_conditions: tuple[Cell, ...] = ()


def compare_faces(
    detector: Detector,
    detector_card: Mapping[str, Any],
    methods: Sequence[Method],
    data: Path | None = None,
    *,
    sets: Sequence[str] = ("att", "yale", "lfw"),
    conditions: Sequence[str],
    splits: int = 10,
    pairs_per_fold: int = 100,
    detectors: Sequence[Detector] = (),
    on_step: Report = lambda *_: None,
) -> Comparison:
    """Measure every method on every set under every condition, and `detectors` on LFW and on scenes without faces.

    Args:
        sets: "att", "yale", "lfw", or a folder with a folder of pictures for each person.
        splits: random splits of a gallery into enrolled and searched pictures.
        pairs_per_fold: of LFW's 600, for the conditions; unchanged pictures are measured on all of them by `quintet faces lfw`.
    """
    cells: list[Cell] = []
    described: list[Mapping[str, Any]] = []
    differences: list[Difference] = []
    some: Crops | None = None
    for name in sets:
        fair = [method for method in methods if name not in method.knows]
        values, about, crops = _measure(name, detector, fair, data, conditions, splits, pairs_per_fold, on_step)
        some = crops if some is None else some
        described.append(about)
        cells += [
            Cell(data=name, method=m, condition=c, level=level, accuracy=summarise(list(found)))
            for (m, c, level), found in values.items()
        ]
        differences += _differences(name, values, fair)
    adjusted = holm([one.p_adjusted for one in differences])
    differences = [_with_p(one, p) for one, p in zip(differences, adjusted, strict=True)]
    assert some is not None
    trials, under = _try(detectors, data, conditions, on_step)
    return Comparison(
        detector=detector_card,
        methods=tuple({"kind": one.kind, **one.card} for one in methods),
        sets=tuple(described),
        cells=tuple(cells),
        costs=tuple(_costs(methods, some)),
        differences=tuple(differences),
        claims=(
            *(_robust(name, differences) for name in named(methods, "learned")),
            *(
                judge_cascade(trials["cascade"], one, (under["cascade"], under[name]))
                for name, one in trials.items()
                if name == "hog" and "cascade" in trials
            ),
        ),
        detection=tuple(map(found_by, trials.values())),
        under_conditions=tuple(
            Cell(
                data=DETECTION,
                method=name,
                condition=condition,
                level=level,
                accuracy=summarise(hits.astype(float).tolist()),
            )
            for name in trials
            for (condition, level), hits in {(UNCHANGED, 0): trials[name].hits, **under[name]}.items()
        ),
    )


def _try(
    detectors: Sequence[Detector], data: Path | None, conditions: Sequence[str], on_step: Report
) -> tuple[dict[str, Trial], dict[str, Hits]]:
    if not detectors:
        return {}, {}
    faces, scenes = judging_pictures(data)
    trials, under = {}, {}
    for one in detectors:
        trials[one.name] = try_detector(one, faces, scenes, lambda *n, one=one: on_step(f"detector {one.name}", *n))
        some = faces[:UNDER_CONDITIONS]
        under[one.name] = try_under(one, some, conditions, lambda *n, one=one: on_step(f"{one.name}: conditions", *n))
    return trials, under


def _measure(
    name: str,
    detector: Detector,
    methods: Sequence[Method],
    data: Path | None,
    conditions: Sequence[str],
    splits: int,
    pairs_per_fold: int,
    on_step: Report,
) -> tuple[Values, Mapping[str, Any], Crops]:
    def pictures(done: int, total: int) -> None:
        on_step(f"{name}: faces", done, total)

    def steps(done: int, total: int) -> None:
        on_step(f"{name}: conditions", done, total)

    cells = grid(conditions)
    if name == "lfw":
        lfw = Lfw(data)
        names, faces = of_lfw(lfw, detector, pictures)
        pairs = lfw.pairs()
        at = {one: i for i, one in enumerate(names)}
        taken = {one: (faces.crops[at[one]], bool(faces.found[at[one]])) for p in pairs for one in (p.first, p.second)}
        embedders = fit_by_fold(methods, pairs, faces)
        whole = verify_pairs(pairs, taken, methods, embedders, [(UNCHANGED, 0)])
        some = some_of_each_fold(pairs, pairs_per_fold)
        values = verify_pairs(some, taken, methods, embedders, cells, steps)
        about = {
            "question": "one person or two?",
            "pairs": len(some),
            "values": "folds",
            "n": 10,
            "view2": {method: summarise(list(found)) for (method, _, _), found in whole.items()},
        }
        return values, _about(name, faces) | about, faces
    if name == "yale":
        faces = aligned(gallery.yale(data), detector, still=True, on_picture=pictures)
        subset = faces.conditions
        enrolled = np.flatnonzero(subset == "subset 1")
        values = identify(faces, [(enrolled, np.flatnonzero(subset == "subset 2"))], methods, cells, steps)
        for level in range(2, 6):
            searches = np.flatnonzero(subset == f"subset {level}")
            found = identify(faces, [(enrolled, searches)], methods, [(UNCHANGED, 0)])
            values |= {(m, "Yale's lights", level - 1): share for (m, _, _), share in found.items()}
    else:
        faces = aligned(gallery.named(name, data), detector, on_picture=pictures)
        values = identify(faces, random_splits(faces.people, 5, splits), methods, cells, steps)
    about = {"question": "who is it?", "values": "people", "n": len(np.unique(faces.people))}
    return values, _about(name, faces) | about, faces


def _about(name: str, faces: Crops) -> dict[str, Any]:
    return {
        "data": name,
        "pictures": len(faces.crops),
        "people": len(np.unique(faces.people)),
        "detected": float(faces.detected.mean()),
    }


def _differences(data: str, values: Values, methods: Sequence[Method]) -> list[Difference]:
    """Return every learned method against every hand-crafted one under every condition; p is not yet adjusted."""
    conditions = sorted({condition for _, condition, _ in values if condition != UNCHANGED})
    found = []
    for condition in conditions:
        for one in named(methods, "learned"):
            for other in named(methods, "hand-crafted"):
                gap = _over_levels(values, one, condition) - _over_levels(values, other, condition)
                bounds = interval(gap)
                found.append(
                    Difference(
                        data=data,
                        condition=condition,
                        learned=one,
                        handcrafted=other,
                        mean=float(gap.mean()),
                        low=bounds.low,
                        high=bounds.high,
                        n=len(gap),
                        p_adjusted=paired_p_value(gap),
                    )
                )
    return found


def _over_levels(values: Mapping[Key, np.ndarray], method: str, condition: str) -> np.ndarray:
    return np.mean([found for (m, c, _), found in values.items() if (m, c) == (method, condition)], axis=0)


def _with_p(one: Difference, p: float | None) -> Difference:
    from dataclasses import replace

    return replace(one, p_adjusted=p)


def _robust(learned: str, differences: Sequence[Difference]) -> str:
    """Say what becomes of the claim for one learned method: better than each hand-crafted one, everywhere?"""
    own = [one for one in differences if one.learned == learned]
    worse = [one for one in own if one.shown < 0]
    open_ = [one for one in own if one.shown == 0]
    shown = len(own) - len(worse) - len(open_)
    head = f'{learned}: "{ROBUST}"'
    count = f"better in {shown} of {len(own)} comparisons (set x condition x hand-crafted method, Holm over all)"
    if worse:
        named_ = ", ".join(f"{one.handcrafted} on {one.data} under {one.condition}" for one in worse[:4])
        more = f" and {len(worse) - 4} more" if len(worse) > 4 else ""
        return f"{head} not reproduced: {count}; worse than {named_}{more}."
    if open_:
        return f"{head} cannot be told: {count}; of the other {len(open_)} neither is shown."
    return f"{head} reproduced: {count}."


def _costs(methods: Sequence[Method], faces: Crops) -> list[Mapping[str, Any]]:
    """Return what each method costs for one face, given one by one, and the size of what it has learnt."""
    costs = []
    kept = np.flatnonzero(faces.found)
    some = faces.crops[kept[:TIMED]]
    for method in methods:
        embedder = method.fit(faces.crops[kept], faces.people[kept])
        middle, late = milliseconds(embedder, some)
        costs.append(
            {
                "method": method.name,
                "p50_ms": middle,
                "p95_ms": late,
                "model_mib": embedder.size_bytes / (1 << 20),
                "features": embedder(some[:1]).shape[1],
            }
        )
    return costs
