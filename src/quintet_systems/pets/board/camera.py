"""A camera or stream: a thread grabs, the loop takes the newest; gone cameras are opened again, ever more patiently."""

import threading
import time
from collections.abc import Callable

from quintet_systems.pets.board.backoff import Backoff
from quintet_systems.pets.board.capture import Capture
from quintet_systems.pets.board.frames import Frame, SourceState

STUCK_S = 60.0


class Camera:
    """Gives the newest frame of what `opened` opens; see Source.

    Args:
        opened: makes an open Capture, or raises OSError.
        stuck_s: after so long in one call of the driver it counts as hung.
    """

    lists = False
    ended = False

    def __init__(
        self, opened: Callable[[], Capture], *, name: str, backoff: Backoff | None = None, stuck_s: float = STUCK_S
    ) -> None:
        self._opened, self._name, self._stuck_s = opened, name, stuck_s
        self._backoff = backoff or Backoff()
        self._news = threading.Condition()
        self._slot: Frame | None = None
        self._closing = threading.Event()
        self._called: float | None = None
        self._connected = False
        self._count = self._dropped = self._reconnects = 0
        self._trouble = "not open yet"
        self._thread = threading.Thread(target=self._grab, name="grab", daemon=True)
        self._thread.start()

    @property
    def stuck(self) -> bool:
        """The driver has not come back for long."""
        called = self._called
        return called is not None and time.monotonic() - called > self._stuck_s

    def next(self, timeout_s: float) -> Frame | None:
        """Return the newest frame that was not taken, or None where none came in time."""
        with self._news:
            self._news.wait_for(lambda: self._slot is not None, timeout_s)
            frame, self._slot = self._slot, None
            return frame

    def state(self) -> SourceState:
        with self._news:
            return SourceState(
                connected=self._connected, dropped=self._dropped, reconnects=self._reconnects, trouble=self._trouble
            )

    def close(self) -> None:
        """Stop grabbing; a hung driver is left behind."""
        self._closing.set()
        self._thread.join(timeout=2.0)

    def _grab(self) -> None:
        opened = 0
        while not self._closing.is_set():
            try:
                capture = self._call(self._opened)
            except Exception as error:  # whatever a driver throws, the camera is tried again
                self._say(f"{type(error).__name__}: {str(error)[:200]}", connected=False)
                self._closing.wait(self._backoff.wait_s())
                continue
            came = 0
            try:
                while not self._closing.is_set() and (picture := self._call(capture.read)) is not None:
                    if not came:
                        self._say("", connected=True)
                        opened += 1
                        self._reconnects = opened - 1
                    came += 1
                    self._put(Frame(picture=picture, name=f"{self._name}:{self._count}", grabbed_s=time.monotonic()))
                trouble = "the camera gives no more frames"
            except Exception as error:
                trouble = f"{type(error).__name__}: {str(error)[:200]}"
            finally:
                capture.close()
            if came > 1:  # one frame alone is a camera in trouble: it is not asked again at once
                self._backoff.reset()
            self._say(trouble, connected=False)
            self._closing.wait(self._backoff.wait_s())

    def _call(self, driver: Callable):
        self._called = time.monotonic()
        try:
            return driver()
        finally:
            self._called = None

    def _put(self, frame: Frame) -> None:
        with self._news:
            self._dropped += self._slot is not None
            self._count += 1
            self._slot = frame
            self._news.notify()

    def _say(self, trouble: str, *, connected: bool) -> None:
        with self._news:
            self._trouble, self._connected = trouble, connected
