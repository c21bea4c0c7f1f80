"""Where pictures come from: one protocol for a folder, a file, a camera and a stream.

`file` and folders give every picture, in order. Cameras and streams give the newest: what came while the loop was busy is
dropped and counted.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from quintet.errors import DataError
from quintet.images import SUFFIXES
from quintet_systems.pets.board.address import SOURCE, masked, split_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One picture.

    Args:
        picture: a file, a file's bytes, or pixels `(height, width, 3)` `uint8` RGB.
        name: for people.
        grabbed_s: monotonic.
        mark: what a folder needs to go on behind this picture after a restart; it is stored with the result.
    """

    picture: Path | bytes | np.ndarray
    name: str
    grabbed_s: float
    mark: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceState:
    """What the status page tells of a source.

    Args:
        connected: frames can come.
        dropped: frames that a newer one overtook.
        reconnects: how often the camera came back.
        trouble: why no frame comes, or empty; also of a folder that is merely done.
    """

    connected: bool
    dropped: int = 0
    reconnects: int = 0
    trouble: str = ""


class Source(Protocol):
    """Anything that gives pictures.

    `lists`: it gives every picture, in order, and None only when there is no other; else only the newest.
    `ended`: no more will come. `stuck`: it has hung, and only a new process helps.
    """

    @property
    def lists(self) -> bool: ...

    @property
    def ended(self) -> bool: ...

    @property
    def stuck(self) -> bool: ...

    def next(self, timeout_s: float) -> Frame | None:
        """Return the next picture, or None where none came in time."""
        ...

    def state(self) -> SourceState: ...

    def close(self) -> None: ...


def open_source(text: str, *, last: Mapping[str, Any] | None = None) -> Source:
    """Return the source that `text` names: a folder, a picture or film, `camera[:N]`, or an address.

    `last` is the last stored result: a folder goes on behind it. An address may name a user, whose password is in the
    environment's QUINTET_SOURCE_PASSWORD.

    Raises:
        DataError: there is no such source.
    """
    from quintet_systems.pets.board.camera import Camera
    from quintet_systems.pets.board.folder import FolderSource
    from quintet_systems.pets.board.single import PictureSource

    if text.partition("://")[0] in SOURCE.schemes:
        parts = split_address(text, SOURCE)
        password = os.environ.get(SOURCE.secret, "")
        if parts.scheme.startswith("http"):
            from quintet_systems.pets.board.http_capture import HttpCapture

            return Camera(lambda: HttpCapture(text, password), name="http")
        from quintet_systems.pets.board.capture import VideoCapture

        return Camera(lambda: VideoCapture(text, password), name="rtsp")
    kind, _, number = text.partition(":")
    if kind == "camera" and (number or "0").isdigit():
        from quintet_systems.pets.board.capture import VideoCapture

        return Camera(lambda: VideoCapture(int(number or 0)), name=text)
    path = Path(text)
    if path.is_dir():
        return FolderSource(path, last=last)
    if path.is_file():
        if path.suffix.lower() in SUFFIXES:
            return PictureSource(path)
        from quintet_systems.pets.board.single import FilmSource

        return FilmSource(path)
    raise DataError(
        f"received --source {masked(text)}, expected a folder, a picture, a film, camera, camera:N, rtsp://… or http://…;"
        " name one that is there"
    )
