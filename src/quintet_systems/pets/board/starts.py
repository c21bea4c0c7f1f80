"""How often the present bundle was started without doing well: counted on the disk before the model is loaded."""

import contextlib
import json
from pathlib import Path

from quintet_systems.pets.board.disk import replace_file
from quintet_systems.pets.board.slots import read_json

PROBATION_STARTS = 2  # one may be a power cut
GOOD_STARTS = 4


class Starts:
    """The counter in `state`/starts.json."""

    def __init__(self, state: Path) -> None:
        self._path = state / "starts.json"
        record = read_json(self._path)
        self._name = str(record.get("name", ""))
        self.count = _number(record.get("count"))
        self.fallen = _number(record.get("fallen"))  # changes to an older bundle since all went well
        self.rests = _number(record.get("rests"))  # entries into safe mode since all went well

    def begin(self, name: str) -> int:
        """Count one start of `name`; return how many there were without a healthy end."""
        self.count = self.count + 1 if name == self._name else 1
        self._name = name
        self._write()
        return self.count

    def take_back(self) -> None:
        """The last start says nothing of the bundle."""
        self.count = max(0, self.count - 1)
        self._write()

    def fall(self) -> None:
        """Count one change to an older bundle: when that fails as well, safe mode comes next."""
        self.fallen += 1
        self.count = 0
        self._write()

    def rest(self) -> int:
        """Count one entry into safe mode, after which the bundle gets a new chance."""
        self.rests += 1
        self.count = 0
        self._write()
        return self.rests

    def healthy(self) -> None:
        """All went well for a while, or the end was orderly."""
        if self.count or self.fallen or self.rests:
            self.count = self.fallen = self.rests = 0
            self._write()

    def _write(self) -> None:
        record = {"name": self._name, "count": self.count, "fallen": self.fallen, "rests": self.rests}
        with contextlib.suppress(OSError):  # on a full disk it counts within this process only
            replace_file(self._path, json.dumps(record).encode())


def _number(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 1_000_000 else 0
