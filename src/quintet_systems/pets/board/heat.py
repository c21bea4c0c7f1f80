"""The temperature ladder: a smaller model, then slower, then a pause; down again only when it has been cooler for a while."""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

STEPS = ("full", "smaller", "slower", "pause")
UP_CELSIUS = (70.0, 75.0, 80.0)  # a Raspberry Pi slows itself down from 80 °C on
COOLER = 5.0
CALM_S = 30.0
SLOWER_BY = 4.0
READ_EVERY_S = 5.0
THROTTLED_NOW = 0b1110  # capped, throttled, soft limit: bits 1 to 3 of get_throttled; bit 0 is under-voltage, no heat


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The warmest sensor, None where there is none; whether the processor is slowed down now."""

    celsius: float | None
    throttled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Heat:
    """Where on the ladder we are, and since when it has been cool enough for a step down."""

    step: int = 0
    cool_since: float | None = None


def climb(heat: Heat, reading: Reading, now: float, up: Sequence[float] = UP_CELSIUS) -> Heat:
    """Return the ladder's next state: up at once, as far as the temperature says; down one step after CALM_S.

    >>> climb(Heat(), Reading(celsius=76.0), 0.0).step
    2
    >>> climb(Heat(step=2), Reading(celsius=74.0), 0.0).step
    2
    """
    if reading.celsius is None:
        return Heat()
    reached = sum(reading.celsius >= limit for limit in up)
    if reading.throttled:
        reached = max(reached, 1)
    if reached > heat.step:
        return Heat(step=reached)
    if heat.step == 0 or reading.throttled or reading.celsius > up[heat.step - 1] - COOLER:
        return replace(heat, cool_since=None)
    if heat.cool_since is None:
        return replace(heat, cool_since=now)
    return Heat(step=heat.step - 1) if now - heat.cool_since >= CALM_S else heat


def read_sensors(zones: Path = Path("/sys/class/thermal")) -> Reading:
    """Return what the board's sensors say; a sensor that cannot be read is left out."""
    celsius: list[float] = []
    for path in zones.glob("thermal_zone*/temp"):
        with contextlib.suppress(OSError, ValueError):
            celsius.append(int(path.read_text()) / 1000)
    sane = [value for value in celsius if -40 < value < 150]
    return Reading(celsius=max(sane, default=None), throttled=_throttled())


def _throttled() -> bool:
    if shutil.which("vcgencmd") is None:
        return False
    try:
        said = subprocess.run(["vcgencmd", "get_throttled"], capture_output=True, text=True, timeout=2, check=False)
        return bool(int(said.stdout.partition("=")[2].strip() or "0", 16) & THROTTLED_NOW)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False


class Thermometer:
    """Reads now and then, and keeps the ladder."""

    def __init__(
        self,
        read: Callable[[], Reading] = read_sensors,
        monotonic: Callable[[], float] = time.monotonic,
        every_s: float = READ_EVERY_S,
    ) -> None:
        self._read, self._monotonic, self._every_s = read, monotonic, every_s
        self._at = monotonic()  # the first label comes first
        self.reading = Reading(celsius=None)
        self.heat = Heat()

    def step(self) -> str:
        """Return one of STEPS."""
        now = self._monotonic()
        if now - self._at >= self._every_s:
            self._at = now
            self.reading = self._read()
            self.heat = climb(self.heat, self.reading, now)
        return STEPS[self.heat.step]
