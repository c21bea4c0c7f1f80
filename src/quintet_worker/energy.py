"""Energy of the whole processor package, read from RAPL where the machine lets us; nothing is guessed."""

import glob
import os

ROOT = "/sys/class/powercap"


class EnergyMeter(object):
    """Start it before the work; stop() returns (joules or None, "measured:rapl" or "unavailable")."""

    def __init__(self, root=ROOT):
        # Top-level zones only (intel-rapl:0, not intel-rapl:0:0): a package's figure holds those of its parts.
        zones = [zone for zone in glob.glob(os.path.join(root, "intel-rapl:*")) if zone.count(":") == 1]
        self.zones = [zone for zone in zones if self._read(zone, "energy_uj") is not None]
        self.before = []

    def start(self):
        """Read the counters."""
        self.before = [self._read(zone, "energy_uj") for zone in self.zones]

    def stop(self):
        """Read them again; a counter that has wrapped once is put right."""
        if not self.zones:
            return None, "unavailable"
        total = 0
        for zone, before in zip(self.zones, self.before):
            after = self._read(zone, "energy_uj")
            if after is None or before is None:
                return None, "unavailable"
            if after < before:
                after += self._read(zone, "max_energy_range_uj") or 0
            total += after - before
        return total / 1e6, "measured:rapl"

    @staticmethod
    def _read(zone, name):
        try:
            with open(os.path.join(zone, name)) as file:
                return int(file.read())
        except (OSError, ValueError):
            return None
