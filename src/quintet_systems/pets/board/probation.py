"""Whether a new bundle has proved itself: a pure decision on its first minutes."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What was seen of a bundle since it was opened. `p99_ms` is None before the first picture."""

    seconds: float
    frames: int
    unsure: int
    errors: int
    p99_ms: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a bundle is held to.

    Args:
        unsure_share: what its decision.json promises, or what the last good bundle showed here, whichever is more.
        p99_ms: of the last good bundle here, or None.
    """

    unsure_share: float
    p99_ms: float | None = None


SECONDS = 300.0
FRAMES = 50
ERROR_SHARE = 0.05
UNSURE_MORE = 0.25
SLOWER = 3.0
SLOWER_MS = 50.0  # below this no slowness is a reason


def judge(trial: Trial, expected: Expected) -> str | None:
    """Return "" to accept the bundle, None to go on looking, else why it is to be rolled back.

    >>> seen = Trial(seconds=10, frames=5, unsure=0, errors=0, p99_ms=4.0)
    >>> judge(seen, Expected(unsure_share=0.1)) is None
    True
    """
    tried = trial.frames + trial.errors
    if trial.errors >= 3 and trial.errors > ERROR_SHARE * tried:
        return f"{trial.errors} of {tried} pictures failed inside the model"
    limit = min(0.98, expected.unsure_share + UNSURE_MORE)
    if trial.frames >= FRAMES and lower(trial.unsure, trial.frames) > limit:
        return f"unsure of {trial.unsure} of {trial.frames} pictures, expected at most {100 * limit:.0f} %"
    if trial.frames >= FRAMES and trial.p99_ms and expected.p99_ms:
        slow = max(SLOWER * expected.p99_ms, SLOWER_MS)
        if trial.p99_ms > slow:
            return f"99 of 100 pictures within {trial.p99_ms:.0f} ms, expected {slow:.0f} ms"
    return "" if trial.seconds >= SECONDS and trial.frames >= FRAMES else None


def lower(count: int, n: int) -> float:
    """Return the lower end of Wilson's 95 % interval of a share.

    >>> round(lower(25, 50), 3)
    0.366
    """
    z = 1.959964
    share = count / n
    middle = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return (middle - spread) / (1 + z * z / n)
