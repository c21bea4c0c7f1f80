"""The queue's files: segments of one size, filled with zeros when they are made, then only overwritten.

So a commit changes no file's size and costs its own blocks and nothing in the file system's journal, and a full disk
shows when a segment is made, never in the midst of a commit. A segment that is no longer needed is renamed and used again.
"""

import contextlib
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from quintet_systems.pets.board.disk import sync_folder
from quintet_systems.pets.board.records import Scan, padded, scan


class Segments:
    """The segments in `folder`, each named after the first sequence that it may hold."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.size = padded(size)
        with contextlib.suppress(OSError):  # a disk that takes nothing shows, and is told, at the first commit
            folder.mkdir(parents=True, exist_ok=True)
            for leftover in folder.glob("*.new"):
                leftover.unlink(missing_ok=True)
        self.firsts = sorted(int(path.stem) for path in folder.glob("*.seg") if path.stem.isdigit())
        self.offset = self.size  # where the next commit begins in the last segment
        self._handle: int | None = None

    def path(self, first: int) -> Path:
        return self.folder / f"{first:020d}.seg"

    def read(self, first: int) -> Scan:
        """Return what the segment holds; one that cannot be read holds nothing."""
        try:
            return scan(self.path(first).read_bytes(), first)
        except OSError:
            return Scan(records=[], end=0, damaged=1)

    def resume(self) -> Scan:
        """Open the last segment behind its last whole record: what a power cut tore is written over."""
        if not self.firsts:
            return Scan(records=[], end=0, damaged=0)
        last = self.firsts[-1]
        found = self.read(last)
        try:
            if self.path(last).stat().st_size == self.size:
                self.offset = padded(found.end)
                self._blank_ghosts(last, found.records[-1].sequence + 1 if found.records else last)
        except OSError:
            self.offset = self.size  # what cannot be read or written is left as it is; the next commit begins a new one
        return found

    def _blank_ghosts(self, first: int, following: int) -> None:
        """Blank what is left of a torn commit: its numbers will be given anew, so it must not be found again.

        A disk may write a commit's later blocks before its first one.
        """
        rest = self.path(first).read_bytes()[self.offset :]
        if any(record.sequence >= following for record in scan(rest, 0).records):
            with self.path(first).open("r+b") as file:
                file.seek(self.offset)
                file.write(bytes(len(rest)))
                file.flush()
                os.fsync(file.fileno())

    def begin(self, first: int, reuse: int | None = None) -> None:
        """Begin a segment for records from `first` on; `reuse` names one that is needed no more.

        Raises:
            OSError: there is no room; nothing has changed then.
        """
        if reuse is None:
            temporary = self.path(first).with_suffix(".new")
            try:
                with temporary.open("wb") as file:
                    file.write(bytes(self.size))
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(self.path(first))
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
        else:
            self.path(reuse).replace(self.path(first))
            self.firsts.remove(reuse)
        self.close()
        sync_folder(self.folder)
        if first not in self.firsts:  # one of its name that could not be read has been replaced
            self.firsts.append(first)
        self.offset = 0

    def room(self) -> int:
        """Return how many bytes the last segment still takes."""
        return self.size - self.offset if self.firsts else 0

    def write(self, content: bytes) -> None:
        """Write one commit into the last segment and flush it.

        Raises:
            OSError: it did not reach the disk; the same place is written again the next time.
        """
        if self._handle is None:
            self._handle = os.open(self.path(self.firsts[-1]), os.O_WRONLY)
        block = content.ljust(padded(len(content)), b"\0")
        try:
            done = 0
            while done < len(block):
                done += os.pwrite(self._handle, block[done:], self.offset + done)
            os.fdatasync(self._handle)
        except OSError:
            self.close()
            raise
        self.offset += len(block)

    def drop(self, first: int) -> None:
        """Remove a segment."""
        self.path(first).unlink(missing_ok=True)
        self.firsts.remove(first)

    def after(self, sequence: int) -> Iterator[int]:
        """Yield the segments that may hold records behind `sequence`, in order."""
        for first, following in itertools.zip_longest(self.firsts, self.firsts[1:]):
            if following is None or following > sequence + 1:
                yield first

    def close(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
