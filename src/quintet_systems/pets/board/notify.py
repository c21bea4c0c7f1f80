"""systemd's notify protocol by plain socket: ready, status, and the watchdog's heartbeat. Does nothing without systemd."""

import contextlib
import os
import socket


class Notify:
    """Talks to the service manager, if one has asked for it.

    `watchdog_s` is how often it wants to hear of a classified frame, or None.
    """

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        usec = os.environ.get("WATCHDOG_USEC", "")
        mine = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(usec) / 1e6 if usec.isdigit() and mine else None

    def ready(self) -> None:
        self._send("READY=1")

    def feed(self) -> None:
        """Tell that a picture was classified; nothing else feeds the watchdog, but safe mode, which says so."""
        self._send("WATCHDOG=1")

    def say(self, status: str) -> None:
        self._send("STATUS=" + status.replace("\n", " "))

    def stopping(self) -> None:
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as link,
        ):
            link.settimeout(1.0)
            link.sendto(message.encode(), address)
