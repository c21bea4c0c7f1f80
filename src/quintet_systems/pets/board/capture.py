"""Grabbing frames: the boundary, and OpenCV behind it."""

import contextlib
from typing import Protocol
from urllib.parse import quote

import numpy as np

from quintet.errors import EnvironmentUnavailable

TIMEOUT_MS = 8000


class Capture(Protocol):
    """An open camera. Making one raises OSError where there is none."""

    def read(self) -> np.ndarray | bytes | None:
        """Return a frame `(height, width, 3)` `uint8` RGB, or a JPEG's bytes; None where the camera is gone."""
        ...

    def close(self) -> None: ...


class VideoCapture:
    """A camera by number, a stream or a film, read by OpenCV; `password` is that of the user in the stream's address."""

    def __init__(self, source: int | str, password: str = "") -> None:
        try:
            import cv2
        except ImportError:
            raise EnvironmentUnavailable(
                f"received source {source} but no OpenCV, expected it for cameras, RTSP and films;"
                " type: pip install opencv-python-headless"
            ) from None
        self._colours = cv2.COLOR_BGR2RGB
        self._convert = cv2.cvtColor
        if isinstance(source, int):
            self._capture = cv2.VideoCapture(source)
            self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        else:
            limits = [cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, TIMEOUT_MS, cv2.CAP_PROP_READ_TIMEOUT_MSEC, TIMEOUT_MS]
            address = source.replace("@", f":{quote(password, safe='')}@", 1) if password else source
            self._capture = cv2.VideoCapture(address, cv2.CAP_FFMPEG, limits)
        if not self._capture.isOpened():
            self.close()
            raise OSError(f"OpenCV opens no {source}")

    def read(self) -> np.ndarray | None:
        """Return the next frame, or None."""
        there, frame = self._capture.read()
        return self._convert(frame, self._colours) if there and frame is not None else None

    def close(self) -> None:
        with contextlib.suppress(Exception):  # a driver in trouble is left to the system
            self._capture.release()
