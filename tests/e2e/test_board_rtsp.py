"""A camera on the network, for real: GStreamer's RTSP server, OpenCV's client, and a connection that goes and comes back."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quintet_systems.pets.board.backoff import Backoff
from quintet_systems.pets.board.camera import Camera
from quintet_systems.pets.board.frames import open_source

SOON_S = 20.0


def eventually(what: Callable[[], Any]) -> None:
    until = time.monotonic() + SOON_S
    while not what():
        assert time.monotonic() < until, "it did not come about"
        threading.Event().wait(0.01)


class Rtsp:
    """A real RTSP server on loopback, GStreamer's, that can be ended and started again at the same port."""

    def __init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        script = Path(__file__).parents[1] / "rtsp_camera.py"
        self.process = subprocess.Popen(
            ["/usr/bin/python3", str(script), str(self.port)], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> None:
        if self.process and self.process.stdout:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


@pytest.fixture
def rtsp():
    try:
        asked = subprocess.run(
            ["/usr/bin/python3", "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"],
            capture_output=True, check=False,
        ).returncode  # fmt: skip
    except OSError:
        asked = 1
    if asked:
        reason = "no RTSP server here: apt-get install gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good python3-gi"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    camera = Rtsp()
    camera.start()
    yield camera
    camera.kill()


@pytest.mark.server
def test_a_network_camera_gives_its_picture_goes_and_comes_back(rtsp):
    source = open_source(f"rtsp://127.0.0.1:{rtsp.port}/camera")
    assert isinstance(source, Camera)
    source._backoff = Backoff(first_s=0.01, most_s=0.05, seed=1)
    for _ in range(2):
        frame = source.next(SOON_S)
        assert frame is not None
        assert isinstance(frame.picture, np.ndarray)
        assert frame.picture.shape == (120, 160, 3)
        red, green, blue = frame.picture.reshape(-1, 3).mean(axis=0)
        assert red > 230  # JPEG spans all of 0 to 255, the drawn red a little less
        assert green < 20
        assert blue < 20
        rtsp.kill()
        eventually(lambda: not source.state().connected)
        while source.next(0.0) is not None:
            """What was grabbed before it went."""
        rtsp.start()
    eventually(lambda: source.state().reconnects >= 2)
    source.close()
