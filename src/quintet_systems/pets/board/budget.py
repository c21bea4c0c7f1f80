"""How many bytes a day may be written, so that a memory card lasts: a bucket that fills evenly over the day."""

from dataclasses import dataclass

DAY_S = 86_400
_START_S = 600  # a restart begins with ten minutes' worth, so that a crash loop cannot write more than a quiet day


@dataclass(slots=True, kw_only=True)
class Budget:
    """Bytes that may be written now; `now` is monotonic seconds.

    In any stretch of time no more than `daily_bytes` times its part of a day, and an hour's worth, is granted.

    >>> budget = Budget(daily_bytes=86_400, now=0.0)   # a byte a second
    >>> budget.take(600, now=0.0), budget.take(1, now=0.0), budget.take(10, now=10.0)
    (True, False, True)
    """

    daily_bytes: int
    level: float
    spent: int
    _seen: float

    def __init__(self, *, daily_bytes: int, now: float) -> None:
        self.daily_bytes = daily_bytes
        self.level = daily_bytes * _START_S / DAY_S
        self.spent = 0
        self._seen = now

    def take(self, size: int, *, now: float) -> bool:
        """Grant `size` bytes, or nothing."""
        self._fill(now)
        if self.level < size:
            return False
        self.force(size)
        return True

    def force(self, size: int) -> None:
        """Count bytes that had to be written; what follows waits the longer."""
        self.level -= size
        self.spent += size

    def _fill(self, now: float) -> None:
        gained = max(0.0, now - self._seen) * self.daily_bytes / DAY_S
        self.level = min(self.level + gained, self.daily_bytes / 24)
        self._seen = max(now, self._seen)
