"""Two places for bundles, A and B, and two links: `current` is what runs, `good` is what has proved itself.

Rules
* Each change of what runs is one rename of one link. While `current` and `good` differ, `current` is on probation.
* A slot is written only while neither link names it; what is in it is copied and verified before a link names it.
* `floor.json` holds the highest version that proved itself: nothing older is taken any more.
* `refused.json` names, by manifest, what failed here and why.
"""

import contextlib
import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quintet.errors import BundleError
from quintet_systems.pets.board.disk import replace_file, replace_link

NAMES = ("A", "B")
KEPT_REFUSALS = 20


class Slots:
    """The slots in the folder `state`."""

    def __init__(self, state: Path) -> None:
        self.state = state

    def path(self, name: str) -> Path:
        return self.state / "slots" / name

    def linked(self, link: str) -> str | None:
        """Return the slot that "current" or "good" names, if it is there."""
        try:
            name = (self.state / link).readlink().name
        except OSError:
            return None
        return name if name in NAMES and self.path(name).is_dir() else None

    @property
    def current(self) -> str | None:
        """The slot that is to run."""
        return self.linked("current") or self.linked("good")

    @property
    def on_probation(self) -> bool:
        good = self.linked("good")
        return good is not None and self.current != good

    def other(self, name: str) -> str | None:
        """Return the slot besides `name`, if it holds a bundle."""
        other = NAMES[1 - NAMES.index(name)]
        return other if self.path(other).is_dir() else None

    def free(self) -> str:
        """Return a slot that no link names, empty.

        Raises:
            BundleError: both are in use: an update is on probation.
        """
        used = {self.linked("current"), self.linked("good")}
        for name in NAMES:
            if name not in used:
                shutil.rmtree(self.path(name), ignore_errors=True)
                self.path(name).parent.mkdir(parents=True, exist_ok=True)
                return name
        raise BundleError(
            f"received an update while {self.current} is on probation, expected one at a time; wait some minutes, or type:"
            f" quintet pets rollback --state {self.state}"
        )

    def run(self, name: str) -> None:
        """Make `name` what runs: on probation, or good at once where nothing has proved itself yet."""
        if self.linked("good") is None:
            replace_link(self.state / "good", f"slots/{name}")
        replace_link(self.state / "current", f"slots/{name}")

    def accept(self) -> None:
        """What runs has proved itself."""
        name = self.current
        if name is None:
            return
        self.raise_floor(version(self.path(name)))
        replace_link(self.state / "good", f"slots/{name}")

    def refuse(self, why: str) -> str | None:
        """Return to the good slot, and note why; None where there is no other good one."""
        bad, good = self.current, self.linked("good")
        if bad is None or good is None or bad == good:
            return None
        self._note(bad, why)
        with contextlib.suppress(OSError):  # no room for a link: without its slot the link names nothing, and good runs
            replace_link(self.state / "current", f"slots/{good}")
        shutil.rmtree(self.path(bad), ignore_errors=True)
        return good

    def fall_back(self, why: str) -> str | None:
        """Leave a slot that had proved itself for the other one, if that holds a bundle."""
        bad = self.current
        other = self.other(bad) if bad else None
        if bad is None or other is None:
            return None
        self._note(bad, why)
        replace_link(self.state / "good", f"slots/{other}")
        replace_link(self.state / "current", f"slots/{other}")
        return other

    @property
    def floor(self) -> int:
        return int(read_json(self.state / "floor.json").get("model_version", 0))

    def raise_floor(self, model_version: int) -> None:
        if model_version > self.floor:
            replace_file(self.state / "floor.json", json.dumps({"model_version": model_version}).encode())

    def refusals(self) -> list[Mapping[str, Any]]:
        """Return what was refused here, the oldest first: manifest, model_version, why, wall_s."""
        found = read_json(self.state / "refused.json").get("refused", [])
        return found if isinstance(found, list) else []

    def _note(self, name: str, why: str) -> None:
        folder = self.path(name)
        refusal = {
            "manifest": manifest_hash(folder),
            "model_version": version(folder),
            "why": why,
            "wall_s": time.time(),
        }
        kept = [*self.refusals(), refusal][-KEPT_REFUSALS:]
        with contextlib.suppress(OSError):  # a full disk must not keep a bad bundle running
            replace_file(self.state / "refused.json", json.dumps({"refused": kept}, indent=1).encode())


def manifest_hash(folder: Path) -> str:
    """Return the SHA-256 of a bundle's manifest, which tells it from all others; empty where there is none."""
    try:
        return hashlib.sha256((folder / "manifest.json").read_bytes()).hexdigest()
    except OSError:
        return ""


def version(folder: Path) -> int:
    """Return a bundle's version by its manifest; 0 where it has none."""
    try:
        return int(read_json(folder / "manifest.json").get("model_version", 0))
    except (TypeError, ValueError):
        return 0


def read_json(path: Path) -> dict[str, Any]:
    """Return the record in `path`; an empty one where there is none or it is damaged."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
