"""The systemd unit, as text: printed, not installed, so that its owner reads it first."""

import shlex
import sys
from pathlib import Path
from typing import NoReturn

from quintet.errors import DataError

TEMPLATE = Path(__file__).with_name("quintet-pets.service")


def unit(source: str, options: str = "", program: str = "") -> str:
    """Return the unit that watches `source` with more `options` of `quintet pets watch`.

    Raises:
        DataError: `watch` would refuse them, or they are the unit's own to say.
    """
    quintet = program or str(Path(sys.executable).with_name("quintet"))
    extra = shlex.join(_checked(source, options))
    text = TEMPLATE.read_text()
    values = {"@PROGRAM@": quintet, "@SOURCE@": shlex.quote(source), "@OPTIONS@": f" {extra}" if extra else ""}
    for name, value in values.items():
        text = text.replace(name, value.replace("%", "%%"))
    return text


def _checked(source: str, options: str) -> list[str]:
    """Return the options as words that `watch` takes, no relative path among them."""
    from quintet_systems.pets.board.watch import WatchSettings, check_words, parser

    try:
        words = shlex.split(options)
    except ValueError as error:
        raise DataError(f"received --options {options} ({error}), expected words as in a shell; correct it") from None
    known = parser()
    known.error = _refuse  # pyright: ignore[reportAttributeAccessIssue]  # argparse would end the process
    found = WatchSettings(**vars(known.parse_args(["--source", source, *words])))
    check_words(found)
    for name in ("--state", "--source", "--quiet"):
        if any(word.split("=")[0] == name for word in words):
            raise DataError(f"received {name} in --options, expected none: the unit says it; leave it out")
    paths = [found.bundle, found.smaller, found.status, *found.trust]
    if "://" not in source and not source.startswith("camera"):
        paths.append(Path(source))
    for path in filter(None, paths):
        if not path.is_absolute():
            raise DataError(
                f"received {path}, expected a path from / on: a service has a folder of its own; write it out"
            )
    return words


def _refuse(message: str) -> NoReturn:
    raise DataError(f"received options that `quintet pets watch` does not take ({message}), expected some of its own")
