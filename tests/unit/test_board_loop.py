"""The loop with a real bundle and a scripted source: labels, broken pictures, the watchdog, failing models, heat."""

import json
import socket
from collections import deque
from pathlib import Path

import numpy as np
import pytest
from board_bundles import SHAPE, make_bundle, picture_bytes

from quintet.errors import BundleError
from quintet_systems.pets.board import loop as loops
from quintet_systems.pets.board.classifier import Classifier, choose
from quintet_systems.pets.board.frames import Frame, SourceState
from quintet_systems.pets.board.heat import CALM_S, Heat, Reading, Thermometer, climb, read_sensors
from quintet_systems.pets.board.loop import BoardFault, Loop
from quintet_systems.pets.board.notify import Notify
from quintet_systems.pets.board.queue import Queue
from quintet_systems.pets.board.supervisor import Supervisor


@pytest.fixture(scope="module")
def bundle(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    return make_bundle(folder / "v1", folder / "key.pem")


class Script:
    """A source that gives what a test put in; see Source."""

    lists = True
    ended = False
    stuck = False

    def __init__(self, *pictures: Path | bytes | np.ndarray) -> None:
        self.pictures = deque(pictures)
        self.count = 0

    def next(self, timeout_s: float) -> Frame | None:
        if not self.pictures:
            return None
        self.count += 1
        return Frame(picture=self.pictures.popleft(), name=f"{self.count}", grabbed_s=0.0)

    def state(self) -> SourceState:
        return SourceState(connected=True)

    def close(self) -> None:
        """Nothing to give back."""


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def cool(clock: Clock) -> Thermometer:
    return Thermometer(read=lambda: Reading(celsius=40.0), monotonic=clock)


def make(tmp_path: Path, bundle: Path, source: Script, opened=Classifier, **more) -> tuple[Loop, Clock]:
    clock = Clock()
    supervisor = Supervisor(tmp_path, bundle, opened, monotonic=clock)
    loop = Loop(
        source,
        supervisor,
        Queue(tmp_path / "queue"),
        **{"thermometer": cool(clock), "monotonic": clock, "sleep": clock.sleep} | more,
    )
    assert loop.open()
    return loop, clock


def stored(loop: Loop) -> list[dict]:
    loop.queue.commit(force=True)
    return [json.loads(record.content) for record in loop.queue.pending(1000)]


def judging_pictures_become_labels_and_unsure_and_are_stored(tmp_path, bundle):
    pixels = np.full((30, 40, 3), 250, np.uint8)
    loop, _ = make(tmp_path, bundle, Script(picture_bytes(5), pixels, picture_bytes(128), b"no picture"))
    for _ in range(4):
        loop.step(0.0)
    found = stored(loop)
    assert [record["label"] for record in found] == ["dark", "light", "unsure", None]
    assert found[0]["probability"] > 0.99
    assert found[2]["probability"] < 0.6
    assert "expected one of" in found[3]["why"]
    assert loop.counts.frames == 3
    assert loop.counts.unsure == 1
    assert [broken.name for broken in loop.counts.aside] == ["4"]


def test_the_list_of_broken_pictures_is_bounded(tmp_path, bundle):
    loop, _ = make(tmp_path, bundle, Script(*[b"no picture %d" % n for n in range(200)]))
    for _ in range(200):
        loop.step(0.0)
    assert loop.counts.broken == 200
    assert len(loop.counts.aside) == 50
    assert loop.counts.aside[-1].name == "200"


@pytest.fixture
def manager(tmp_path, monkeypatch):
    """Stand in for systemd: a real socket that hears what is said."""
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", address)
        monkeypatch.setenv("WATCHDOG_USEC", "30000000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)

        def heard() -> list[str]:
            found = []
            while True:
                try:
                    found.append(listener.recv(4096).decode())
                except BlockingIOError:
                    return found

        yield heard


def test_the_watchdog_is_fed_per_classified_picture_and_never_else(tmp_path, bundle, manager):
    source = Script(picture_bytes(5), b"no picture", picture_bytes(250))
    loop, clock = make(tmp_path, bundle, source, notify=Notify())
    manager()
    fed = []
    for _ in range(3):
        loop.step(0.0)
        fed.append(manager())
    assert fed == [["WATCHDOG=1"], [], ["WATCHDOG=1"]]
    # nothing comes: after a third of the watchdog's time a picture of our own is classified
    loop.step(0.0)
    assert manager() == []
    clock.now += 10.5
    loop.step(0.0)
    assert manager() == ["WATCHDOG=1"]
    assert loop.counts.checks == 1
    assert loop.counts.frames == 2


def test_a_hung_source_starves_the_watchdog(tmp_path, bundle, manager):
    source = Script()
    loop, clock = make(tmp_path, bundle, source, notify=Notify())
    source.stuck = True
    clock.now += 1000
    loop.step(0.0)
    assert manager() == []


def test_a_model_that_answers_otherwise_than_before_starves_the_watchdog(tmp_path, bundle, manager):
    loop, clock = make(tmp_path, bundle, Script(), notify=Notify())
    clock.now += 30
    loop.step(0.0)
    assert manager() == ["WATCHDOG=1"]
    assert loop.classifier is not None
    honest = loop.classifier._predict
    loop.classifier._predict = lambda x: honest(x)[:, ::-1] + 1.0
    clock.now += 30
    loop.step(0.0)
    assert manager() == []
    assert loop.counts.errors == 1


def test_a_model_that_keeps_failing_ends_the_process(tmp_path, bundle):
    loop, _ = make(tmp_path, bundle, Script(*[picture_bytes(5)] * 10))
    assert loop.classifier is not None

    def broken(x: np.ndarray) -> np.ndarray:
        raise RuntimeError("kernel failed")

    loop.classifier._predict = broken
    for _ in range(loops.ERRORS_IN_A_ROW - 1):
        result = loop.step(0.0)
        assert result is not None
        assert "kernel failed" in result.why
    with pytest.raises(BoardFault, match="kernel failed"):
        loop.step(0.0)
    assert [record["label"] for record in stored(loop)] == [None] * loops.ERRORS_IN_A_ROW


def test_outputs_that_are_no_numbers_are_failures_not_labels(tmp_path, bundle):
    loop, _ = make(tmp_path, bundle, Script(picture_bytes(5)))
    assert loop.classifier is not None
    loop.classifier._predict = lambda x: np.full((1, 2), np.nan, np.float32)
    result = loop.step(0.0)
    assert result is not None
    assert result.verdict is None
    assert loop.counts.errors == 1


def test_a_camera_is_left_alone_between_pictures(tmp_path, bundle):
    loop, clock = make(tmp_path, bundle, Script(*[picture_bytes(5)] * 100), every_s=2.0)
    began = clock.now
    while loop.counts.frames < 10:
        loop.step(1.0)
    assert clock.now - began == pytest.approx(18.0)


def hot(clock: Clock, celsius: float) -> Thermometer:
    thermometer = Thermometer(read=lambda: Reading(celsius=celsius), monotonic=clock, every_s=0.0)
    thermometer.step()
    return thermometer


@pytest.mark.parametrize(("celsius", "n"), [(40.0, 60), (76.0, 15), (85.0, 0)])
def test_heat_slows_the_loop_and_stops_it(tmp_path, bundle, celsius, n):
    loop, clock = make(tmp_path, bundle, Script(*[picture_bytes(5)] * 100), every_s=1.0)
    loop.thermometer = hot(clock, celsius)
    began = clock.now
    while clock.now - began < 59.5:
        loop.step(0.5)
    assert loop.counts.frames == n


def test_heat_takes_the_smaller_model_and_gives_it_back(tmp_path, bundle, tmp_path_factory):
    folder = tmp_path_factory.mktemp("smaller")
    small = make_bundle(folder / "small", folder / "key.pem", version=77)
    loop, clock = make(tmp_path, bundle, Script(*[picture_bytes(5)] * 9), smaller=lambda: Classifier(small))
    loop.thermometer = hot(clock, 72.0)
    loop.step(0.0)
    loop.thermometer = hot(clock, 40.0)
    loop.step(0.0)
    assert [record["model_version"] for record in stored(loop)] == [77, 1]


def test_the_ladder_goes_up_at_once_and_down_one_step_at_a_time():
    heat = climb(Heat(), Reading(celsius=81.0), 0.0)
    assert heat.step == 3
    steps = []
    for second in range(0, 200, 5):
        heat = climb(heat, Reading(celsius=60.0), float(second))
        steps.append(heat.step)
    assert steps == sorted(steps, reverse=True)
    assert set(steps) == {3, 2, 1, 0}
    first = steps.index(2) * 5
    assert first >= CALM_S
    assert (steps.index(1) - steps.index(2)) * 5 >= CALM_S


def test_the_ladder_does_not_flutter():
    heat = climb(Heat(), Reading(celsius=75.5), 0.0)
    for second in range(1000):
        heat = climb(heat, Reading(celsius=75.5 if second % 2 else 71.0), float(second))
        assert heat.step == 2


def test_a_throttled_processor_counts_as_warm_and_no_sensor_as_cool():
    assert climb(Heat(), Reading(celsius=50.0, throttled=True), 0.0).step == 1
    assert climb(Heat(step=3), Reading(celsius=None), 0.0).step == 0


def test_sensors_are_read_and_odd_ones_left_out(tmp_path, monkeypatch):
    for name, content in {"thermal_zone0": "48312\n", "thermal_zone1": "61000", "thermal_zone2": "nonsense"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "temp").write_text(content)
    (tmp_path / "thermal_zone3").mkdir()
    (tmp_path / "thermal_zone4").mkdir()
    (tmp_path / "thermal_zone4" / "temp").write_text("999999999")
    tool = tmp_path / "bin" / "vcgencmd"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho throttled=0x50004\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:/bin:/usr/bin")
    assert read_sensors(tmp_path) == Reading(celsius=61.0, throttled=True)
    tool.write_text("#!/bin/sh\necho throttled=0x50000\n")  # it was so once, it is not now
    assert read_sensors(tmp_path).throttled is False
    assert read_sensors(tmp_path / "none").celsius is None


def test_the_runtime_is_chosen_from_what_is_there(bundle, tmp_path):
    assert choose(bundle, "auto", "auto") == ("litert", "int8")
    assert choose(bundle, "numpy", "auto") == ("numpy", "float32")
    assert Classifier(bundle, "numpy").judge(np.zeros(SHAPE, np.uint8)).label == "dark"
    with pytest.raises(BundleError):
        Classifier(bundle, "openvino")
    with pytest.raises(BundleError, match="Known: auto"):
        choose(bundle, "tensorflow", "auto")
    with pytest.raises(BundleError, match="trained model"):
        choose(tmp_path, "auto", "auto")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("decision.json", '{"temperature": 0, "threshold": 0.5, "coverage": 1}'),
        ("decision.json", '{"temperature": 1}'),
        ("decision.json", "{"),
        ("bundle.json", '{"labels": ["a"]}'),
        ("bundle.json", "[]"),
    ],
)
def test_a_bundle_with_a_damaged_record_is_refused(bundle, tmp_path, name, content):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / name).write_text(content)
    with pytest.raises(BundleError, match="received"):
        Classifier(copy)
