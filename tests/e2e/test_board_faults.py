"""What befalls a board: power cuts, full disks, cameras that go, models that kill their process. Real processes throughout."""

import http.server
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from board_bundles import make_bundle, picture_bytes

from quintet.bundle import verify
from quintet.bundle.keys import read_public_key
from quintet_systems.pets.board.classifier import Classifier
from quintet_systems.pets.board.queue import Queue
from quintet_systems.pets.board.slots import Slots
from quintet_systems.pets.board.starts import PROBATION_STARTS
from quintet_systems.pets.board.supervisor import Supervisor

QUEUE_KILLS, UPDATE_KILLS = 150, 50  # 200 in all
SOON_S = 60.0


def spawn(*arguments: str, stderr: int | None = None) -> "subprocess.Popen[bytes]":
    """Start Python on our source, in a process group of its own so that a kill takes its children too, as a power cut does."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *arguments], stdout=subprocess.PIPE, env=env, stderr=stderr, start_new_session=True
    )


def cut(process: "subprocess.Popen[bytes]", moment_s: float) -> bytes:
    """Kill the process group after `moment_s`, unless it has ended by then; return what it had said."""
    try:
        process.wait(timeout=moment_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
    return process.communicate()[0]


def finish(process: "subprocess.Popen[bytes]") -> int:
    process.communicate(timeout=SOON_S)
    return process.returncode


WRITER = """
import json, random, sys
from pathlib import Path
from quintet_systems.pets.board.queue import Limits, Queue
folder, seed = Path(sys.argv[1]), int(sys.argv[2])
rng = random.Random(seed)
queue = Queue(folder, Limits(max_bytes=64 << 20, segment_bytes=32 << 10, cursor_s=0.0, daily_bytes=1 << 40))
print("open", flush=True)
while True:
    for _ in range(rng.randrange(1, 40)):
        number = queue.append({"fill": "x" * rng.randrange(300)})
        print("made", number, flush=False)
    print("safe", queue.commit(), flush=True)
    queue.tick()
    if rng.random() < 0.5:
        records = queue.pending(rng.randrange(1, 100))
        for record in records:
            print("sent", record.sequence, flush=False)
        sys.stdout.flush()
        if records:
            queue.acknowledge(records[-1].sequence)
"""


def until_safe(process: "subprocess.Popen[bytes]", commits: int) -> bytes:
    """Return what the writer says up to its commit of that number; the cut then comes at some moment of the next."""
    assert process.stdout is not None
    said = process.stdout.readline()
    while commits:
        line = process.stdout.readline()
        assert line, "the writer ended by itself"
        commits -= line.startswith(b"safe")
        said += line
    return said


def test_a_power_cut_loses_no_acknowledged_result(tmp_path):
    rng = random.Random(20261121)
    folder = tmp_path / "queue"
    safe = 0
    received: set[int] = set()
    advanced = 0
    for n in range(QUEUE_KILLS):
        process = spawn("-c", WRITER, str(folder), str(n))
        said = until_safe(process, rng.randrange(5)) + cut(process, rng.uniform(0.0, 0.02))
        for line in said.decode().splitlines():
            word, _, number = line.partition(" ")
            if word == "safe" and number.isdigit():
                advanced += int(number) > safe
                safe = max(safe, int(number))
            if word == "sent" and number.isdigit():
                received.add(int(number))
        queue = Queue(folder)
        state = queue.state()
        kept = [record.sequence for record in queue.pending(10**6)]
        assert kept == sorted(set(kept))
        assert state.dropped == state.damaged == 0
        # a line that was cut off on its way out may have been received all the same: those the cursor passed
        missing = [n for n in range(1, safe + 1) if n not in received and n > state.sent and n not in set(kept)]
        assert missing == [], f"after cut {n}: acknowledged and gone"
        assert state.safe >= safe
        queue.close()
        received.update(range(1, state.sent + 1))
    assert advanced > QUEUE_KILLS / 2  # the cuts fell among commits, not before them


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    for version in (1, 2):
        make_bundle(folder / f"v{version}", folder / "key.pem", version=version)
    return folder


UPDATER = """
import sys
from pathlib import Path
from quintet_systems.pets.board.update import update
update(Path(sys.argv[1]), Path(sys.argv[2]), [Path(sys.argv[3])], again=True)
"""


def test_a_power_cut_in_an_update_leaves_a_bundle_that_verifies(tmp_path, made):
    rng = random.Random(7)
    state, key = tmp_path / "state", made / "key.pub"
    slots = Slots(state)
    arguments = (str(state), str(key))
    began = time.monotonic()
    assert finish(spawn("-c", UPDATER, str(made / "v1"), *arguments)) == 0
    whole_s = time.monotonic() - began
    versions = []
    for n in range(UPDATE_KILLS):
        cut(
            spawn("-c", UPDATER, str(made / "v2"), *arguments, stderr=subprocess.DEVNULL),
            rng.uniform(0.1, 1.3) * whole_s,
        )
        name = slots.current
        assert name is not None, f"after cut {n}: nothing to run"
        version = verify(slots.path(name), [read_public_key(key)]).model_version
        supervisor = Supervisor(state, None, Classifier, [key])
        running = supervisor.start()
        assert running is not None, supervisor.failure
        assert running.model_version == version
        supervisor.ended()
        versions.append(version)
        if version == 2:
            slots.refuse("the test goes on")
    assert 1 in versions  # there were cuts before the swap
    assert finish(spawn("-c", UPDATER, str(made / "v2"), *arguments)) == 0  # and whatever they left, the next one works
    assert slots.on_probation


DYING = """
import os, signal, sys
from quintet_systems.pets.board import classifier
honest = classifier.Classifier.__init__
def deadly(self, *arguments, **more):
    honest(self, *arguments, **more)
    if self.model_version == 2:
        os.kill(os.getpid(), signal.SIGKILL)
classifier.Classifier.__init__ = deadly
from quintet_systems.pets.board.watch import main
sys.exit(main(sys.argv[1:]))
"""


def test_a_model_that_kills_its_process_at_the_start_is_rolled_back(tmp_path, made):
    state = tmp_path / "state"
    for version in ("v1", "v2"):
        assert finish(spawn("-c", UPDATER, str(made / version), str(state), str(made / "key.pub"))) == 0
    (tmp_path / "a.jpg").write_bytes(picture_bytes(5))
    watch = ("-c", DYING, "--source", str(tmp_path / "a.jpg"), "--state", str(state), "--once", "--page", "0")
    for _ in range(PROBATION_STARTS):
        process = spawn(*watch)
        assert process.communicate(timeout=SOON_S)[0] == b""
        assert process.returncode == -signal.SIGKILL
    process = spawn(*watch)
    assert b"dark" in process.communicate(timeout=SOON_S)[0]
    assert process.returncode == 0
    refused = Slots(state).refusals()
    assert [refusal["model_version"] for refusal in refused] == [2]


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """Return a file system of half a MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
        reason = "a small disk cannot be mounted here: it takes root"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def watch(source: Path | str, state: Path, bundle: Path, *more: str) -> "subprocess.Popen[bytes]":
    arguments = ["--source", str(source), "--state", str(state), "--bundle", str(bundle), *more]
    return spawn("-m", "quintet_systems.pets.board.watch", *arguments, stderr=subprocess.PIPE)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (65_536, 4096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return filler


def test_a_full_disk_stops_no_label_and_room_brings_the_results_back(tmp_path, made, small_disk):
    pictures = tmp_path / "in"
    pictures.mkdir()
    for n in range(30):
        (pictures / f"{n:02}.jpg").write_bytes(picture_bytes(8 * n))
    state = small_disk / "state"
    state.mkdir()
    filler = fill(small_disk)
    process = watch(pictures, state, made / "v1", "--once", "--page", "0")
    out, err = process.communicate(timeout=SOON_S)
    assert process.returncode == 0, err
    assert len(out.splitlines()) == 30
    assert Queue(state / "queue").safe == 0
    filler.unlink()
    process = watch(pictures, state, made / "v1", "--once", "--page", "0")
    out, err = process.communicate(timeout=SOON_S)
    assert process.returncode == 0, err
    assert len(out.splitlines()) == 30  # none was stored, so none counts as taken
    assert Queue(state / "queue").safe == 30


def test_a_disk_that_fills_up_while_it_runs_costs_the_oldest_results(small_disk):
    queue = Queue(small_disk / "queue")
    for _ in range(4):
        queue.append({"kept": True})
    queue.commit(force=True)
    filler = fill(small_disk)
    numbers = [queue.append({"fill": "x" * 400}) for _ in range(300)]
    for _ in range(3):
        queue.commit(force=True)
    state = queue.state()
    assert state.trouble or state.dropped  # it is told
    filler.unlink()
    assert queue.commit(force=True) == numbers[-1]
    assert queue.state().trouble == ""
    kept = [record.sequence for record in queue.pending(10_000)]
    assert kept == list(range(kept[0], numbers[-1] + 1))
    assert queue.state().dropped == kept[0] - 1
    queue.close()


class Eye(http.server.BaseHTTPRequestHandler):
    """A camera that shows one brightness without an end."""

    value = 10

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        body = picture_bytes(self.value)
        part = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body + b"\r\n"
        gone: threading.Event = self.server.gone  # type: ignore[attr-defined]
        try:
            while not gone.wait(0.01):
                self.wfile.write(part)
        except OSError:
            return

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class CameraOnTheWall:
    """A camera on loopback that can be unplugged and plugged in again, at the same address."""

    def __init__(self, port: int, value: int) -> None:
        handler = type("Handler", (Eye,), {"value": value})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
        self._server.gone = threading.Event()  # type: ignore[attr-defined]
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def unplug(self) -> None:
        self._server.gone.set()  # type: ignore[attr-defined]
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def line_of(process: "subprocess.Popen[bytes]") -> bytes:
    """Return the next line that the process prints."""
    assert process.stdout is not None
    assert select.select([process.stdout], [], [], SOON_S)[0], "it said nothing"
    return process.stdout.readline()


def page_of(port: int) -> dict:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/status.json", timeout=10) as answer:
        return json.loads(answer.read())


def until(what) -> dict:
    """Ask again until the status is so."""
    end = time.monotonic() + SOON_S
    while True:
        try:
            found = what()
        except OSError:
            found = None
        if found:
            return found
        assert time.monotonic() < end, "it did not come about"
        threading.Event().wait(0.1)


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_camera_goes_and_comes_back(tmp_path, made):
    camera = CameraOnTheWall(0, value=10)
    page = free_port()
    process = watch(
        f"http://127.0.0.1:{camera.port}/", tmp_path / "state", made / "v1", "--page", str(page), "--every", "0"
    )
    try:
        assert b": dark" in line_of(process)
        camera.unplug()
        gone = until(lambda: (s := page_of(page))["source"]["connected"] is False and s)
        assert "waiting for pictures" in gone["state"]
        assert process.poll() is None
        camera = CameraOnTheWall(camera.port, value=250)
        assert b": light" in line_of(process)
        back = until(lambda: (s := page_of(page))["source"]["connected"] and s)
        assert back["source"]["reconnects"] == 1
        assert back["state"] == "running"
        assert back["source"]["dropped"] > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(SOON_S) == 0
    finally:
        process.kill()
        process.communicate()
        camera.unplug()
    status = json.loads((tmp_path / "state" / "status.json").read_text())
    queue = Queue(tmp_path / "state" / "queue")
    assert queue.safe == status["queue"]["next"] - 1  # an orderly end stores everything


def test_two_do_not_watch_with_one_state(tmp_path, made):
    camera = CameraOnTheWall(0, value=10)
    address = f"http://127.0.0.1:{camera.port}/"
    first = watch(address, tmp_path / "state", made / "v1", "--page", "0")
    try:
        assert b"dark" in line_of(first)
        second = watch(address, tmp_path / "state", made / "v1", "--page", "0")
        _, err = second.communicate(timeout=SOON_S)
        assert second.returncode != 0
        assert b"another `quintet pets watch`" in err
    finally:
        first.kill()
        first.communicate()
        camera.unplug()


def test_a_restart_after_a_kill_takes_each_picture_of_the_folder_at_least_once(tmp_path, made):
    pictures = tmp_path / "in"
    pictures.mkdir()
    for n in range(40):
        (pictures / f"{n:02}.jpg").write_bytes(picture_bytes(6 * n))
        os.utime(pictures / f"{n:02}.jpg", ns=(n, n))
    rng = random.Random(3)
    for _ in range(3):
        cut(watch(pictures, tmp_path / "state", made / "v1", "--page", "0"), rng.uniform(0.3, 1.0))
    assert finish(watch(pictures, tmp_path / "state", made / "v1", "--once", "--page", "0")) == 0
    stored = [json.loads(record.content)["name"] for record in Queue(tmp_path / "state" / "queue").pending(10_000)]
    assert set(stored) == {f"{n:02}.jpg" for n in range(40)}
