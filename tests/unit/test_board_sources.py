"""Where pictures come from: folders give each once, cameras give the newest and come back."""

import http.server
import os
import queue
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from board_bundles import picture_bytes

from quintet.errors import DataError
from quintet_systems.pets.board.backoff import Backoff
from quintet_systems.pets.board.camera import Camera
from quintet_systems.pets.board.folder import FolderSource
from quintet_systems.pets.board.frames import open_source
from quintet_systems.pets.board.http_capture import HttpCapture

SOON_S = 20.0  # far longer than anything here takes; no test depends on it


def put(folder: Path, name: str, content: bytes, changed: int | None = None) -> None:
    (folder / name).write_bytes(content)
    if changed is not None:
        os.utime(folder / name, ns=(changed, changed))


def taken(source: FolderSource) -> list[str]:
    names = []
    while (frame := source.next(0.0)) is not None:
        names.append(frame.name)
    return names


def test_a_folder_gives_each_picture_once_oldest_first(tmp_path):
    put(tmp_path, "b.jpg", b"1", changed=2)
    put(tmp_path, "a.jpg", b"2", changed=3)
    put(tmp_path, "c.PNG", b"3", changed=1)
    put(tmp_path, "notes.txt", b"4")
    put(tmp_path, ".hidden.jpg", b"5")
    source = FolderSource(tmp_path, poll_s=0.0)
    assert taken(source) == ["c.PNG", "b.jpg", "a.jpg"]
    source.poll()
    assert taken(source) == []


def test_a_picture_that_is_still_being_written_is_left_until_it_rests(tmp_path):
    source = FolderSource(tmp_path, poll_s=0.0)
    assert taken(source) == []
    put(tmp_path, "a.jpg", b"half", changed=5)
    source.poll()
    assert not source._ready
    put(tmp_path, "a.jpg", b"half and whole", changed=6)
    source.poll()
    assert not source._ready
    source.poll()
    assert taken(source) == ["a.jpg"]
    put(tmp_path, "a.jpg", b"another", changed=7)
    source.poll()
    source.poll()
    assert taken(source) == ["a.jpg"]


def test_a_restart_goes_on_behind_the_last_stored_result(tmp_path):
    for n in range(5):
        put(tmp_path, f"{n}.jpg", b"x", changed=10 + n)
    source = FolderSource(tmp_path, poll_s=0.0)
    marks = [source.next(0.0) for _ in range(3)]
    assert marks[2] is not None
    again = FolderSource(tmp_path, last={"mark": dict(marks[2].mark)}, poll_s=0.0)
    assert taken(again) == ["3.jpg", "4.jpg"]
    # what comes in later is new, however old the wall clock says it is
    put(tmp_path, "old.jpg", b"x", changed=1)
    again.poll()
    again.poll()
    assert taken(again) == ["old.jpg"]


def test_another_folder_begins_at_its_own_beginning(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, changed in ((old, 10), (new, 20)):
        folder.mkdir()
        put(folder, "a.jpg", b"x", changed=changed)
    frame = FolderSource(new, poll_s=0.0).next(0.0)
    assert frame is not None
    assert taken(FolderSource(new, last={"mark": dict(frame.mark)}, poll_s=0.0)) == []
    assert taken(FolderSource(old, last={"mark": dict(frame.mark)}, poll_s=0.0)) == ["a.jpg"]


def test_a_folder_says_why_it_gives_nothing(tmp_path):
    source = FolderSource(tmp_path, poll_s=0.0)
    assert taken(source) == []
    assert "holds no picture (its subfolders are not looked into)" in source.state().trouble
    put(tmp_path, "a.jpg", b"x")
    source.poll()
    source.poll()
    assert taken(source) == ["a.jpg"]
    source.poll()
    assert "all 1 pictures" in source.state().trouble


def test_a_folder_may_go_and_come_back(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    source = FolderSource(folder, poll_s=0.0)
    assert taken(source) == []
    folder.rmdir()
    source.poll()
    assert not source.state().connected
    folder.mkdir()
    put(folder, "a.jpg", b"x")
    source.poll()
    source.poll()
    assert source.state().connected
    assert taken(source) == ["a.jpg"]


def test_what_is_remembered_is_no_longer_than_the_folder(tmp_path):
    source = FolderSource(tmp_path, poll_s=0.0)
    source.poll()
    for n in range(200):
        put(tmp_path, f"{n}.jpg", b"x")
        source.poll()
        source.poll()
        assert taken(source) == [f"{n}.jpg"]
        (tmp_path / f"{n}.jpg").unlink()
    source.poll()
    assert not source._taken
    assert not source._seen


class Wire:
    """A camera's cable: a test pushes frames, cuts it, and counts openings."""

    def __init__(self) -> None:
        self.frames: queue.Queue[np.ndarray | Exception | None] = queue.Queue()
        self.opened = threading.Semaphore(0)
        self.refuse = 0

    def open(self) -> "Plug":
        self.opened.release()
        if self.refuse:
            self.refuse -= 1
            raise OSError("no such camera")
        return Plug(self)


class Plug:
    """An open camera on a Wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def read(self) -> np.ndarray | None:
        frame = self._wire.frames.get(timeout=SOON_S)
        if isinstance(frame, Exception):
            raise frame
        return frame

    def close(self) -> None:
        """Nothing to do."""


def frame(value: int) -> np.ndarray:
    return np.full((4, 4, 3), value, np.uint8)


def patient() -> Backoff:
    return Backoff(first_s=0.001, most_s=0.01, seed=1)


@pytest.fixture
def wire():
    wire = Wire()
    yield wire
    wire.frames.put(None)


def eventually(what) -> None:
    """Wait for another thread's doing."""
    until = time.monotonic() + SOON_S
    while not what():
        assert time.monotonic() < until
        threading.Event().wait(0.002)


def test_the_newest_frame_wins_and_the_others_are_counted(wire):
    camera = Camera(wire.open, name="fake", backoff=patient())
    for value in range(5):
        wire.frames.put(frame(value))
    eventually(lambda: camera._count == 5)
    newest = camera.next(SOON_S)
    assert newest is not None
    assert isinstance(newest.picture, np.ndarray)
    assert newest.picture[0, 0, 0] == 4
    assert camera.state().dropped == 4
    assert camera.next(0.0) is None


@pytest.mark.parametrize("end", [None, OSError("cable pulled"), RuntimeError("driver"), MemoryError()])
def test_a_camera_that_goes_comes_back(wire, end):
    camera = Camera(wire.open, name="fake", backoff=patient())
    for value in (1, 2):
        wire.frames.put(frame(value))
        assert camera.next(SOON_S) is not None
    wire.refuse = 3
    wire.frames.put(end)
    eventually(lambda: not camera.state().connected)
    assert camera.state().trouble
    for _ in range(5):  # the first opening, three refused ones, and the one that works
        assert wire.opened.acquire(timeout=SOON_S)
    wire.frames.put(frame(9))
    back = camera.next(SOON_S)
    assert back is not None
    assert isinstance(back.picture, np.ndarray)
    assert back.picture[0, 0, 0] == 9
    assert camera.state().connected
    assert camera.state().reconnects == 1
    assert camera.state().trouble == ""


def test_a_driver_that_hangs_is_told(wire):
    camera = Camera(wire.open, name="fake", stuck_s=0.01)
    eventually(lambda: camera.stuck)
    wire.frames.put(frame(1))
    assert camera.next(SOON_S) is not None


def test_waiting_grows_to_its_limit():
    patience = Backoff(first_s=1.0, most_s=60.0, seed=3)
    waits = [patience.wait_s() for _ in range(2000)]
    assert waits == pytest.approx([min(2.0 ** min(n, 30), 60) for n in range(2000)], rel=0.21)
    patience.reset()
    assert patience.wait_s() < 1.3


class Site(http.server.BaseHTTPRequestHandler):
    """A camera on loopback: /stream has three JPEGs and ends, /still has one."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/guarded" and not self.headers.get("Authorization", "").startswith('Digest username="viewer"'):
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Digest realm="camera", nonce="n1", qop="auth"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        if self.path == "/stream":
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.send_header("Connection", "close")
            self.end_headers()
            for value in (10, 120, 240):
                body = picture_bytes(value)
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                self.wfile.write(head.encode() + body + b"\r\n")
            self.close_connection = True
            return
        picture = self.path in ("/still", "/guarded")
        body = picture_bytes(77) if picture else b"<html>"
        self.send_header("Content-Type", "image/jpeg" if picture else "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_stream_over_http_is_read_without_opencv(site):
    capture = HttpCapture(f"{site}/stream")
    assert [capture.read() for _ in range(4)] == [picture_bytes(10), picture_bytes(120), picture_bytes(240), None]
    capture.close()


def test_a_still_over_http_is_asked_for_anew(site):
    slept: list[float] = []
    capture = HttpCapture(f"{site}/still", sleep=slept.append)
    assert capture.read() == capture.read() == picture_bytes(77)
    assert len(slept) == 1
    capture.close()


def test_a_page_is_no_camera(site):
    with pytest.raises(OSError, match="text/html"):
        HttpCapture(f"{site}/page")


def test_a_stream_that_ends_is_opened_again(site):
    source = open_source(f"{site}/stream")
    assert isinstance(source, Camera)
    source._backoff = patient()
    eventually(lambda: source.state().reconnects >= 2)
    assert source.next(SOON_S) is not None
    source.close()


def test_a_guarded_camera_is_asked_with_the_password_of_the_environment(site, monkeypatch):
    monkeypatch.setenv("QUINTET_SOURCE_PASSWORD", "pass:w@rd")
    source = open_source(f"{site.replace('//', '//viewer@')}/guarded")
    frame = source.next(SOON_S)
    source.close()
    assert frame is not None
    assert frame.picture == picture_bytes(77)


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
def test_a_password_in_an_address_is_refused_and_not_repeated(scheme):
    with pytest.raises(DataError, match="expected it in QUINTET_SOURCE_PASSWORD; move it there") as refused:
        open_source(f"{scheme}://viewer:hunter2@camera.example/live")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("address", ["rtsp://", "http://[::1/", "http://camera.example:port/"])
def test_what_is_no_address_of_a_camera_is_refused(address):
    with pytest.raises(DataError, match=r"received --source .*, expected rtsp://"):
        open_source(address)


def make_film(path: Path, values: tuple[int, ...]) -> Path:
    import cv2

    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
    assert writer.isOpened()
    for value in values:
        writer.write(np.full((48, 64, 3), (0, 0, value), np.uint8))  # red, as OpenCV orders it
    writer.release()
    return path


def test_a_film_gives_every_frame_in_rgb_and_ends(tmp_path):
    source = open_source(str(make_film(tmp_path / "film.avi", (50, 100, 200))))
    found = []
    while (frame := source.next(0.0)) is not None:
        assert isinstance(frame.picture, np.ndarray)
        found.append(frame.picture[20, 20].tolist())
    assert source.ended
    assert np.allclose(found, [[50, 0, 0], [100, 0, 0], [200, 0, 0]], atol=12)
    source.close()


def test_a_real_capture_that_ends_and_comes_back(tmp_path):
    """OpenCV behind the same boundary as a camera: the film ends, as a pulled cable does, and is opened again."""
    from quintet_systems.pets.board.capture import VideoCapture

    path = str(make_film(tmp_path / "film.avi", (50, 100, 200)))
    camera = Camera(lambda: VideoCapture(path), name="film", backoff=patient())
    eventually(lambda: camera.state().reconnects >= 3)
    assert camera.next(SOON_S) is not None
    camera.close()


@pytest.mark.parametrize("text", ["nothing-here", "camera:x", "ftp://host/a"])
def test_a_source_that_is_none_is_named(text):
    with pytest.raises(DataError, match="expected a folder"):
        open_source(text)


def test_a_file_that_is_no_film_is_named(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"no film")
    with pytest.raises(DataError, match="opens no"):
        open_source(str(tmp_path / "a.mp4"))
