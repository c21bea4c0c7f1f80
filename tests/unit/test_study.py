"""A study's settings: every key checked with the nearest name, and a plan that pairs and interleaves."""

import json
from pathlib import Path

import pytest

from quintet.errors import StudyError
from quintet.study import Study, make_study, plan, read_study

USUAL = {"system": "digits", "networks": ["survey"], "libraries": ["torch", "jax", "tensorflow"]}


def study(**settings) -> Study:
    return make_study(USUAL | settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sedes": 5}, ('study key "sedes"', 'did you mean "seeds"?')),
        ({"libraries": ["tourch"]}, ('library "tourch"', 'did you mean "torch"?')),
        ({"libraries": ["torch", "torch"]}, ("torch, torch", "each once")),
        ({"libraries": []}, ("libraries", "at least 1 item")),
        ({"seeds": 0}, ("seeds = 0", "greater than or equal to 1")),
        ({"seeds": "many"}, ("seeds = 'many'",)),
        ({"precision": "float23"}, ('"float23"', 'did you mean "float32"?')),
        ({"threads": "sweeep"}, ("threads = 'sweeep'",)),
        ({"threads": 0}, ("threads 0", '"sweep"')),
        ({"device": "tpu"}, ("device = 'tpu'", "'cpu' or 'cuda'")),
        ({"margin": 0}, ("margin = 0",)),
        ({"epochs": -1}, ("epochs = -1",)),
        ({"timeout_s": 0}, ("timeout_s = 0",)),
        ({"at_once": 0}, ("at_once = 0",)),
        ({"max_load": 2}, ("max_load = 2",)),
    ],
)
def test_a_setting_that_cannot_be(settings, words):
    with pytest.raises(StudyError) as error:
        study(**settings)
    assert "\n" not in str(error.value)
    for word in words:
        assert word in str(error.value)


def test_a_study_without_a_system():
    with pytest.raises(StudyError, match=r"system = .*Field required"):
        make_study({"libraries": ["torch"]})


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('system = "digits"\nlibraries = ["torch"]\nsedes = 3', 'did you mean "seeds"'),
        ("system = digits", "expected TOML"),
        (b"\xff\xfe", "expected a readable study file"),
        (None, "expected a readable study file"),
    ],
)
def test_a_study_file_that_cannot_be_read(tmp_path, text, word):
    path: Path = tmp_path / "study.toml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StudyError, match=word) as error:
        read_study(path)
    assert "\n" not in str(error.value)


def test_a_study_file_is_the_study_and_its_settings_make_it_again(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text('system = "digits"\nnetworks = ["survey"]\nlibraries = ["torch", "jax", "tensorflow"]\nseeds = 7\n')
    assert read_study(path) == study(seeds=7)
    again = make_study(json.loads(study(seeds=7).model_dump_json()))
    assert again == study(seeds=7)
    assert again.digest() == study(seeds=7).digest()  # else nothing that was begun could be resumed


def test_every_setting_is_in_the_digest():
    assert study().digest() == study().digest()
    for change in ({"seeds": 6}, {"epochs": 2.0}, {"margin": 0.01}, {"threads": 2}, {"libraries": ["jax", "torch"]}):
        assert study(**change).digest() != study().digest()


def test_each_seed_is_a_block_in_which_every_library_runs_once():
    trials = list(plan(study(seeds=12, repeats=0)))
    blocks = [trials[i : i + 3] for i in range(0, 36, 3)]
    for seed, block in enumerate(blocks):
        assert {t.seed for t in block} == {seed}
        assert {t.library for t in block} == {"torch", "jax", "tensorflow"}
    orders = {tuple(t.library for t in block) for block in blocks}
    assert len(orders) > 2  # shuffled: no library always goes first
    assert list(plan(study(seeds=12, repeats=0))) == trials


def test_repeats_come_last_one_for_each_library_and_early_seed():
    trials = list(plan(study(seeds=3, first_seed=10, repeats=2)))
    assert [t.repeat for t in trials] == [0] * 9 + [1] * 6
    assert {t.seed for t in trials[9:]} == {10, 11}
    assert trials[9].id == "survey.torch.seed10.repeat1"
    assert len({t.id for t in trials}) == 15
    assert len(list(plan(study(seeds=1, repeats=9)))) == 6  # no more repeats than seeds
