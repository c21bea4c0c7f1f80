"""Which bundle runs: the one that is current, while it does well; else the last good one; else none, and a try now and then.

Rules
* A start is counted on the disk before the model is loaded, so a model that kills its process is counted too.
* A bundle is verified each time before it is opened: every file's hash and, with a trusted key, the signature.
* What is not the bundle's doing (another's key, a runtime that is not installed) is safe mode, and charged to no bundle.
* An update that fails its first minutes is refused and rolled back; a good bundle that keeps failing gives way to the
  older one, once; then safe mode waits, twice as long each time.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from quintet.errors import BundleError, EnvironmentUnavailable, NotVerified, QuintetError
from quintet_systems.pets.board.classifier import Classifier
from quintet_systems.pets.board.counts import Counts
from quintet_systems.pets.board.disk import replace_file
from quintet_systems.pets.board.integrity import check
from quintet_systems.pets.board.probation import Expected, Trial, judge
from quintet_systems.pets.board.slots import Slots, manifest_hash, read_json
from quintet_systems.pets.board.starts import GOOD_STARTS, PROBATION_STARTS, Starts

REST_S, MOST_REST_S = 60.0, 3600.0
HEALTHY_S, HEALTHY_FRAMES = 60.0, 10
JUDGE_EVERY_S = 1.0
MOST_TRIES = 4
SHOWN_EVERY_S = 900.0
Open = Callable[[Path], Classifier]


class Supervisor:
    """Opens the bundle that is to run, and watches over it.

    Args:
        state: the folder with slots, links and counters.
        bundle: a folder to run instead of the slots: no update and no rollback then.
        opened: opens a verified bundle.
        trusted: PEM files of public keys; without any only the hashes are checked.
    """

    def __init__(
        self,
        state: Path,
        bundle: Path | None,
        opened: Open,
        trusted: Sequence[Path] = (),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.slots = Slots(state)
        self.starts = Starts(state)
        self._state, self._bundle, self._opened, self._trusted = state, bundle, opened, trusted
        self._monotonic = monotonic
        self._since = self._judged = self._shown = monotonic()
        self._running: str | None = None
        self._proven = False
        self.events: list[str] = []
        self.failure = ""
        self._blameless = False

    def start(self) -> Classifier | None:
        """Return the bundle that runs now; None is safe mode, `failure` says why.

        Raises:
            BundleError: no bundle was ever installed.
        """
        for _ in range(MOST_TRIES):  # a disk that takes no change of bundle must not keep us here
            name = self._name()
            found = self._try(name)
            if found is not None:
                self._since = self._monotonic()
                self._running, self._proven = name, False
                return found
            if self._blameless or not self._fall(self.failure):
                break
        return None

    def _name(self) -> str:
        if self._bundle is not None:
            return str(self._bundle)
        name = self.slots.current
        if name is None:
            raise BundleError(
                f"received --state {self._state} without a bundle, expected one; type: quintet pets update BUNDLE"
                f" --state {self._state} --trust KEY.pub, or name one: --bundle DIR"
            )
        return name

    def _try(self, name: str) -> Classifier | None:
        self._blameless = False
        count = self.starts.begin(name)
        if count > (PROBATION_STARTS if self.on_probation else GOOD_STARTS):
            self.failure = f"{count - 1} starts ended before all went well"
            return None
        folder = self._bundle or self.slots.path(name)
        try:
            check(folder, self._trusted, required=self._bundle is None)
            return self._opened(folder)
        except QuintetError as error:
            self.failure = str(error)
            foreign = (
                isinstance(error, NotVerified) and error.reason == "unknown_key" and not self._other_is_known(name)
            )
            self._blameless = foreign or isinstance(error, EnvironmentUnavailable)
            if self._blameless:
                self.starts.take_back()
        except Exception as error:  # whatever a runtime throws, the board goes on with another bundle
            self.failure = f"{type(error).__name__}: {str(error)[:300]}"
        return None

    def _other_is_known(self, name: str) -> bool:
        """Tell whether the other slot's bundle bears a trusted signature: then this one's is at fault, not the key given."""
        other = None if self._bundle is not None else self.slots.other(name)
        try:
            if other:
                check(self.slots.path(other), self._trusted)
        except QuintetError:
            return False
        return other is not None

    @property
    def on_probation(self) -> bool:
        return self._bundle is None and self.slots.on_probation

    def _fall(self, why: str) -> bool:
        """Change to another bundle; False where there is none left to try."""
        if self._bundle is not None:
            return False
        if self.on_probation:
            good = self.slots.refuse(why)
            self._tell(f"rolled back to slot {good}: {why}")
            return good is not None
        if self.starts.fallen:
            return False
        try:
            other = self.slots.fall_back(why)
        except OSError as error:
            self.failure = f"{why}; and the older bundle cannot be taken: {error.strerror or error}"
            return False
        if other is None:
            return False
        self.starts.fall()
        self._tell(f"fell back to slot {other}: {why}")
        return True

    def rest_s(self) -> float:
        """Return how long safe mode waits before the bundle is tried again."""
        return min(REST_S * 2 ** (self.starts.rest() - 1), MOST_REST_S)

    def reload(self) -> bool:
        """Tell whether another bundle than the one that was opened is to run."""
        return self._bundle is None and self.slots.current != self._running

    def look(self, counts: Counts, coverage: float) -> bool:
        """Judge the running bundle, about once a second; True where it was rolled back and `start` is due."""
        now = self._monotonic()
        if now - self._judged < JUDGE_EVERY_S:
            return False
        self._judged = now
        seconds = now - self._since
        if not self._proven and seconds >= HEALTHY_S and counts.frames + counts.checks >= HEALTHY_FRAMES:
            self._proven = True
            self.starts.healthy()
        if self.on_probation:
            verdict = judge(self._trial(counts, seconds), self._expected(coverage))
            if verdict:
                return self._fall(verdict)
            if verdict == "":
                with suppress(OSError):  # a full disk: it stays on probation, and is accepted when there is room
                    self.slots.accept()
                    self._tell(f"slot {self.slots.current} has proved itself")
        elif self._bundle is None and now - self._shown >= SHOWN_EVERY_S and counts.frames:
            self._shown = now
            self._note_shown(counts)
        return False

    def failed(self, why: str) -> bool:
        """The running bundle cannot go on; True where `start` gives another."""
        self.failure = why
        return self._fall(why)

    def ended(self) -> None:
        """The end is orderly: the next start is no sign of trouble."""
        self.starts.healthy()

    def _trial(self, counts: Counts, seconds: float) -> Trial:
        return Trial(
            seconds=seconds,
            frames=counts.frames,
            unsure=counts.unsure,
            errors=counts.errors,
            p99_ms=counts.latency_ms(0.99),
        )

    def _expected(self, coverage: float) -> Expected:
        """Return what the bundle promises, or what the good one showed here, whichever is more lenient."""
        good = self.slots.linked("good")
        shown = read_json(self._state / "shown.json")
        if good is None or shown.get("manifest") != manifest_hash(self.slots.path(good)):
            return Expected(unsure_share=1 - coverage)
        try:
            share, p99_ms = float(shown["unsure_share"]), float(shown["p99_ms"])
        except (KeyError, TypeError, ValueError):
            return Expected(unsure_share=1 - coverage)
        return Expected(unsure_share=max(1 - coverage, share), p99_ms=p99_ms)

    def _note_shown(self, counts: Counts) -> None:
        good = self.slots.linked("good")
        note = {
            "manifest": manifest_hash(self.slots.path(good)) if good else "",
            "unsure_share": counts.unsure / counts.frames,
            "p99_ms": counts.latency_ms(0.99),
        }
        with suppress(OSError):
            replace_file(self._state / "shown.json", json.dumps(note).encode())

    def _tell(self, event: str) -> None:
        self.events = [*self.events, event][-20:]
