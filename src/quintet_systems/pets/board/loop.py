"""The loop: picture, verdict, queue, heartbeat; again and again, whatever comes.

Rules
* A picture that cannot be read is set aside by name. Any other failure is the bundle's or the runtime's: ERRORS_IN_A_ROW
  of them and the supervisor changes the bundle, or the process ends and systemd starts it anew.
* The watchdog is fed when a picture was classified, and never else. While the source has nothing to give, a picture whose
  answer is known is classified in its place. A source that has hung is not covered up: nothing is fed then.
* A result is stored for each picture of a folder or film; of a camera `every_s` apart at most.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quintet.errors import DataError
from quintet_systems.pets.board.classifier import Classifier, Verdict
from quintet_systems.pets.board.counts import Counts
from quintet_systems.pets.board.frames import Frame, Source
from quintet_systems.pets.board.heat import SLOWER_BY, Thermometer
from quintet_systems.pets.board.notify import Notify
from quintet_systems.pets.board.queue import Queue
from quintet_systems.pets.board.supervisor import Supervisor

ERRORS_IN_A_ROW = 5
LOOK_S = 1.0
CHECK_S = 20.0


class BoardFault(Exception):
    """The bundle that runs cannot go on, and no other is left: the process ends, and is started anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One picture's outcome: a verdict, or why it was set aside."""

    frame: Frame
    verdict: Verdict | None
    latency_ms: float
    why: str = ""


class Loop:
    """One source, the supervisor's bundle, one queue.

    Args:
        every_s: least seconds between two pictures of a camera; None: as they come.
        shown: is told each result.
        smaller: opens the smaller bundle for when the board is hot, or None.
    """

    def __init__(
        self,
        source: Source,
        supervisor: Supervisor,
        queue: Queue,
        *,
        every_s: float | None = None,
        notify: Notify | None = None,
        thermometer: Thermometer | None = None,
        smaller: Callable[[], Classifier] | None = None,
        shown: Callable[[Result], None] = lambda _: None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.source, self.supervisor, self.queue = source, supervisor, queue
        self.notify = notify or Notify()
        self.thermometer = thermometer or Thermometer()
        self.counts = Counts()
        self.last: Result | None = None
        self.stopping = False
        self.safe_mode = ""
        self.classifier: Classifier | None = None
        self._full: Classifier | None = None
        self._little: Classifier | None = None
        self._smaller, self._every_s = smaller, every_s
        self._shown, self._monotonic, self._sleep = shown, monotonic, sleep
        self._known: dict[Path, Verdict] = {}
        self._in_a_row = 0
        self._took = self._fed = -1e9
        check_s = self.notify.watchdog_s / 3 if self.notify.watchdog_s else CHECK_S
        self._check_s = min(check_s, CHECK_S)

    def open(self) -> bool:
        """Open the bundle that is to run; False is safe mode."""
        self.classifier = self._full = self._little = None  # the old one's memory first
        self.classifier = self._full = self.supervisor.start()
        self.counts = Counts()
        self._known.clear()
        self._in_a_row = 0
        self.safe_mode = "" if self.classifier else self.supervisor.failure
        return self.classifier is not None

    def step(self, timeout_s: float) -> Result | None:
        """Take one picture, if one comes in time, and look after the bundle."""
        if self.supervisor.reload():
            self.open()
        heat = self.thermometer.step()
        if self.classifier is None or heat == "pause":
            self._sleep(timeout_s)
            self._check_if_due()
            return None
        self._choose(heat)
        result = None
        wait = self._wait_s(heat)
        if wait > 0:
            self._sleep(min(wait, timeout_s))
        else:
            frame = self.source.next(timeout_s)
            if frame is not None:
                self._took = self._monotonic()
                result = self.take(frame)
        if result is None:
            self._check_if_due()
        if self.classifier and self.supervisor.look(self.counts, self.classifier.decision.coverage):
            self.open()
        return result

    def take(self, frame: Frame) -> Result:
        """Classify one picture and store the outcome.

        Raises:
            BoardFault: the model failed too often, and there is no other.
        """
        assert self.classifier is not None
        began = self._monotonic()
        try:
            sample = self.classifier.prepared(frame.picture)
        except DataError as error:
            place = "picture" if isinstance(frame.picture, bytes) else str(frame.picture)
            why = str(error).removeprefix(f"{place}: ")  # the result has its name already
            self.counts.set_aside(frame.name, why)
            return self._store(Result(frame=frame, verdict=None, latency_ms=0.0, why=why))
        except Exception as error:  # no picture may end the loop
            why = f"{type(error).__name__}: {str(error)[:200]}"
            self.counts.set_aside(frame.name, why)
            return self._store(Result(frame=frame, verdict=None, latency_ms=0.0, why=why))
        try:
            verdict = self.classifier.judge(sample)
        except Exception as error:
            return self._failed(frame, f"{type(error).__name__}: {str(error)[:200]}")
        latency_ms = 1000 * (self._monotonic() - began)
        self._in_a_row = 0
        self.counts.saw(verdict, latency_ms)
        self._feed()
        return self._store(Result(frame=frame, verdict=verdict, latency_ms=latency_ms))

    def _store(self, result: Result) -> Result:
        assert self.classifier is not None
        record: dict[str, Any] = {"name": result.frame.name[:200], "model_version": self.classifier.model_version}
        if result.verdict:
            record |= asdict(result.verdict) | {"latency_ms": round(result.latency_ms, 2)}
        else:
            record |= {"label": None, "why": result.why[:300]}
        if result.frame.mark:
            record["mark"] = dict(result.frame.mark)
        self.queue.append(record)
        self.last = result
        self._shown(result)
        return result

    def _failed(self, frame: Frame, why: str) -> Result:
        result = self._store(Result(frame=frame, verdict=None, latency_ms=0.0, why=why))
        self._count_failure(why)
        return result

    def _count_failure(self, why: str) -> None:
        self.counts.errors += 1
        self._in_a_row += 1
        if self._in_a_row >= ERRORS_IN_A_ROW:
            if not self.supervisor.failed(f"{self._in_a_row} pictures in a row failed, the last with {why}"):
                raise BoardFault(why)
            self.open()

    def _check_if_due(self) -> None:
        """Classify a picture of which nothing is stored, where the source gives none: it shows that all else works."""
        if self.classifier is None or self.source.stuck or self._monotonic() - self._fed < self._check_s:
            return
        try:
            answer = self.classifier.judge(np.full(self.classifier.shape, 128, np.uint8))
            if self._known.setdefault(self.classifier.folder, answer) != answer:
                raise RuntimeError(f"received {answer} to a grey picture, expected the same answer as before")
        except Exception as error:
            self._count_failure(f"{type(error).__name__}: {str(error)[:200]}")
            return
        self._in_a_row = 0
        self.counts.checks += 1
        self._feed()

    def _feed(self) -> None:
        self._fed = self._monotonic()
        self.notify.feed()

    def _wait_s(self, heat: str) -> float:
        """Return how long to leave the source alone."""
        slower = heat == "slower"
        every = (self._every_s or 0.0) * (SLOWER_BY if slower else 1.0)
        if slower and every < SLOWER_BY:
            every = SLOWER_BY
        return self._took + every - self._monotonic()

    def _choose(self, heat: str) -> None:
        """Take the smaller bundle while the board is hot."""
        if self._smaller is None or self._full is None:
            return
        if heat == "full":
            self.classifier = self._full
        elif self._little is None:
            try:
                self._little = self._smaller()
            except Exception as error:
                self.supervisor.events.append(f"no smaller model: {str(error)[:200]}")
                self._smaller = None
                return
            self.classifier = self._little
        else:
            self.classifier = self._little

    def rest(self, tend: Callable[[], None] = lambda: None) -> None:
        """Safe mode: no model runs; what was stored still goes out; the watchdog is fed, as a restart would not help.

        `tend` is called about once a second meanwhile. The bundle is tried again at the end.
        """
        until = self._monotonic() + self.supervisor.rest_s()
        while not self.stopping and self._monotonic() < until and not self.supervisor.reload():
            self.notify.feed()
            tend()
            self._sleep(min(LOOK_S, self._check_s))
        if not self.stopping:
            self.open()
