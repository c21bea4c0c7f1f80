"""Error rates, LFW's folds and identification, against slow readings of their definitions."""

import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.errors import DataError
from quintet_systems.faces.data.lfw import Lfw, Pair, parse_pairs, person
from quintet_systems.faces.protocols.identification import cmc, open_set, ranks, templates
from quintet_systems.faces.protocols.lfw import held_out_pairs
from quintet_systems.faces.protocols.measuring import measure_set
from quintet_systems.faces.protocols.pairs import best_threshold, ten_fold
from quintet_systems.faces.protocols.rates import (
    NOT_COMPARED,
    det_curve,
    eer_interval,
    equal_error_rate,
    fmr_at,
    fnmr_at,
    operating_point,
    over_people,
    require_carried,
    threshold_at_fmr,
)
from quintet_systems.faces.training.splits import PARTS, parts_of, people_of

scores = st.lists(st.integers(-20, 20).map(lambda n: n / 20), min_size=1, max_size=30)


@given(scores, scores)
def test_det_curve_is_the_rates_at_each_threshold(mated, impostor):
    mated, impostor = np.array(mated), np.array(impostor)
    for threshold, fmr, fnmr in zip(*det_curve(mated, impostor), strict=True):
        assert fmr == pytest.approx(fmr_at(impostor, threshold))
        assert fnmr == pytest.approx(fnmr_at(mated, threshold))


@given(st.lists(st.integers(0, 50).map(lambda n: n / 50), min_size=30, max_size=200), st.sampled_from([0.1, 0.2, 0.5]))
def test_threshold_keeps_the_rate_and_is_the_lowest_that_does(impostor, rate):
    impostor = np.array(impostor)
    threshold = threshold_at_fmr(impostor, rate)
    assert fmr_at(impostor, threshold) <= rate
    lower = np.max(impostor[impostor < threshold], initial=-np.inf)
    assert np.isinf(lower) or fmr_at(impostor, lower) > rate


@pytest.mark.parametrize(("rate", "n", "carried"), [(1e-3, 3000, True), (1e-3, 2999, False), (1e-4, 3000, False)])
def test_rule_of_three(rate, n, carried):
    if carried:
        require_carried(rate, n)
        return
    with pytest.raises(DataError, match=rf"received {n:,} impostor comparisons .*expected at least"):
        require_carried(rate, n)


def test_a_comparison_that_was_not_made_never_matches():
    point = operating_point(np.array([0.9, NOT_COMPARED]), np.array([0.1, NOT_COMPARED]), threshold=-1.0)
    assert (point.fmr, point.fnmr) == (0.5, 0.5)


def test_equal_error_rate_of_separate_and_of_equal_scores():
    assert equal_error_rate(np.array([0.8, 0.9]), np.array([0.1, 0.2])) == 0
    rng = np.random.default_rng(0)
    assert equal_error_rate(rng.normal(size=4000), rng.normal(size=4000)) == pytest.approx(0.5, abs=0.03)


def test_interval_over_people_is_wider_than_over_comparisons_and_covers():
    rng = np.random.default_rng(3)
    people = np.repeat(np.arange(20), 3)
    vectors = rng.normal(size=(20, 8))[people] + 0.9 * rng.normal(size=(60, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    cosine = vectors @ vectors.T
    bounds = eer_interval(cosine, people)
    above = np.triu_indices(60, 1)
    same = people[above[0]] == people[above[1]]
    found = equal_error_rate(cosine[above][same], cosine[above][~same])
    assert bounds.low is not None
    assert bounds.high is not None
    assert bounds.low < found < bounds.high


@given(st.lists(st.tuples(st.integers(-20, 20), st.booleans()), min_size=1, max_size=40))
def test_best_threshold_is_the_best_there_is(rows):
    values, same = np.array([r[0] / 20 for r in rows]), np.array([r[1] for r in rows])
    candidates = [-2.0, *np.unique(values), *(np.unique(values) + 1e-6), 2.0]
    best = max(((values >= t) == same).mean() for t in candidates)
    assert ((values >= best_threshold(values, same)) == same).mean() == pytest.approx(best)


def view(seed: int = 0) -> tuple[tuple[Pair, ...], np.ndarray]:
    rng = np.random.default_rng(seed)
    pairs = tuple(
        Pair(first=f"a{fold}_{i:04d}", second=f"{'a' if same else 'b'}{fold}_{i + 1:04d}", same=same, fold=fold)
        for fold in range(10)
        for i in range(12)
        for same in (True, False)
    )
    return pairs, np.array([rng.normal(0.6 if pair.same else 0.1, 0.2) for pair in pairs])


def test_a_fold_has_no_part_in_its_own_threshold():
    pairs, values = view()
    before = ten_fold(pairs, values)
    poisoned = values.copy()
    third = np.array([pair.fold == 3 for pair in pairs])
    poisoned[third] += 0.35
    after = ten_fold(pairs, poisoned)
    assert after.thresholds[3] == before.thresholds[3]
    assert any(after.thresholds[i] != before.thresholds[i] for i in range(10) if i != 3)
    assert after.folds[3] < before.folds[3]


def test_a_face_that_was_not_found_is_an_error_where_the_pair_is_one_person():
    pairs, values = view()
    perfect = np.array([1.0 if pair.same else 0.0 for pair in pairs])
    assert ten_fold(pairs, perfect).mean == 1
    first_same = next(i for i, pair in enumerate(pairs) if pair.same)
    first_other = next(i for i, pair in enumerate(pairs) if not pair.same)
    perfect[[first_same, first_other]] = NOT_COMPARED
    result = ten_fold(pairs, perfect)
    assert result.not_compared == 2
    assert result.folds[0] == pytest.approx(1 - 1 / 24)
    assert ten_fold(pairs, values, only=[0, 7]).folds == (
        ten_fold(pairs, values).folds[0],
        ten_fold(pairs, values).folds[7],
    )


def test_pairs_files():
    both = "2\t2\nA\t1\t2\nB\t3\t4\nA\t1\tB\t2\nC\t1\tB\t9\n" + "A\t1\t3\nB\t1\t2\nA\t5\tC\t2\nC\t1\tB\t9\n"
    found = parse_pairs(both)
    assert [pair.fold for pair in found] == [0] * 4 + [1] * 4
    assert (found[2].first, found[2].second, found[2].same) == ("A_0001", "B_0002", False)
    assert people_of(found, without=0) == set()  # all of fold 1's are in fold 0 too
    one = parse_pairs("1\nA\t1\t2\nA\t1\tB\t2\n")
    assert {pair.fold for pair in one} == {0}


@pytest.mark.parametrize("text", ["", "x\n", "1\nA 1 2\n", "1\nA one 2\nA 1 B 2\n", "1\nA 1 2\nA 1 B 2\nA 3 4\n"])
def test_a_damaged_pairs_file_is_refused(text):
    with pytest.raises(DataError, match="expected"):
        parse_pairs(text)


def test_ranks_count_equal_scores_against_the_search():
    gallery, people = np.array(["a", "b", "c"]), np.array(["a", "b", "c"])
    square = np.array([[0.9, 0.1, 0.2], [0.5, 0.5, 0.1], [0.9, 0.8, 0.1]])
    places = ranks(square, gallery, people)
    assert places.tolist() == [1, 2, 3]
    assert cmc(places, 3).tolist() == pytest.approx([1 / 3, 2 / 3, 1])
    with pytest.raises(DataError, match="closed set"):
        ranks(square, gallery, np.array(["a", "b", "z"]))


def test_open_set_counts_as_found_only_the_right_person_above_the_threshold():
    gallery = np.array(["a", "b"])
    strangers = np.tile([[0.30, 0.20]], (40, 1))
    strangers[0] = (0.7, 0.1)
    searches = np.array([[0.9, 0.1], [0.2, 0.4], [0.1, 0.8], [0.31, 0.1]])
    result = open_set(searches, gallery, np.array(["a", "a", "b", "a"]), strangers, fpir=0.1)
    assert 0.30 < result.threshold < 0.31
    assert result.tpir == 0.75
    with pytest.raises(DataError, match="rule of three"):
        open_set(searches, gallery, np.array(["a", "a", "b", "a"]), strangers, fpir=0.01)


def test_templates_are_means_of_length_one():
    rows = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    made, people = templates(rows, np.array(["b", "b", "a"]))
    assert people.tolist() == ["a", "b"]
    assert np.allclose(made, [[0, -1], [np.sqrt(0.5), np.sqrt(0.5)]])


def some_people(count: int = 40, shots: int = 4, spread: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    people = np.repeat([f"p{i:02d}" for i in range(count)], shots)
    rows = np.repeat(rng.normal(size=(count, 16)), shots, 0) + spread * rng.normal(size=(count * shots, 16))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), people


def test_a_set_is_measured_whole_and_what_it_cannot_carry_is_named():
    embeddings, people = some_people()
    result = measure_set(embeddings, people, np.ones(len(people), bool))
    assert (result.n_mated, result.n_impostor) == (40 * 6, 160 * 159 // 2 - 240)
    assert set(result.points) == {"0.1", "0.01", "0.001"}
    assert sum("rule of three" in reason for reason in result.refused) == 4  # FMR 1e-4 and 1e-5, FPIR 0.03 and 0.01
    assert result.points["0.001"].fmr <= 0.001
    assert result.points["0.1"].fnmr <= result.points["0.01"].fnmr <= result.points["0.001"].fnmr
    assert result.cmc is not None
    assert list(result.cmc) == sorted(result.cmc)
    assert result.open_set["0.1"].n_strangers == 80
    assert result.fta == 0


def test_faces_that_were_not_found_count_in_every_rate():
    embeddings, people = some_people(spread=0.05)
    found = np.ones(len(people), bool)
    assert measure_set(embeddings, people, found).eer == 0
    found[::4] = False
    result = measure_set(embeddings, people, found)
    assert result.fta == 0.25
    assert result.points["0.1"].fnmr == pytest.approx(0.5)  # of six comparisons of four pictures three lack one
    assert result.cmc is not None
    assert result.cmc[0] == pytest.approx(2 / 3)


def test_a_set_without_a_second_picture_of_anyone_is_refused():
    embeddings, _ = some_people(4, 1)
    with pytest.raises(DataError, match="one of them with two pictures"):
        measure_set(embeddings, np.array(list("abcd")), np.ones(4, bool))


@pytest.mark.data
@pytest.mark.parametrize("fold", range(10))
def test_nobody_is_learnt_from_and_tested_on(fold):
    """Of View 2, an embedder for a fold sees nobody of that fold, nor of the pairs that its threshold comes from."""
    lfw = at_hand()
    parts = parts_of(lfw, fold)
    people = {which: {person(n) for n, p in zip(lfw.names(), parts, strict=True) if p == which} for which in PARTS}
    tested = {one for pair in lfw.pairs() if pair.fold == fold for one in pair.people()}
    others = {one for pair in lfw.pairs() if pair.fold != fold for one in pair.people()}
    assert len(tested) > 350
    assert len(people["train"]) > 3500
    assert people["train"].isdisjoint(people["validation"] | people["test"])
    for which in PARTS:
        assert people[which].isdisjoint(tested)
        assert people[which] <= others
    judged = {one for pair in held_out_pairs(lfw, fold) for one in pair.people()}
    assert judged <= people["validation"] | people["test"]


def at_hand() -> Lfw:
    lfw = Lfw()
    try:
        lfw.pairs()
        lfw.names()
    except DataError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
    return lfw


def test_a_threshold_keeps_its_rate_on_float32_scores_too():
    rng = np.random.default_rng(3)
    impostor, mated = (rng.normal(m, 0.1, 4000).astype(np.float32) for m in (0.0, 0.6))
    point = operating_point(mated, impostor, threshold_at_fmr(impostor, 0.01))
    assert point.fmr == 0.01


def test_intervals_over_people_are_wider_than_those_over_comparisons():
    rng = np.random.default_rng(4)
    people = np.repeat(np.arange(30), 4)
    hard = rng.normal(0, 0.3, 30)[people]  # some people look like many
    scores = rng.normal(0, 0.1, (120, 120)) + hard[:, None] + hard[None, :] + 1.2 * (people[:, None] == people[None, :])
    above = np.triu_indices(120, 1)
    same = people[above[0]] == people[above[1]]
    plain = operating_point(scores[above][same], scores[above][~same], 0.6)
    point = over_people(plain, scores, people)
    assert (point.fmr, point.fnmr) == (plain.fmr, plain.fnmr)
    for ours, wilson in ((point.fmr_interval, plain.fmr_interval), (point.fnmr_interval, plain.fnmr_interval)):
        assert ours.method == "bootstrap over people"
        assert None not in (ours.low, ours.high, wilson.low, wilson.high)
        assert (ours.high or 0) - (ours.low or 0) > (wilson.high or 0) - (wilson.low or 0)
