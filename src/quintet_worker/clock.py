"""Time inside the process: a stopwatch that adds up its laps, and percentiles of single calls."""

import time

import numpy as np

now = time.perf_counter


class Stopwatch(object):
    """Adds up the seconds between start() and stop()."""

    def __init__(self):
        self.seconds = 0.0
        self._since = 0.0

    def start(self):
        self._since = now()

    def stop(self):
        self.seconds += now() - self._since


def each_ms(call, count):
    """Return how many milliseconds each of `count` calls took, `(count,)` float64."""
    times = np.empty(count)
    for i in range(count):
        begun = now()
        call()
        times[i] = now() - begun
    return times * 1e3
