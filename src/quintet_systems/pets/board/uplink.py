"""Results on to a receiver, when there is a link: at least once each, in order, the cursor moves when they are acknowledged.

A result may come twice, after a power cut or a lost answer; `board` and `sequence` tell such a pair. None is lost on the
way, save those that the full queue dropped, which leave a gap in `sequence`.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from quintet_systems.pets.board.address import HTTP, MQTT
from quintet_systems.pets.board.backoff import Backoff
from quintet_systems.pets.board.queue import Queue
from quintet_systems.pets.board.records import Stored

BATCH = 100
IDLE_S = 2.0


class Link(Protocol):
    """A way to a receiver."""

    def send(self, records: Sequence[Stored]) -> None:
        """Hand over `records`; return when the receiver has acknowledged all of them. Raises OSError else."""
        ...

    def close(self) -> None: ...


class Uplink:
    """A thread that empties the queue into what `make` makes."""

    def __init__(self, queue: Queue, make: Callable[[], Link], *, backoff: Backoff | None = None) -> None:
        self._queue, self._make = queue, make
        self._backoff = backoff or Backoff(first_s=1.0, most_s=300.0)
        self._closing = threading.Event()
        self.trouble = ""
        self.delivered = 0
        self._thread = threading.Thread(target=self._run, name="uplink", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        link: Link | None = None
        while not self._closing.is_set():
            try:
                records = self._queue.pending(BATCH)
                if not records:
                    self._closing.wait(IDLE_S)
                    continue
                link = link or self._make()
                link.send(records)
            except Exception as error:  # no link, no name, a broken library: results wait in the queue
                self.trouble = str(error)[:200] or type(error).__name__
                self._closing.wait(self._backoff.wait_s())
                continue
            self._queue.acknowledge(records[-1].sequence)
            self.delivered += len(records)
            self.trouble = ""
            self._backoff.reset()
        if link:
            link.close()

    def wait_sent(self, timeout_s: float) -> bool:
        """Wait until nothing is left to send; False where that did not come about, or sending failed."""
        until = time.monotonic() + timeout_s
        while self._queue.pending(1):
            if self.trouble or time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True

    def close(self, timeout_s: float = 5.0) -> None:
        """Stop; what is not acknowledged goes out the next time."""
        self._closing.set()
        self._thread.join(timeout_s)


def make_link(mqtt: str, http: str, board: str = "") -> Link:
    """Return the link that is named; passwords come from QUINTET_MQTT_PASSWORD and QUINTET_HTTP_TOKEN.

    Raises:
        DataError: the address is none.
        EnvironmentUnavailable: paho-mqtt is not installed.
    """
    board = board or socket.gethostname()
    if mqtt:
        from quintet_systems.pets.board.mqtt_link import MqttLink

        return MqttLink(mqtt, board, os.environ.get(MQTT.secret, ""))
    from quintet_systems.pets.board.http_link import HttpLink

    return HttpLink(http, board, os.environ.get(HTTP.secret, ""))
