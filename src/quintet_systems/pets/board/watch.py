"""`quintet pets watch`: from the command line to a running loop. What is needed after the first label is loaded after it."""

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quintet.errors import DataError, EnvironmentUnavailable

if TYPE_CHECKING:
    from quintet_systems.pets.board.loop import Loop, Result
    from quintet_systems.pets.board.status_page import StatusPage
    from quintet_systems.pets.board.uplink import Uplink

STREAM_EVERY_S = 1.0
SEND_S = 20.0  # how long --once waits for its results to be acknowledged
FIRST_FRAME_S = 20.0
STATUS_S, STATUS_ON_CARD_S = 5.0, 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """What the command line says; see `parser`."""

    source: str
    bundle: Path | None
    state: Path
    trust: Sequence[Path]
    smaller: Path | None
    mqtt: str
    http: str
    runtime: str
    precision: str
    threads: int
    every: float | None
    page: int
    picture: bool
    status: Path | None
    daily_mb: float
    once: bool
    quiet: bool


def parser() -> argparse.ArgumentParser:
    """Return the command's options; each stands in docs/board.md."""
    options = argparse.ArgumentParser(
        prog="quintet pets watch",
        description="Classify what a camera or a folder shows, for months: store each result, send it on, stay alive.",
    )
    add = options.add_argument
    add("--source", required=True, help="A folder, a picture, a film, camera, camera:N, rtsp://… or http://….")
    add("--bundle", type=Path, help="Run this bundle, without updates; default: what `quintet pets update` installed.")
    add("--state", type=Path, default=Path("quintet-board"), help="The folder for bundles, results and counters.")
    add("--trust", type=Path, action="append", default=[], help="A public key: check the signature at each start too.")
    add("--smaller", type=Path, help="A smaller bundle for when the board is hot.")
    to = options.add_mutually_exclusive_group()
    to.add_argument("--mqtt", default="", help="Send results to mqtt://[user@]host[:port][/topic] or mqtts://….")
    to.add_argument("--http", default="", help="Send results to this address by POST.")
    add("--runtime", default="auto", help="auto, litert, onnxruntime, openvino or numpy.")
    add("--precision", default="auto", help="auto, int8 or float32.")
    add("--threads", type=int, default=1, help="Cores for one picture.")
    add("--every", type=float, help="Least seconds between two pictures; default: 1 of a camera, 0 of a folder.")
    add("--page", type=int, default=8765, help="The status page's port on 127.0.0.1; 0: no page.")
    add("--picture", action="store_true", help="Show the last picture on the status page.")
    add("--status", type=Path, help="The status file; default: where systemd says, else in the state folder.")
    add("--daily-mb", type=float, default=64.0, help="What may be written to the card in a day, in MiB.")
    add("--once", action="store_true", help="Classify what is there now, print it, and end.")
    add("--quiet", action="store_true", help="Do not print labels.")
    return options


def main(arguments: Sequence[str]) -> int:
    """Run the command; return its exit code: 1 where `--once` classified nothing."""
    settings = WatchSettings(**vars(parser().parse_args(arguments)))
    check_words(settings)
    try:
        _check_here(settings)
    except EnvironmentUnavailable:
        if "NOTIFY_SOCKET" not in os.environ:  # under systemd it may come back: safe mode says it, and tries again
            raise
    return watch(settings)


def check_words(settings: WatchSettings) -> None:
    """Refuse what is wrong on every machine, before it could be charged to the bundle.

    Raises:
        BundleError, DataError: what was received, and what was expected.
    """
    from quintet_systems.pets.board.address import HTTP, MQTT, SOURCE, split_address

    source = settings.source if settings.source.partition("://")[0] in SOURCE.schemes else ""
    for address, kind in ((source, SOURCE), (settings.mqtt, MQTT), (settings.http, HTTP)):
        if address:
            split_address(address, kind)
    from quintet.runtimes import check_setting

    check_setting(settings.runtime, settings.precision)
    if settings.threads < 1 or not 0 <= settings.page < 65536 or settings.daily_mb < 37.5:
        raise DataError(
            f"received --threads {settings.threads} --page {settings.page} --daily-mb {settings.daily_mb:g}, expected at least 1"
            " thread, a port from 0 to 65535 and at least 37.5 MiB a day; correct it"
        )


def _check_here(settings: WatchSettings) -> None:
    """Refuse what this machine lacks: a runtime, a bundle's folder, a key. Raises EnvironmentUnavailable."""
    from quintet.runtimes import check_installed

    check_installed(settings.runtime)
    for folder in filter(None, (settings.bundle, settings.smaller)):
        if not (folder / "bundle.json").is_file():
            raise EnvironmentUnavailable(
                f"received the bundle {folder}, which has no bundle.json, expected a bundle's folder; name one"
            )
    if settings.trust:
        from quintet_systems.pets.board.integrity import read_keys

        read_keys(settings.trust)


def watch(settings: WatchSettings) -> int:
    """Open everything, run the loop until the source ends or a signal comes, and close in order."""
    began = time.monotonic()
    from quintet_systems.pets.board.classifier import Classifier
    from quintet_systems.pets.board.frames import open_source
    from quintet_systems.pets.board.lock import only_one
    from quintet_systems.pets.board.loop import Loop
    from quintet_systems.pets.board.queue import Limits, Queue
    from quintet_systems.pets.board.supervisor import Supervisor

    def opened(folder: Path) -> Classifier:
        return Classifier(folder, settings.runtime, settings.precision, settings.threads)

    def smaller() -> Classifier:
        from quintet_systems.pets.board.integrity import check

        assert settings.smaller is not None
        check(settings.smaller, settings.trust, required=False)
        return opened(settings.smaller)

    held = "which another `quintet pets watch` holds, expected one of its own; end the other, or name another folder"
    with only_one(settings.state, None, held):
        queue = Queue(settings.state / "queue", Limits(daily_bytes=int(settings.daily_mb * (1 << 20))))
        source = open_source(settings.source, last=queue.last)
        every = settings.every if settings.every is not None else 0.0 if source.lists else STREAM_EVERY_S
        reporter, sent = _Reporter(settings, began), True
        loop = Loop(
            source,
            Supervisor(settings.state, settings.bundle, opened, settings.trust),
            queue,
            every_s=every,
            smaller=smaller if settings.smaller else None,
            shown=reporter.show,
        )
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: setattr(loop, "stopping", True))
        try:
            if not loop.open():
                print(f"quintet: safe mode, no model runs: {loop.safe_mode}", file=sys.stderr)
            loop.notify.ready()
            reporter.attach(loop)
            if settings.once:
                _once(loop)
                sent = reporter.send_all()
            else:
                _forever(loop, reporter)
        finally:
            loop.notify.stopping()
            reporter.close()
            source.close()
            queue.close()
        loop.supervisor.ended()
        return 0 if not settings.once or (loop.counts.frames and sent) else 1


def _once(loop: "Loop") -> None:
    """Take everything that is there now; of a camera, one picture."""
    while not loop.stopping and loop.classifier:
        result = loop.step(0.0 if loop.source.lists else FIRST_FRAME_S)
        if result is None or loop.source.ended or not loop.source.lists:
            break
    if loop.classifier and loop.last is None:
        why = loop.source.state().trouble or "no picture came"
        print(f"quintet: nothing was classified: {why}", file=sys.stderr)


def _forever(loop: "Loop", reporter: "_Reporter") -> None:
    while not loop.stopping and not (loop.source.ended and loop.classifier):
        if loop.classifier is None:
            loop.rest(reporter.tend)
        else:
            loop.step(1.0)
        reporter.tend()


class _Reporter:
    """Tells people, the status file, the status page and the receiver; begins with the latter after the first label."""

    def __init__(self, settings: WatchSettings, began: float) -> None:
        self._settings, self._began = settings, began
        self._loop: Loop | None = None
        self._uplink: Uplink | None = None
        self._page: StatusPage | None = None
        self._ready = False
        self._label: str | None = None
        self._tended = 0.0

    def attach(self, loop: "Loop") -> None:
        self._loop = loop

    def show(self, result: "Result") -> None:
        """Print a label where it changed, or each with --once."""
        verdict = result.verdict
        label = verdict.label if verdict else "set aside"
        if not self._settings.quiet and (self._settings.once or label != self._label or verdict is None):
            sure = f"{100 * verdict.probability:.1f} % {verdict.best}" if verdict else result.why
            print(f"{result.frame.name}: {label} ({sure})".encode("utf-8", "replace").decode(), flush=True)
        self._label = label

    def tend(self) -> None:
        """What is due besides classifying, about once a second."""
        now = time.monotonic()
        if now - self._tended < 1.0 or self._loop is None:
            return
        self._tended = now
        if not self._ready:
            self._ready = True
            self._begin()
        self._loop.queue.tick()
        record = self._record()
        self._file.write(record, now=now)
        from quintet_systems.pets.board.status import line

        self._loop.notify.say(line(record))

    def _begin(self) -> None:
        from quintet_systems.pets.board.status import StatusFile

        settings, loop = self._settings, self._loop
        assert loop is not None
        runtime_folder = os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]
        place = settings.status or Path(runtime_folder or settings.state) / "status.json"
        volatile = bool(runtime_folder or settings.status)
        self._file = StatusFile(place, STATUS_S if volatile else STATUS_ON_CARD_S)
        if settings.page:
            from quintet_systems.pets.board.status_page import StatusPage

            try:
                self._page = StatusPage(settings.page, self._record, self._picture if settings.picture else None)
            except OSError as error:
                event = f"no status page on port {settings.page}: {error.strerror or error}"
                loop.supervisor.events.append(event)
                print(f"quintet: {event}", file=sys.stderr)
        self._begin_uplink()

    def _begin_uplink(self) -> None:
        settings, loop = self._settings, self._loop
        assert loop is not None
        if settings.mqtt or settings.http:
            from quintet_systems.pets.board.uplink import Uplink, make_link

            self._uplink = Uplink(loop.queue, lambda: make_link(settings.mqtt, settings.http))

    def send_all(self) -> bool:
        """Send what is stored before the end, and wait for it; False, with a line that says why, where that fails."""
        loop = self._loop
        assert loop is not None
        loop.queue.commit(force=True)
        if not self._uplink:
            self._begin_uplink()
        if not self._uplink or self._uplink.wait_sent(SEND_S):
            return True
        waiting = len(loop.queue.pending())
        print(
            f"quintet: {waiting} results wait in {self._settings.state} and go out the next time: {self._uplink.trouble}",
            file=sys.stderr,
        )
        return False

    def _record(self) -> dict:
        from quintet_systems.pets.board.status import status

        assert self._loop is not None
        return status(self._loop, self._uplink, self._began)

    def _picture(self) -> bytes | None:
        from quintet_systems.pets.board.thumbnail import thumbnail

        last = self._loop and self._loop.last
        return thumbnail(last.frame.picture) if last and last.verdict else None

    def close(self) -> None:
        if self._uplink:
            self._uplink.close()
        if self._page:
            self._page.close()
        if self._ready:
            self._file.write(self._record(), now=time.monotonic(), due=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
