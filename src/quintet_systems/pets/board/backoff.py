"""How long to wait after a failure: twice as long each time, up to a limit, a little at random so that boards spread."""

import random


class Backoff:
    """Waiting times in seconds.

    >>> patience = Backoff(first_s=1.0, most_s=5.0, spread=0.0)
    >>> [patience.wait_s() for _ in range(4)]
    [1.0, 2.0, 4.0, 5.0]
    """

    def __init__(
        self, first_s: float = 0.5, most_s: float = 60.0, spread: float = 0.2, seed: int | None = None
    ) -> None:
        self._first_s, self._most_s, self._spread = first_s, most_s, spread
        self._random = random.Random(seed)
        self._failures = 0

    def wait_s(self) -> float:
        """Return how long to wait now, and count one failure."""
        wait = min(self._first_s * 2 ** min(self._failures, 30), self._most_s)
        self._failures += 1
        return wait * (1 + self._spread * self._random.uniform(-1, 1))

    def reset(self) -> None:
        """Forget the failures: it worked."""
        self._failures = 0
