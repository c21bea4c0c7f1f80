"""The systemd unit, as text: printed, not installed, so that its owner reads it first."""

import shlex
import sys
from pathlib import Path

TEMPLATE = Path(__file__).with_name("quintet-pets.service")


def unit(source: str, options: str = "", program: str = "") -> str:
    """Return the unit that watches `source` with more `options` of `quintet pets watch`."""
    quintet = program or str(Path(sys.executable).with_name("quintet"))
    extra = shlex.join(shlex.split(options))
    text = TEMPLATE.read_text()
    values = {"@PROGRAM@": quintet, "@SOURCE@": shlex.quote(source), "@OPTIONS@": f" {extra}" if extra else ""}
    for name, value in values.items():
        text = text.replace(name, value.replace("%", "%%"))
    return text
