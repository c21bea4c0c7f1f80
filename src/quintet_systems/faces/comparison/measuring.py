"""Every method under every condition: who is it (AT&T, Extended Yale B, own folders), are they the same (LFW).

What varies by chance, and so what intervals are over, is people: in a gallery each person's share of right answers is one
value, in LFW each fold's accuracy is, whose people are in no other fold. Methods are compared on the same values, pair by pair.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from quintet_systems.faces.comparison.crops import Crops
from quintet_systems.faces.comparison.methods import Method
from quintet_systems.faces.conditions import CONDITIONS, LEVELS
from quintet_systems.faces.data.lfw import Pair
from quintet_systems.faces.engine.parts import Embedder
from quintet_systems.faces.protocols.identification import ranks, templates
from quintet_systems.faces.protocols.lfw import embed_found
from quintet_systems.faces.protocols.pairs import best_threshold
from quintet_systems.faces.protocols.rates import NOT_COMPARED

UNCHANGED = "unchanged"
Key = tuple[str, str, int]  # method, condition, level
Values = dict[Key, np.ndarray]
OnStep = Callable[[int, int], None]
Split = tuple[np.ndarray, np.ndarray]


def grid(conditions: Sequence[str] = tuple(CONDITIONS)) -> list[tuple[str, int]]:
    """Return (condition, level) of every cell, the unchanged first."""
    return [(UNCHANGED, 0), *((name, level) for name in conditions for level in LEVELS)]


def random_splits(people: np.ndarray, enrolled: int, count: int, seed: int = 1) -> list[Split]:
    """Return `count` random splits (gallery, searches) with `enrolled` pictures of each person in the gallery.

    People with no more pictures than that keep one for searching; those with a single picture are left out.
    """
    splits = []
    for i in range(count):
        rng = np.random.default_rng([seed, i])
        gallery, searches = [], []
        for one in np.unique(people):
            own = rng.permutation(np.flatnonzero(people == one))
            if len(own) < 2:
                continue
            cut = min(enrolled, len(own) - 1)
            gallery.append(own[:cut])
            searches.append(own[cut:])
        splits.append((np.sort(np.concatenate(gallery)), np.sort(np.concatenate(searches))))
    return splits


def identify(
    faces: Crops,
    splits: Sequence[Split],
    methods: Sequence[Method],
    cells: Sequence[tuple[str, int]],
    on_step: OnStep = lambda *_: None,
) -> Values:
    """Return, for each method and cell, each person's share of searches that find them at the first place `(persons,)`.

    Only the searches are changed, never what is enrolled. A face that was not found is a miss.
    """
    fitted = [(method, *_enrol(faces, gallery, method), searches) for method in methods for gallery, searches in splits]
    searched = np.unique(np.concatenate([searches for _, searches in splits]))
    hits: Values = {}
    for step, (condition, level) in enumerate(cells):
        changed, found = _changed(faces.crops[searched], condition, level), faces.found[searched]
        shared = {m.name: embed_found(m.fit(*_nobody(faces)), changed, found) for m in methods if not m.fits}
        shares: dict[str, list[np.ndarray]] = {method.name: [] for method in methods}
        for method, embedder, enrolled, gallery, searches in fitted:
            at, people = np.searchsorted(searched, searches), faces.people[searches]
            own = embed_found(embedder, changed[at], found[at]) if method.fits else shared[method.name][at]
            scores = np.where(found[at, None], own @ enrolled.T, NOT_COMPARED)
            right = (ranks(scores, gallery, people) == 1) & found[at]
            shares[method.name].append(_by_person(right, people))
        hits |= {(name, condition, level): np.mean(values, axis=0) for name, values in shares.items()}
        on_step(step + 1, len(cells))
    return hits


def verify_pairs(
    pairs: Sequence[Pair],
    faces: Mapping[str, tuple[np.ndarray, bool]],
    methods: Sequence[Method],
    embedders: Mapping[str, Sequence[Embedder]],
    cells: Sequence[tuple[str, int]],
    on_step: OnStep = lambda *_: None,
) -> Values:
    """Return, for each method and cell, each fold's accuracy `(folds,)`; the unchanged cell must come first.

    `embedders`: of fit_by_fold.

    The second picture of each pair is changed. The threshold is that of the other folds' unchanged pairs: nobody at a door
    knows beforehand what light will come.
    """
    folds = sorted({pair.fold for pair in pairs})
    first, second = (np.stack([faces[getattr(pair, side)][0] for pair in pairs]) for side in ("first", "second"))
    found = np.array([faces[pair.first][1] and faces[pair.second][1] for pair in pairs])
    same, fold_of = np.array([pair.same for pair in pairs]), np.array([pair.fold for pair in pairs])
    accuracies: Values = {}
    thresholds: dict[tuple[str, int], float] = {}
    firsts = {name: _each(own, lambda one: embed_found(one, first, found)) for name, own in embedders.items()}
    for step, (condition, level) in enumerate(cells):
        changed = _changed(second, condition, level)
        for method in methods:
            values, shared = [], np.zeros(len(pairs))
            if not method.fits:
                shared = _scores(firsts[method.name][0], embedders[method.name][0], changed, found)
            for fold, embedder, a in zip(folds, embedders[method.name], firsts[method.name], strict=True):
                tested, tuning = fold_of == fold, np.isin(fold_of, tuning_folds(folds, fold, method.fits))
                if method.fits:
                    wanted = tested | tuning if condition == UNCHANGED else tested
                    shared[wanted] = _scores(a[wanted], embedder, changed[wanted], found[wanted])
                if condition == UNCHANGED:
                    thresholds[method.name, fold] = best_threshold(shared[tuning], same[tuning])
                right = (shared[tested] >= thresholds[method.name, fold]) == same[tested]
                values.append(float(right.mean()))
            accuracies[method.name, condition, level] = np.array(values)
        on_step(step + 1, len(cells))
    return accuracies


def fit_by_fold(methods: Sequence[Method], pairs: Sequence[Pair], training: Crops) -> dict[str, list[Embedder]]:
    """Return each method's embedder for each fold. One that learns is fitted anew for each, see taught_by."""
    folds = sorted({pair.fold for pair in pairs})
    kept = [taught_by(pairs, fold, training.people) & training.found for fold in folds]
    return {
        method.name: [method.fit(training.crops[one], training.people[one]) for one in kept]
        if method.fits
        else [method.fit(*_nobody(training))] * len(folds)
        for method in methods
    }


def tuning_folds(folds: Sequence[int], tested: int, fits: bool) -> list[int]:
    """Return the folds that the threshold for fold `tested` comes from: all others, or half of them for a method that learns.

    >>> tuning_folds(range(10), 8, True)
    [9, 0, 1, 2]
    """
    at = list(folds).index(tested)
    others = [*folds[at + 1 :], *folds[:at]]
    return others[: (len(folds) - 1) // 2] if fits else others


def taught_by(pairs: Sequence[Pair], tested: int, people: np.ndarray) -> np.ndarray:
    """Return which of `people` `(n,)` a method tested on a fold may learn from: those in no pair of it or of its tuning folds."""
    folds = sorted({pair.fold for pair in pairs})
    closed = {tested, *tuning_folds(folds, tested, fits=True)}
    kept_apart = {one for pair in pairs if pair.fold in closed for one in pair.people()}
    return np.array([one not in kept_apart for one in people])


def some_of_each_fold(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Return `count` pairs of each fold, half of one person and half of two, the first of the file."""
    chosen = []
    for fold in sorted({pair.fold for pair in pairs}):
        for same in (True, False):
            chosen += [pair for pair in pairs if pair.fold == fold and pair.same == same][: count // 2]
    return chosen


def _enrol(faces: Crops, gallery: np.ndarray, method: Method) -> tuple:
    kept = gallery[faces.found[gallery]]
    embedder = method.fit(faces.crops[kept], faces.people[kept])
    enrolled, people = templates(embedder(faces.crops[kept]), faces.people[kept])
    return embedder, enrolled, people


def _each(embedders: Sequence[Embedder], call: Callable[[Embedder], np.ndarray]) -> list[np.ndarray]:
    """Return what each embedder gives; one that stands there several times is asked once."""
    given: dict[int, np.ndarray] = {}
    return [given[id(one)] if id(one) in given else given.setdefault(id(one), call(one)) for one in embedders]


def _scores(a: np.ndarray, embedder: Embedder, second: np.ndarray, found: np.ndarray) -> np.ndarray:
    return np.where(found, np.einsum("nf,nf->n", a, embed_found(embedder, second, found)), NOT_COMPARED)


def _changed(crops: np.ndarray, condition: str, level: int) -> np.ndarray:
    return crops if condition == UNCHANGED else CONDITIONS[condition](crops, level, seed=0)


def _nobody(faces: Crops) -> tuple[np.ndarray, np.ndarray]:
    """Return no crops and no people: what a method that learns nothing is fitted on."""
    return faces.crops[:0], faces.people[:0]


def _by_person(right: np.ndarray, people: np.ndarray) -> np.ndarray:
    return np.array([right[people == one].mean() for one in np.unique(people)])
