"""Addresses of cameras, brokers and receivers. A password in one would stand in process lists, units and messages."""

import re
import urllib.parse
from dataclasses import dataclass

from quintet.errors import DataError


@dataclass(frozen=True, slots=True)
class Kind:
    """What an option takes: addresses of these schemes, whose password or token is in the environment under `secret`."""

    option: str
    schemes: tuple[str, ...]
    secret: str


SOURCE = Kind("--source", ("rtsp", "rtsps", "http", "https"), "QUINTET_SOURCE_PASSWORD")
MQTT = Kind("--mqtt", ("mqtt", "mqtts"), "QUINTET_MQTT_PASSWORD")
HTTP = Kind("--http", ("http", "https"), "QUINTET_HTTP_TOKEN")


def split_address(address: str, kind: Kind) -> urllib.parse.SplitResult:
    """Return the parts of `address`.

    Raises:
        DataError: it is no address of this kind, or has a password in it. The message does not repeat one.
    """
    shown = masked(address)
    try:
        parts = urllib.parse.urlsplit(address)
        found = parts if parts.scheme in kind.schemes and parts.hostname and parts.port != 0 else None
    except ValueError:  # a bracket that is not closed, a port that is no number
        found = None
    if found is None:
        expected = " or ".join(f"{scheme}://[user@]host[:port][/…]" for scheme in kind.schemes)
        raise DataError(f"received {kind.option} {shown}, expected {expected}; correct it")
    if found.password is not None:
        raise DataError(f"received a password in {kind.option} {shown}, expected it in {kind.secret}; move it there")
    return found


def masked(address: str) -> str:
    """Return the address for a message: without a user, and so without a password.

    >>> masked("rtsp://viewer:secret@camera.example/live")
    'rtsp://…@camera.example/live'
    """
    return re.sub(r"//[^/]*@", "//…@", address)
