"""One picture, or a film's frames in order: what ends by itself."""

import time
from pathlib import Path

from quintet.errors import DataError
from quintet_systems.pets.board.frames import Frame, SourceState


class PictureSource:
    """Gives one picture; see Source."""

    lists = True
    stuck = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self.ended = False

    def next(self, timeout_s: float) -> Frame | None:  # noqa: ARG002
        """Return the picture, the first time."""
        if self.ended:
            return None
        self.ended = True
        return Frame(picture=self._path, name=self._path.name, grabbed_s=time.monotonic())

    def state(self) -> SourceState:
        return SourceState(connected=not self.ended)

    def close(self) -> None:
        """Nothing to give back."""


class FilmSource:
    """Gives every frame of a film, as fast as they are taken; see Source."""

    lists = True
    stuck = False

    def __init__(self, path: Path) -> None:
        from quintet_systems.pets.board.capture import VideoCapture

        self._path = path
        try:
            self._capture = VideoCapture(str(path))
        except OSError as error:
            raise DataError(f"received --source {path}: {error}, expected a picture or a film; name another") from None
        self._count = 0
        self.ended = False

    def next(self, timeout_s: float) -> Frame | None:  # noqa: ARG002
        """Return the film's next frame."""
        picture = None if self.ended else self._capture.read()
        if picture is None:
            self.ended = True
            return None
        self._count += 1
        return Frame(picture=picture, name=f"{self._path.name}:{self._count}", grabbed_s=time.monotonic())

    def state(self) -> SourceState:
        return SourceState(connected=not self.ended)

    def close(self) -> None:
        self._capture.close()
