"""Results on their way out: bounded, safe against power cuts, and sparing with a memory card's writes.

Rules
* A result is acknowledged when `safe` has reached its number: it is on the disk then, and stays there until the
  receiver has acknowledged it or until the queue is full and drops its oldest.
* Results gather in memory and go to the disk in one commit, by count or by time, and only as the day's budget of bytes
  allows. What memory cannot hold meanwhile is dropped, the oldest first, and counted as thinned.
* A full, read-only or broken disk never ends the caller: results stay in memory, `trouble` says why, every commit tries again.
  On a full disk the oldest segment is used again, its results dropped and counted.
* Order and age go by sequence and monotonic time; a wall clock that jumps changes nothing but the `wall_s` it is noted in.
* What was sent may be sent again after a power cut; it is never lost.
"""

import contextlib
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quintet_systems.pets.board.budget import Budget
from quintet_systems.pets.board.disk import replace_file
from quintet_systems.pets.board.records import BLOCK, Stored, encode, padded
from quintet_systems.pets.board.segments import Segments

CURSOR_BYTES = 4 * BLOCK  # a small file replaced: its block, the folder's, and the journal's part, as measured on ext4


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is kept and how often it is written.

    Args:
        max_bytes: of all segments on the disk.
        segment_bytes: of one segment.
        held: results in memory that are not on the disk yet.
        commit_count, commit_s: a commit is due at so many results or at this age of the oldest.
        cursor_s: how often at most the receiver's acknowledgement is noted; a power cut repeats what came after it.
        daily_bytes: what may be written in a day.
    """

    max_bytes: int = 16 << 20
    segment_bytes: int = 128 << 10
    held: int = 2000
    commit_count: int = 500
    commit_s: float = 30.0
    cursor_s: float = 60.0
    daily_bytes: int = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueState:
    """What the status page tells of the queue.

    Args:
        next: the number that the next result gets.
        safe, sent: the highest number on the disk, and the highest that the receiver has.
        held: results in memory only.
        waiting: results on the disk that the receiver does not have, at most.
        dropped, thinned, damaged: results lost to a full queue, to the budget, to a damaged disk.
        written_bytes: since the start.
        trouble: why nothing reaches the disk, or empty.
    """

    next: int
    safe: int
    sent: int
    held: int
    waiting: int
    dropped: int
    thinned: int
    damaged: int
    written_bytes: int
    trouble: str


class Queue:
    """The queue in `folder`; every method may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        limits: Limits | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._limits = limits or Limits()
        if self._limits.daily_bytes < 300 * self._limits.segment_bytes:  # an hour's worth has to make a segment
            raise ValueError(
                f"received daily_bytes {self._limits.daily_bytes:,}, expected at least 300 segments"
                f" of {self._limits.segment_bytes:,} bytes; give smaller segments"
            )
        self._monotonic, self._wall = monotonic, wall
        self._memory = threading.Lock()  # guards _held and _next: the caller never waits for the disk
        self._disk = threading.RLock()  # guards everything on the disk
        self._held: deque[tuple[float, Stored]] = deque()
        self._budget = Budget(daily_bytes=self._limits.daily_bytes, now=monotonic())
        self._boot = _boot()
        self._cursor = folder / "cursor.json"
        self._noted = monotonic()
        self._dropped = self._thinned = 0
        self._trouble = ""
        self._segments = Segments(folder, self._limits.segment_bytes)
        self.last: dict[str, Any] | None = None
        self._open()

    def _open(self) -> None:
        sent, self._dropped = _read_cursor(self._cursor)
        found = self._segments.resume()
        self._damaged = found.damaged
        self._faulty = set(self._segments.firsts[-1:]) if found.damaged else set[int]()
        first = self._segments.firsts[-1] if self._segments.firsts else 1
        self.safe = max(found.records[-1].sequence if found.records else first - 1, sent)
        self.sent = self._noted_sent = sent
        self._next = self.safe + 1
        if found.records:
            with contextlib.suppress(ValueError):
                self.last = json.loads(found.records[-1].content)

    def append(self, result: Mapping[str, Any]) -> int:
        """Take a result into memory; return its number. It gets `sequence`, `wall_s`, `monotonic_s` and `boot`."""
        with self._memory:
            now = self._monotonic()
            stamp = {"sequence": self._next, "wall_s": round(self._wall(), 3), "monotonic_s": round(now, 3)}
            content = json.dumps({**stamp, "boot": self._boot, **result}, separators=(",", ":")).encode()
            record = Stored(sequence=self._next, content=content)
            encode(record)  # too large a result is refused here, not in a commit
            self._held.append((now, record))
            self._next += 1
            if len(self._held) > self._limits.held:
                self._held.popleft()
                self._thinned += 1
            return record.sequence

    def tick(self) -> None:
        """Commit and note the cursor where one is due; call it about once a second."""
        with self._memory:
            now = self._monotonic()
            due = bool(self._held) and (
                len(self._held) >= self._limits.commit_count or now - self._held[0][0] >= self._limits.commit_s
            )
        if due:
            self.commit()
        if self.sent > self._noted_sent and now - self._noted >= self._limits.cursor_s:
            self._note()

    def commit(self, *, force: bool = False) -> int:
        """Write what is held as far as the budget goes; return the highest number that is safe. Never raises OSError."""
        with self._disk:
            with self._memory:
                waiting = [record for _, record in self._held]
            try:
                for records in self._batches(waiting):
                    if not self._write(records, force):
                        break
                else:
                    self._trouble = ""
            except OSError as error:
                self._trouble = f"{error.strerror or error}: results are held in memory"
            return self.safe

    def _batches(self, waiting: list[Stored]) -> list[list[Stored]]:
        """Return `waiting` in pieces that fit into one segment each, the first into the present one's room."""
        batches: list[list[Stored]] = []
        room = self._segments.room()
        for record in waiting:
            size = len(encode(record))
            if size > room:
                room = self._segments.size
                batches.append([])
            elif not batches:
                batches.append([])
            batches[-1].append(record)
            room -= size
        return batches

    def _write(self, records: list[Stored], force: bool) -> bool:
        """Write one batch; False where the budget has no room for it yet."""
        content = b"".join(encode(record) for record in records)
        fresh = padded(len(content)) > self._segments.room()
        cost = padded(len(content)) + fresh * (self._segments.size + CURSOR_BYTES)
        if force:
            self._budget.force(cost)
        elif not self._budget.take(cost, now=self._monotonic()):
            return False
        if fresh:
            self._make_room(records[0].sequence)
        self._segments.write(content)
        self.safe = records[-1].sequence
        with self._memory:
            while self._held and self._held[0][1].sequence <= self.safe:
                self._held.popleft()
        return True

    def _make_room(self, first: int) -> None:
        """Begin a segment: a drained one anew, else a new one, else, full, the oldest."""
        segments = self._segments
        drained = [f for f in segments.firsts if f not in set(segments.after(self.sent))]
        if drained:
            segments.begin(first, reuse=drained[0])
            return
        full = len(segments.firsts) * segments.size >= self._limits.max_bytes
        if not full:
            try:
                segments.begin(first)
                return
            except OSError:
                if len(segments.firsts) < 2:
                    raise  # nothing to give up but what is being written
        oldest, following = segments.firsts[0], [*segments.firsts, first][1]
        lost = max(0, min(following - 1, self.safe) - max(oldest - 1, self.sent))
        segments.begin(first, reuse=oldest)
        self._dropped += lost
        self.sent = max(self.sent, following - 1)

    def pending(self, limit: int = 100) -> list[Stored]:
        """Return the oldest safe results that the receiver has not acknowledged; a number is never given twice then."""
        with self._disk:
            found: list[Stored] = []
            for first in list(self._segments.after(self.sent)):
                scanned = self._segments.read(first)
                if scanned.damaged and first not in self._faulty:
                    self._faulty.add(first)
                    self._damaged += scanned.damaged
                found += [r for r in scanned.records if self.sent < r.sequence <= self.safe][: limit - len(found)]
                if len(found) >= limit:
                    break
            if not found and self.sent < self.safe:
                self.sent = self.safe  # what is missing here was dropped or damaged
            return found

    def acknowledge(self, sequence: int) -> None:
        """The receiver has everything up to `sequence`; it is noted on the disk now and then, and when closing."""
        with self._disk:
            self.sent = max(self.sent, min(sequence, self.safe))

    def _note(self) -> None:
        with self._disk:
            self._noted = self._monotonic()
            self._budget.force(CURSOR_BYTES)
            note = {"version": 1, "sent": self.sent, "dropped": self._dropped}
            try:
                replace_file(self._cursor, json.dumps(note).encode())
                self._noted_sent = self.sent
            except OSError as error:
                self._trouble = f"{error.strerror or error}: the cursor is held in memory"

    def state(self) -> QueueState:
        """Return what the status page tells."""
        with self._memory:
            held, following = len(self._held), self._next
        return QueueState(
            next=following,
            safe=self.safe,
            sent=self.sent,
            held=held,
            waiting=self.safe - self.sent,
            dropped=self._dropped,
            thinned=self._thinned,
            damaged=self._damaged,
            written_bytes=self._budget.spent,
            trouble=self._trouble,
        )

    def close(self) -> None:
        """Commit what is held, whatever the budget says, and note the cursor."""
        self.commit(force=True)
        if self.sent > self._noted_sent:
            self._note()
        with self._disk:
            self._segments.close()


def _read_cursor(path: Path) -> tuple[int, int]:
    """Return what was sent and dropped; a cursor that cannot be read sends everything again."""
    try:
        note = json.loads(path.read_text())
        return int(note["sent"]), int(note["dropped"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0


def _boot() -> str:
    """Return which start of the computer this is: monotonic times compare only within one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:
        return ""
