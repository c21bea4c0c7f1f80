"""Bundles on the board: what is refused, what is swapped in, what is rolled back, and when nothing runs at all."""

import errno
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from board_bundles import make_bundle
from safetensors.numpy import load, save

from quintet.bundle import sign, verify
from quintet.bundle.keys import read_public_key
from quintet.errors import BundleError, EnvironmentUnavailable
from quintet_systems.pets.board.classifier import Classifier, Verdict
from quintet_systems.pets.board.counts import Counts
from quintet_systems.pets.board.probation import FRAMES, SECONDS, Expected, Trial, judge
from quintet_systems.pets.board.self_test import self_test
from quintet_systems.pets.board.slots import Slots
from quintet_systems.pets.board.starts import GOOD_STARTS, PROBATION_STARTS, Starts
from quintet_systems.pets.board.supervisor import HEALTHY_S, MOST_REST_S, Supervisor
from quintet_systems.pets.board.update import rollback, update


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Return a folder with bundles v1, v2, v3, and the key that signed them; and `strange`, by another key."""
    folder = tmp_path_factory.mktemp("made")
    for version in (1, 2, 3):
        make_bundle(folder / f"v{version}", folder / "key.pem", version=version)
    make_bundle(folder / "strange", folder / "strange.pem", version=9)
    return folder


class Board:
    """A board's state folder, and what may be done to it."""

    def __init__(self, state: Path, made: Path) -> None:
        self.state, self.made = state, made
        self.slots = Slots(state)
        self.now = 0.0

    def install(self, name: str | Path, **more) -> None:
        update(self.made / name, self.state, [self.made / "key.pub"], **more)

    def supervisor(self, opened=Classifier, trusted: bool = True) -> Supervisor:
        keys = [self.made / "key.pub"] if trusted else []
        return Supervisor(self.state, None, opened, keys, monotonic=lambda: self.now)

    @property
    def version(self) -> int:
        name = self.slots.current
        assert name is not None
        return verify(self.slots.path(name), [read_public_key(self.made / "key.pub")]).model_version

    def good(self, count: int = 60, unsure: int = 0) -> Counts:
        """Return what a bundle that does well is counted by."""
        counts = Counts()
        for n in range(count):
            label = "unsure" if n < unsure else "dark"
            counts.saw(Verdict(label=label, best="dark", probability=0.9), 2.0)
        return counts


@pytest.fixture
def board(tmp_path, made) -> Board:
    return Board(tmp_path / "state", made)


def test_an_update_is_swapped_in_proves_itself_and_raises_the_floor(board):
    board.install("v1")
    assert board.version == 1
    assert not board.slots.on_probation
    supervisor = board.supervisor()
    running = supervisor.start()
    assert running is not None
    assert running.model_version == 1
    board.install("v2")
    assert board.version == 2
    assert board.slots.on_probation
    assert supervisor.reload()
    running = supervisor.start()
    assert running is not None
    assert running.model_version == 2
    board.now += SECONDS + 1
    assert supervisor.look(board.good(), 0.95) is False
    assert not board.slots.on_probation
    assert board.slots.floor == 2
    board.install("v3")
    assert board.version == 3


def test_what_is_not_the_bundles_doing_is_charged_to_none(board):
    board.install("v1")
    board.install("v2")

    def no_runtime(folder: Path) -> Classifier:
        raise EnvironmentUnavailable("received runtime openvino, expected one that is installed here")

    foreign = [board.made / "strange.pub"], [board.made / "nowhere.pub"]
    for _ in range(5):
        assert board.supervisor(no_runtime).start() is None
        for keys in foreign:
            assert Supervisor(board.state, None, Classifier, keys).start() is None
    assert board.version == 2
    assert board.slots.on_probation
    assert board.slots.refusals() == []
    assert board.supervisor().start() is not None


def test_a_bundle_of_another_key_gives_way_to_one_of_the_right_key(board, tmp_path):
    board.install("v1")
    board.install("v2")
    slot = board.slots.path(board.slots.current)
    shutil.rmtree(slot)
    shutil.copytree(board.made / "strange", slot)
    assert board.supervisor().start() is not None
    assert board.version == 1


def spoil(board: Board, how: str, tmp_path: Path) -> Path:
    """Return a copy of v2 that somebody tampered with."""
    copy = tmp_path / "spoilt"
    shutil.copytree(board.made / "v2", copy)
    model = copy / "exports" / "litert-int8.tflite"
    if how == "tampered":
        content = bytearray(model.read_bytes())
        content[len(content) // 2] ^= 1
        model.write_bytes(content)
    elif how == "truncated":
        model.write_bytes(model.read_bytes()[:-1])
    elif how == "missing":
        model.unlink()
    elif how == "not listed":
        (copy / "extra.json").write_text("{}")
    elif how == "unsigned":
        (copy / "manifest.sig").unlink()
    elif how == "link":
        model.unlink()
        model.symlink_to("/etc/passwd")
    return copy


@pytest.mark.parametrize("how", ["tampered", "truncated", "missing", "not listed", "unsigned", "link"])
def test_a_spoilt_bundle_is_refused_by_name_and_the_old_one_runs_on(board, tmp_path, how):
    board.install("v1")
    with pytest.raises(BundleError, match=how) as refused:
        board.install(spoil(board, how, tmp_path))
    assert "\n" not in str(refused.value)
    assert board.version == 1
    assert not board.slots.on_probation


def test_another_key_and_an_older_version_are_refused(board):
    board.install("v2")
    with pytest.raises(BundleError, match="unknown key"):
        board.install("strange")
    with pytest.raises(BundleError, match="downgraded"):
        board.install("v1")
    assert board.version == 2


def resigned(board: Board, tmp_path: Path, **arrays: np.ndarray) -> Path:
    """Return v2 with other recorded answers, signed by its maker."""
    copy = tmp_path / "resigned"
    shutil.copytree(board.made / "v2", copy)
    answers = load((copy / "answers.safetensors").read_bytes()) | arrays
    (copy / "answers.safetensors").write_bytes(save(answers))
    sign(copy, board.made / "key.pem")
    return copy


def test_a_bundle_that_answers_otherwise_here_is_refused(board, tmp_path):
    board.install("v1")
    answers = load((board.made / "v2" / "answers.safetensors").read_bytes())
    step = np.nextafter(answers["outputs-litert-int8"], np.float32(np.inf))
    with pytest.raises(BundleError, match="differ by up to"):
        board.install(resigned(board, tmp_path, **{"outputs-litert-int8": step}))
    assert board.version == 1
    assert board.slots.other(board.slots.current or "") is None


def test_a_tolerance_that_the_maker_stated_holds(board, tmp_path):
    answers = load((board.made / "v2" / "answers.safetensors").read_bytes())["outputs-litert-int8"]
    tolerance = np.array([0.5], np.float32)
    near = resigned(board, tmp_path, **{"outputs-litert-int8": answers + 0.4, "tolerance-litert-int8": tolerance})
    assert self_test(near).largest_difference == pytest.approx(0.4, abs=1e-4)
    shutil.rmtree(near)
    far = resigned(board, tmp_path, **{"outputs-litert-int8": answers + 0.6, "tolerance-litert-int8": tolerance})
    with pytest.raises(BundleError, match="expected at most"):
        self_test(far)


def test_a_bundle_that_was_refused_here_is_not_taken_again(board):
    board.install("v1")
    board.install("v2")
    supervisor = board.supervisor()
    assert supervisor.start() is not None
    assert supervisor.look(board.good(), 0.95) is False
    board.now += 2
    assert supervisor.look(board.good(unsure=60), 0.95) is True
    assert board.version == 1
    running = supervisor.start()
    assert running is not None
    assert running.model_version == 1
    with pytest.raises(BundleError, match=r"refused here before .unsure of 60 of 60"):
        board.install("v2")
    board.install("v2", again=True)
    assert board.version == 2


def test_one_update_at_a_time_and_back_by_hand(board):
    board.install("v1")
    board.install("v2")
    with pytest.raises(BundleError, match="on probation"):
        board.install("v3")
    rollback(board.state)
    assert board.version == 1
    board.install("v3")
    board.slots.accept()
    rollback(board.state)
    assert board.version == 1
    board.install("v3", again=True)


def test_a_bundle_whose_start_kills_the_process_is_rolled_back(board):
    """Each start is counted before the model is loaded: here the count is all that a dead process leaves."""
    board.install("v1")
    board.install("v2")
    for _ in range(PROBATION_STARTS):
        assert board.supervisor().start() is not None  # and then the process dies
    last = board.supervisor()
    running = last.start()
    assert running is not None
    assert running.model_version == 1
    assert "starts ended" in board.slots.refusals()[-1]["why"]


def test_a_good_bundle_in_a_crash_loop_gives_way_once_then_comes_safe_mode(board):
    board.install("v1")
    board.install("v2")
    board.slots.accept()
    for _ in range(GOOD_STARTS):
        assert board.supervisor().start() is not None
    running = board.supervisor().start()
    assert running is not None
    assert running.model_version == 1
    for _ in range(GOOD_STARTS - 1):
        assert board.supervisor().start() is not None
    resting = board.supervisor()
    assert resting.start() is None
    assert "starts ended" in resting.failure
    assert [resting.rest_s() for _ in range(8)] == [60, 120, 240, 480, 960, 1920, MOST_REST_S, MOST_REST_S]
    assert resting.start() is not None  # after a rest it gets a new chance


def test_a_healthy_minute_clears_the_count(board):
    board.install("v1")
    supervisor = board.supervisor()
    assert supervisor.start() is not None
    assert Starts(board.state).count == 1
    board.now += HEALTHY_S + 1
    supervisor.look(board.good(), 0.95)
    assert Starts(board.state).count == 0


def test_an_orderly_end_is_no_sign_of_trouble(board):
    board.install("v1")
    for _ in range(GOOD_STARTS + 3):
        supervisor = board.supervisor()
        assert supervisor.start() is not None
        supervisor.ended()


@pytest.mark.parametrize("trusted", [True, False])
def test_a_bundle_that_rotted_on_the_disk_is_not_opened(board, trusted):
    board.install("v1")
    board.install("v2")
    board.slots.accept()
    path = board.slots.path(board.slots.current or "") / "exports" / "litert-int8.tflite"
    content = bytearray(path.read_bytes())
    content[100] ^= 4
    path.write_bytes(content)
    running = board.supervisor(trusted=trusted).start()
    assert running is not None
    assert running.model_version == 1
    assert "tampered" in board.slots.refusals()[-1]["why"]


def test_nothing_installed_is_told(board):
    with pytest.raises(BundleError, match="quintet pets update"):
        board.supervisor().start()


def test_a_runtime_that_throws_anything_is_a_failed_bundle(board):
    board.install("v1")
    board.install("v2")

    def opened(folder: Path) -> Classifier:
        if folder.name == "B":
            raise SystemError("illegal instruction, nearly")
        return Classifier(folder)

    running = board.supervisor(opened).start()
    assert running is not None
    assert running.model_version == 1
    assert "SystemError" in board.slots.refusals()[-1]["why"]


def test_a_disk_that_takes_nothing_still_rolls_back(board, monkeypatch):
    board.install("v1")
    board.install("v2")

    def full(*arguments, **more):
        raise OSError(errno.ENOSPC, "No space left on device")

    supervisor = board.supervisor()
    assert supervisor.start() is not None
    monkeypatch.setattr(os, "fsync", full)
    monkeypatch.setattr(Path, "symlink_to", full)
    assert supervisor.failed("it failed") is True
    running = supervisor.start()
    assert running is not None
    assert running.model_version == 1


def test_a_disk_that_cannot_even_delete_ends_in_safe_mode_not_in_a_circle(board, monkeypatch):
    board.install("v1")
    board.install("v2")
    board.slots.accept()

    def refused(*arguments, **more):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "fsync", refused)
    monkeypatch.setattr(Path, "symlink_to", refused)

    def opened(folder: Path) -> Classifier:
        raise BundleError("does not open")

    supervisor = board.supervisor(opened)
    assert supervisor.start() is None
    assert "Read-only" in supervisor.failure


def trial(**changes) -> Trial:
    usual = {"seconds": SECONDS, "frames": 100, "unsure": 5, "errors": 0, "p99_ms": 4.0}
    return Trial(**(usual | changes))  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (trial(), ""),
        (trial(seconds=SECONDS - 1), None),
        (trial(frames=FRAMES - 1), None),
        (trial(errors=1), ""),
        (trial(errors=10), "failed inside"),
        (trial(frames=0, errors=3, p99_ms=None), "failed inside"),
        (trial(unsure=30), ""),
        (trial(unsure=60), "unsure of"),
        (trial(frames=10, unsure=10), None),
        (trial(p99_ms=200.0), "within 200 ms"),
        (trial(p99_ms=45.0), ""),
    ],
)
def test_the_first_minutes_are_judged(seen, verdict):
    found = judge(seen, Expected(unsure_share=0.1, p99_ms=5.0))
    assert found == verdict if verdict in ("", None) else verdict in (found or "")


def test_a_yard_with_nothing_in_it_is_no_fault_of_the_new_bundle(board):
    """The good bundle was unsure of most pictures here; the new one may be as well."""
    board.install("v1")
    supervisor = board.supervisor()
    assert supervisor.start() is not None
    board.now += 1000
    supervisor.look(board.good(100, unsure=90), 0.95)
    assert json.loads((board.state / "shown.json").read_text())["unsure_share"] == 0.9
    board.install("v2")
    assert supervisor.start() is not None
    board.now += SECONDS + 1
    assert supervisor.look(board.good(100, unsure=92), 0.95) is False
    assert not board.slots.on_probation
