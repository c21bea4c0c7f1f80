"""A folder that pictures are put into: each new one once, oldest first, also after a restart.

A picture is new while it stands in the folder and was not taken in this size and with this time. One that is still being
written is left until it has looked the same twice. After a restart the pictures up to the last stored result count as taken.
"""

import os
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quintet.images import SUFFIXES
from quintet_systems.pets.board.frames import Frame, SourceState

POLL_S = 0.5
_Look = tuple[int, int]  # time of the last change in nanoseconds, size


class FolderSource:
    """Gives the new pictures of `folder`; see Source."""

    lists = True
    ended = False
    stuck = False

    def __init__(self, folder: Path, *, last: Mapping[str, Any] | None = None, poll_s: float = POLL_S) -> None:
        self._folder, self._poll_s = folder, poll_s
        self._taken: dict[str, _Look] = {}
        self._seen: dict[str, _Look] | None = None
        self._ready: deque[tuple[str, _Look]] = deque()
        self._behind = _behind(last, str(folder.absolute()))
        self._trouble = self._idle = ""
        self._polled = float("-inf")

    def next(self, timeout_s: float) -> Frame | None:
        """Return the oldest picture that was not taken."""
        until = time.monotonic() + timeout_s
        looked = False
        while not self._ready:
            now = time.monotonic()
            due = self._polled + self._poll_s
            if now >= due and not (looked and now >= until):
                self.poll()
                looked = True
            elif now >= until:
                return None
            else:
                time.sleep(min(due, until) - now)
        name, look = self._ready.popleft()
        self._taken[name] = look
        path = self._folder / name
        return Frame(picture=path, name=name, grabbed_s=time.monotonic(), mark=self._mark(name, look))

    def _mark(self, name: str, look: _Look) -> dict[str, Any]:
        return {"file": name, "changed_ns": look[0], "folder": str(self._folder.absolute())}

    def poll(self) -> None:
        """Look into the folder once."""
        self._polled = time.monotonic()
        try:
            looks = _looks(self._folder)
        except OSError as error:
            self._trouble = f"{error.strerror or error}: {self._folder}"
            return
        self._trouble = ""
        if self._seen is None:  # the first look: everything that is there is whole, and what was stored is taken
            self._taken = {name: look for name, look in looks.items() if (look[0], name) <= self._behind}
            self._seen = looks
        fresh = [name for name, look in looks.items() if self._taken.get(name) != look == self._seen.get(name)]
        self._ready = deque((name, looks[name]) for name in sorted(fresh, key=lambda name: (looks[name][0], name)))
        self._seen = looks
        self._taken = {name: look for name, look in self._taken.items() if name in looks}  # no longer than the folder
        if not looks:
            self._idle = f"{self._folder} holds no picture (its subfolders are not looked into)"
        elif len(self._taken) == len(looks):
            self._idle = f"all {len(looks)} pictures in {self._folder} were taken before"
        else:
            self._idle = ""

    def state(self) -> SourceState:
        return SourceState(connected=not self._trouble, trouble=self._trouble or self._idle)

    def close(self) -> None:
        """Nothing to give back."""


def _behind(last: Mapping[str, Any] | None, folder: str) -> tuple[int, str]:
    mark = (last or {}).get("mark") or {}
    if mark.get("folder", folder) != folder:  # of another folder: nothing of this one was taken
        return (-1, "")
    return (int(mark.get("changed_ns", -1)), str(mark.get("file", "")))


def _looks(folder: Path) -> dict[str, _Look]:
    looks: dict[str, _Look] = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith("."):
                try:
                    if entry.is_file():
                        found = entry.stat()
                        looks[entry.name] = (found.st_mtime_ns, found.st_size)
                except OSError:
                    continue  # it went away meanwhile
    return looks
