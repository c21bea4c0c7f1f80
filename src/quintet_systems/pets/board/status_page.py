"""The status page: plain HTML on this computer's own address, without a script, for keyboard, phone, light and dark."""

import html
import json
import socket
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template
from threading import Thread
from typing import Any

HOST = "127.0.0.1"
OWN_NAMES = ("127.0.0.1", "localhost", "[::1]")


def render(record: dict[str, Any], *, picture: bool = False) -> str:
    """Return the page of a status record; every text in it may be a stranger's."""
    template = Template(Path(__file__).with_name("page.html").read_text())
    last, model = record["last"] or {}, record["model"] or {}
    label = last.get("label") or ("set aside" if last else "nothing yet")
    running = record["state"] == "running"
    detail = last.get("why") or (
        f"{100 * last['probability']:.1f} % {last['best']}, {last['name']}, {_age(last['age_s'])} ago"
        if last.get("probability") is not None
        else ""
    )
    sections = [
        _section("Pictures", _pictures(record)),
        _section("Speed and heat", _speed(record)),
        _section("Model", _model(model)),
        _section("Results", _queue(record)),
    ]
    sections += [
        _list(title, lines)
        for title, lines in (
            ("Set aside", [f"{broken['name']}: {broken['why']}" for broken in reversed(record["aside"][-10:])]),
            ("Bundles refused here", [f"version {r.get('model_version')}: {r.get('why')}" for r in record["refused"]]),
            ("Events", record["events"]),
        )
        if lines
    ]
    return template.substitute(
        title=_safe(f"Quintet on {socket.gethostname()}"),
        mood="good" if running else "bad",
        state=_safe(record["state"]),
        label=_safe(label),
        detail=_safe(detail),
        picture='<img src="/picture.jpg" alt="The last picture">' if picture and last.get("label") else "",
        sections="".join(sections),
    )


def _pictures(record: dict[str, Any]) -> list[tuple[str, str]]:
    pictures, source = record["pictures"], record["source"]
    rows = [(name, f"{count:,}") for name, count in pictures["labels"].items()]
    rows += [("classified", f"{pictures['classified']:,}"), ("set aside", f"{pictures['set_aside']:,}")]
    if pictures["failed"]:
        rows.append(("failed in the model", f"{pictures['failed']:,}"))
    if source["dropped"]:
        rows.append(("overtaken by newer", f"{source['dropped']:,}"))
    if source["reconnects"]:
        rows.append(("camera came back", f"{source['reconnects']:,} times"))
    return rows


def _speed(record: dict[str, Any]) -> list[tuple[str, str]]:
    latency, heat = record["latency_ms"], record["heat"]
    warm = "no sensor" if heat["celsius"] is None else f"{heat['celsius']:.0f} °C"
    steps = ("full", "smaller model", "slower", "paused")
    return [
        ("half within", _ms(latency["p50"])),
        ("99 of 100 within", _ms(latency["p99"])),
        ("temperature", warm + (", slowed down" if heat["throttled"] else "")),
        ("works", steps[heat["step"]]),
        ("up for", _age(record["up_s"])),
    ]


def _model(model: dict[str, Any]) -> list[tuple[str, str]]:
    if not model:
        return [("runs", "none: safe mode")]
    return [
        ("version", str(model["version"])),
        ("runs on", f"{model['runtime']}, {model['precision']}"),
        ("unsure below", f"{100 * model['threshold']:.0f} %"),
        ("state", "on probation" if model["on_probation"] else "proven"),
    ]


def _queue(record: dict[str, Any]) -> list[tuple[str, str]]:
    queue, uplink = record["queue"], record["uplink"]
    rows = [
        ("safe on the disk up to", f"#{queue['safe']:,}"),
        ("in memory", f"{queue['held']:,}"),
        ("waiting to be sent", f"{queue['waiting']:,}"),
        ("written since the start", f"{queue['written_bytes'] / 1e6:,.1f} MB"),
    ]
    lost = {"dropped, queue full": "dropped", "dropped, over the day's writes": "thinned", "damaged": "damaged"}
    rows += [(text, f"{queue[key]:,}") for text, key in lost.items() if queue[key]]
    if queue["trouble"]:
        rows.append(("disk", queue["trouble"]))
    if uplink is None:
        return [*rows, ("receiver", "none")]
    return [*rows, ("receiver", uplink["trouble"] or f"has {uplink['delivered']:,} since the start")]


def _section(title: str, rows: list[tuple[str, str]]) -> str:
    inner = "".join(f"<dt>{_safe(name)}</dt><dd>{_safe(value)}</dd>" for name, value in rows)
    return f"<section><h2>{_safe(title)}</h2><dl>{inner}</dl></section>"


def _list(title: str, lines: list[str]) -> str:
    inner = "".join(f"<li>{_safe(text)}</li>" for text in lines)
    return f'<section class="wide"><h2>{_safe(title)}</h2><ul>{inner}</ul></section>'


def _safe(text: str) -> str:
    return html.escape(str(text).encode("utf-8", "replace").decode())  # a file's name may hold bytes that are no text


def _ms(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f} ms"


def _age(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


class _Handler(BaseHTTPRequestHandler):
    def __init__(
        self, *arguments: Any, record: Callable[[], dict[str, Any]], picture: Callable[[], bytes | None] | None
    ) -> None:
        self._record, self._picture = record, picture
        super().__init__(*arguments)

    timeout = 10

    def do_GET(self) -> None:
        """Answer with the page, the record, or the last picture."""
        name = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if name not in OWN_NAMES:  # a page elsewhere must not read this one under a name of its own
            self.send_error(403, "expected localhost or 127.0.0.1")
            return
        if self.path == "/":
            self._send("text/html; charset=utf-8", render(self._record(), picture=self._picture is not None).encode())
        elif self.path == "/status.json":
            self._send("application/json", json.dumps(self._record(), indent=1).encode())
        elif self.path == "/picture.jpg" and self._picture and (content := self._picture()):
            self._send("image/jpeg", content)
        else:
            self.send_error(404)

    def _send(self, kind: str, content: bytes) -> None:
        self.send_response(200)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'",
            "X-Content-Type-Options": "nosniff",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: each line would be written to the card."""


class StatusPage:
    """Serves the page on 127.0.0.1.

    Raises:
        OSError: the port is taken.
    """

    def __init__(
        self, port: int, record: Callable[[], dict[str, Any]], picture: Callable[[], bytes | None] | None = None
    ) -> None:
        self._server = ThreadingHTTPServer((HOST, port), partial(_Handler, record=record, picture=picture))
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        Thread(target=self._server.serve_forever, name="status page", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
