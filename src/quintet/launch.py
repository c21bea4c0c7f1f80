"""Running one job: a Launcher takes a job folder and returns what came of it, a Result or a Failure.

Local starts the library's own Python in a fresh process. A launcher never raises for what a library does: a failure is
data. Not here: which job runs when (schedule.py) and what its numbers mean (study results, statistics).
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from quintet import machine
from quintet.environments import interpreter
from quintet.errors import EnvironmentUnavailable, StoreError

FailureKind = Literal["environment", "unsupported", "timeout", "memory", "diverged", "crash"]
LOG_TAIL_CHARACTERS = 4000
DISK_FULL = 74  # the worker's exit code when its result could not be written for want of room


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A job that ended well: result.json's record, and the folder in which its arrays lie."""

    record: Mapping[str, Any]
    folder: Path

    def file(self, name: str) -> Path | None:
        """Return the path of one of the result's arrays, or None where it has none of that name."""
        found = self.record.get("files", {}).get(name)
        return self.folder / found if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A job that did not end well, and why."""

    kind: FailureKind
    reason: str
    log_tail: str = ""


class Launcher(Protocol):
    """Anything that can run a job folder."""

    def run(self, job: Path, timeout_s: float, cores: Sequence[int] | None = None) -> Result | Failure:
        """Run the job in folder `job`, at most `timeout_s` seconds, on `cores` only (None: all).

        Raises:
            Stopped: stop() was called.
            StoreError: the disk is full.
        """
        ...

    def stop(self) -> None:
        """End whatever runs, from another thread; no later run() starts."""
        ...


class Stopped(Exception):
    """The launcher was told to stop: there is no outcome, and nothing is to be recorded."""


class Local:
    """A fresh process on this machine, in the library's own environment."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def stop(self) -> None:
        """See Launcher."""
        self._stopped = True
        for process in tuple(self._running):
            end_group(process)

    def run(self, job: Path, timeout_s: float, cores: Sequence[int] | None = None) -> Result | Failure:
        """See Launcher; on Ctrl-C or any other error the process is ended before this returns."""
        library = json.loads((job / "job.json").read_text())["library"]
        if self._stopped:
            raise Stopped
        try:
            python, environment = interpreter(library)
        except EnvironmentUnavailable as error:
            return Failure(kind="environment", reason=str(error))
        (job / "result.json").unlink(missing_ok=True)
        started = time.time()
        with (job / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [python, "-m", "quintet_worker", str(job.resolve())],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    **environment,
                    "QUINTET_STARTED": repr(started),
                    "QUINTET_PARENT": str(os.getpid()),
                },
                start_new_session=True,  # Ctrl-C reaches the parent alone, which then ends the whole group
            )
            self._running.add(process)
            if self._stopped:  # stop() came while the process was being started
                end_group(process)
            try:
                if cores and hasattr(os, "sched_setaffinity"):
                    with contextlib.suppress(ProcessLookupError):
                        os.sched_setaffinity(process.pid, cores)
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                end_group(process)
                return Failure(
                    kind="timeout", reason=f"did not end within {timeout_s:.0f} s and was ended", log_tail=tail(job)
                )
            except BaseException:
                end_group(process)
                raise
            finally:
                self._running.discard(process)
        if self._stopped:
            raise Stopped
        return read_outcome(job, process.returncode)


class Fake:
    """A launcher for tests: `answer` is called with the job folder and its job record."""

    def __init__(self, answer: Callable[[Path, dict[str, Any]], Mapping[str, Any] | Failure]) -> None:
        self.answer = answer
        self.seen: list[dict[str, Any]] = []

    def run(self, job: Path, timeout_s: float, cores: Sequence[int] | None = None) -> Result | Failure:  # noqa: ARG002
        """See Launcher."""
        record = json.loads((job / "job.json").read_text())
        self.seen.append(record)
        answer = self.answer(job, record)
        if isinstance(answer, Failure):
            return answer
        return Result(record=answer, folder=job)

    def stop(self) -> None:
        """Nothing runs between two calls."""


In = TypeVar("In")
Out = TypeVar("Out")


def side_by_side(
    work: Callable[[In, Sequence[int] | None], Out], items: Sequence[In], at_once: int, launcher: Launcher
) -> Iterator[Out]:
    """Yield `work(item, cores)` of each item as it ends, `at_once` in threads, each on cores of its own.

    Whatever stops this, Ctrl-C included, ends what they run.
    """
    if at_once == 1:
        try:
            yield from (work(item, None) for item in items)
        except BaseException:
            launcher.stop()
            raise
        return
    places: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
    for share in core_shares(at_once):
        places.put(share)

    def placed(item: In) -> Out:
        cores = places.get()
        try:
            return work(item, cores)
        finally:
            places.put(cores)

    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(placed, item) for item in items]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            launcher.stop()
            raise


def core_shares(at_once: int) -> list[list[int]]:
    """Return the cores of each place: equal shares, used anew from the first where there are fewer cores than places."""
    cores = machine.cores()
    share = max(1, len(cores) // at_once)
    return [cores[i * share % len(cores) :][:share] for i in range(at_once)]


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a worker and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_outcome(job: Path, returncode: int | None) -> Result | Failure:
    """Return what the worker left in `job`; without a whole result.json, its exit code tells.

    Raises:
        StoreError: the worker found the disk full.
    """
    try:
        record = json.loads((job / "result.json").read_text())
    except (OSError, ValueError):
        if returncode == DISK_FULL:
            raise StoreError(
                f"received a full disk while a worker wrote its result into {job}, expected room; free some space and give"
                " the same command again: what has finished is kept"
            ) from None
        return _died(returncode, tail(job))
    if record.get("status") == "ok":
        return Result(record=record, folder=job)
    return Failure(kind=record["kind"], reason=record["reason"], log_tail=tail(job))


def _died(returncode: int | None, log_tail: str) -> Failure:
    if returncode == -signal.SIGKILL:
        reason = "killed by signal 9; the system does that when memory runs out"
        return Failure(kind="memory", reason=reason, log_tail=log_tail)
    if returncode is not None and returncode < 0:
        return Failure(kind="crash", reason=f"ended by signal {-returncode}", log_tail=log_tail)
    last = log_tail.strip().splitlines()[-1:] or ["no output"]
    return Failure(kind="crash", reason=f"exit code {returncode} without a result: {last[0][:300]}", log_tail=log_tail)


def tail(job: Path) -> str:
    """Return the end of a job's log."""
    try:
        return (job / "log.txt").read_text(errors="replace")[-LOG_TAIL_CHARACTERS:]
    except OSError:
        return ""
