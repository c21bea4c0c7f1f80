"""A study's folder: one SQLite file for every number, a lock against a second writer, and files beside it.

study.db   study.toml   study.lock   arrays/HASH.npy   trials/ID/{job.json, result.json, log.txt, …}   report.html
"""

import contextlib
import fcntl
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from quintet.errors import StoreError

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRow:
    """A trial, and what came of it: `status` is None while it has not run."""

    id: str
    network: str
    library: str
    seed: int
    repeat: int
    threads: int
    precision: str
    device: str
    status: str | None
    reason: str | None
    log_tail: str | None
    load_before: float | None
    versions: Mapping[str, str]
    weights_sha256: str | None
    metrics: Mapping[str, float | None]
    energy_source: str | None


class Store:
    """The study in `folder`. `create` makes the folder where there is none; otherwise a missing one is an error.

    Raises:
        StoreError: no study there, an unwritable folder, a full disk, or a file of another version.
    """

    def __init__(self, folder: Path, create: bool = False) -> None:
        self.folder = folder
        path = folder / "study.db"
        try:
            if create:
                folder.mkdir(parents=True, exist_ok=True)
            elif not path.is_file():
                raise StoreError(
                    f"received {folder}, expected a study's folder with study.db in it; make one with: quintet compare SYSTEM"
                )
            self._db = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
            self._db.row_factory = sqlite3.Row
            self._db.execute("PRAGMA foreign_keys = ON")
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                schema = files("quintet").joinpath("schema.sql").read_text()
                self._db.executescript(f"BEGIN IMMEDIATE; {schema}; PRAGMA user_version = {VERSION}; COMMIT;")
            elif version != VERSION:
                raise StoreError(
                    f"received {path} of version {version}, expected {VERSION}; open it with the Quintet that made it"
                )
        except (OSError, sqlite3.OperationalError) as error:
            raise _unwritable(folder, error) from error
        except sqlite3.DatabaseError as error:
            raise _unreadable(folder, error) from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for writing; the system lets go of it when this process ends, however it ends.

        Raises:
            StoreError: another process holds it.
        """
        try:
            lock = (self.folder / "study.lock").open("a+")
        except OSError as error:
            raise _unwritable(self.folder, error) from error
        with lock as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise StoreError(
                    f"received {self.folder}, in which another study is running (process {owner}), expected a free folder;"
                    " wait for it, end it, or give another folder with --out"
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")
        except BaseException as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):
                raise _unwritable(self.folder, error) from error
            raise

    def write(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """Insert rows, replacing those with the same key, in one transaction."""
        with self.transaction() as db:
            _insert(db, table, rows)

    def record_run(
        self, run: Mapping[str, Any], metrics: Iterable[Mapping[str, Any]], series: Iterable[Mapping[str, Any]]
    ) -> None:
        """Write a trial's run with all its numbers, whole or not at all."""
        with self.transaction() as db:
            for table, rows in (("run", [run]), ("metric", metrics), ("series", series)):
                _insert(db, table, rows)

    def forget_unavailable(self, libraries: Iterable[str]) -> None:
        """Forget what was written of `libraries` while their environments were missing: that was no trial of theirs."""
        with self.transaction() as db:
            for name in libraries:
                of_trial = (
                    "SELECT trial FROM run JOIN trial ON trial.id = trial WHERE library = ? AND status = 'environment'"
                )
                db.execute(f"DELETE FROM run WHERE trial IN ({of_trial})", (name,))
                db.execute("DELETE FROM parity WHERE library = ? AND first_failure LIKE '%: environment: %'", (name,))
                db.execute("DELETE FROM sweep WHERE library = ? AND reason LIKE 'environment: %'", (name,))

    def rows(self, query: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        try:
            return self._db.execute(query, tuple(values)).fetchall()
        except sqlite3.DatabaseError as error:
            raise _unreadable(self.folder, error) from error

    def study(self) -> dict[str, Any]:
        """Return the study's row with its JSON read, and its machine's description.

        Raises:
            StoreError: the folder holds no study yet.
        """
        found = self.rows("SELECT study.*, description FROM study JOIN machine ON machine = fingerprint")
        if not found:
            raise StoreError(f"received {self.folder}, expected a study that has begun; run it first")
        row = dict(found[0])
        for key in ("settings", "data", "description"):
            row[key] = json.loads(row[key])
        return row

    def trials(self) -> list[TrialRow]:
        """Return every planned trial in its order, with what came of it."""
        metrics: dict[str, dict[str, float | None]] = {}
        sources: dict[str, str | None] = {}
        for row in self.rows("SELECT trial, name, value, source FROM metric"):
            metrics.setdefault(row["trial"], {})[row["name"]] = row["value"]
            if row["name"] == "energy_j":
                sources[row["trial"]] = row["source"]
        joined = self.rows("SELECT * FROM trial LEFT JOIN run ON trial.id = run.trial ORDER BY position")
        keys = ("id", "network", "library", "seed", "repeat", "threads", "precision", "device", "status", "reason")
        return [
            TrialRow(
                **{key: row[key] for key in (*keys, "log_tail", "load_before", "weights_sha256")},
                versions=json.loads(row["versions"]) if row["versions"] else {},
                metrics=metrics.get(row["id"], {}),
                energy_source=sources.get(row["id"]),
            )
            for row in joined
        ]

    def finished(self) -> set[str]:
        """Return the ids of the trials that have run, well or not."""
        return {row["trial"] for row in self.rows("SELECT trial FROM run")}


def now() -> str:
    """Return the time as the store writes it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _insert(db: sqlite3.Connection, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    for row in rows:
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        db.execute(f"INSERT OR REPLACE INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))


def _unreadable(folder: Path, error: Exception) -> StoreError:
    return StoreError(
        f"received {folder / 'study.db'} that cannot be read ({error}), expected a study's file; give another folder, or copy"
        " it again from where it is whole"
    )


def _unwritable(folder: Path, error: Exception) -> StoreError:
    reason = getattr(error, "strerror", None) or error
    return StoreError(
        f"received {reason} in {folder}, expected a folder with room that this user may write; free some space or choose another"
    )
