"""What the loop counts: pictures by label, broken ones by name, and how long a picture takes."""

from collections import Counter, deque
from dataclasses import dataclass, field

from quintet_systems.pets.board.classifier import Verdict

LATENCIES = 1000
BROKEN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A picture that was set aside, and why."""

    name: str
    why: str


@dataclass(slots=True, kw_only=True)
class Counts:
    """Since this bundle was opened; the last LATENCIES times and BROKEN names are kept."""

    frames: int = 0
    unsure: int = 0
    broken: int = 0
    errors: int = 0
    checks: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    aside: deque[Broken] = field(default_factory=lambda: deque(maxlen=BROKEN))
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES))

    def saw(self, verdict: Verdict, latency_ms: float) -> None:
        """Count a classified picture."""
        self.frames += 1
        self.unsure += verdict.unsure
        self.labels[verdict.label] += 1
        self.latencies_ms.append(latency_ms)

    def set_aside(self, name: str, why: str) -> None:
        """Count a picture that could not be read."""
        self.broken += 1
        self.aside.append(Broken(name=name[:200], why=why[:300]))

    def latency_ms(self, share: float) -> float | None:
        """Return the latency that `share` of the last pictures stayed within, or None where there were none.

        >>> counts = Counts(latencies_ms=deque([3.0, 1.0, 2.0]))
        >>> counts.latency_ms(0.5), counts.latency_ms(0.99)
        (2.0, 3.0)
        """
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
