"""The status page and record: what they tell, and that no stranger's text or page gets a hold of them."""

import http.client
import json
from html.parser import HTMLParser

import pytest

from quintet_systems.pets.board.status_page import StatusPage, render

RECORD = {
    "version": 1,
    "wall_s": 1.7e9,
    "up_s": 100_000,
    "state": "running",
    "last": {"name": "a.jpg", "label": "cat", "best": "cat", "probability": 0.973, "why": "", "age_s": 2.0},
    "pictures": {"classified": 1200, "unsure": 3, "set_aside": 2, "failed": 1, "labels": {"cat": 1197, "unsure": 3}},
    "latency_ms": {"p50": 1.25, "p99": 4.5, "n": 1000},
    "aside": [{"name": "b.jpg", "why": "received a damaged picture"}],
    "heat": {"celsius": 61.4, "throttled": True, "step": 1},
    "source": {"connected": True, "dropped": 7, "reconnects": 2, "trouble": ""},
    "queue": {"next": 1300, "safe": 1290, "sent": 1200, "held": 9, "waiting": 90, "dropped": 5, "thinned": 4,
              "damaged": 0, "written_bytes": 2_500_000, "trouble": ""},
    "uplink": {"trouble": "no answer: timed out", "delivered": 1200},
    "model": {"version": 17, "runtime": "litert", "precision": "int8", "threshold": 0.8, "on_probation": True},
    "refused": [{"model_version": 16, "why": "unsure of 60 of 60 pictures"}],
    "events": ["rolled back to slot A"],
}  # fmt: skip


class Text(HTMLParser):
    """Collects a page's text and tags."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_tells_everything():
    text = " ".join(Text(render(RECORD)).words)
    for told in (
        "cat", "97.3 %", "1,197", "1.2 ms", "4.5 ms", "61 °C, slowed down", "smaller model", "17", "litert, int8",
        "on probation", "#1,290", "90", "no answer: timed out", "2.5 MB", "version 16: unsure of 60 of 60 pictures",
        "rolled back to slot A", "b.jpg: received a damaged picture", "7", "2 times", "28 hours", "80 %",
    ):  # fmt: skip
        assert told in text, told


@pytest.mark.parametrize("evil", ["<script>alert(1)</script>", '"><img src=x onerror=y>', "$title", "\udcff\x00"])
def test_a_strangers_text_stays_text(evil):
    record = json.loads(json.dumps(RECORD))
    record["last"] |= {"name": evil, "label": evil, "best": evil}
    record["aside"] = [{"name": evil, "why": evil}]
    record["uplink"]["trouble"] = record["state"] = evil
    record["events"] = [evil]
    page = render(record)
    assert {"script", "img"}.isdisjoint(Text(page).tags)
    page.encode()


NO_TIMES = {"p50": None, "p99": None, "n": 0}


@pytest.mark.parametrize("change", [{"last": None}, {"model": None}, {"uplink": None}, {"latency_ms": NO_TIMES}])
def test_what_is_not_there_yet_is_no_error(change):
    assert "<h1>" in render(RECORD | change)


def test_a_picture_set_aside_is_not_shown():
    assert "<img" in render(RECORD, picture=True)
    assert "<img" not in render(RECORD)
    assert "<img" not in render(RECORD | {"last": RECORD["last"] | {"label": None, "why": "damaged"}}, picture=True)


@pytest.fixture
def page():
    page = StatusPage(0, lambda: RECORD, lambda: b"\xff\xd8 a picture")
    yield page
    page.close()


def ask(page: StatusPage, path: str, host: str | None = None, method: str = "GET") -> tuple[int, bytes, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=20)
    connection.request(method, path, headers={"Host": host} if host else {})
    answer = connection.getresponse()
    found = answer.status, answer.read(), dict(answer.getheaders())
    connection.close()
    return found


def test_the_page_is_served_here_only_and_without_scripts(page):
    status, content, headers = ask(page, "/")
    assert status == 200
    assert b"97.3 %" in content
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert json.loads(ask(page, "/status.json")[1]) == RECORD
    assert ask(page, "/picture.jpg")[1].startswith(b"\xff\xd8")
    assert ask(page, "/../../etc/passwd")[0] == 404
    assert ask(page, "/", method="POST")[0] == 501
    assert ask(page, "/", host="evil.example")[0] == 403  # a page elsewhere that points its own name here
    assert ask(page, "/", host=f"localhost:{page.port}")[0] == 200
    assert page._server.server_address[0] == "127.0.0.1"


def test_the_page_has_contrast_in_light_and_dark():
    """WCAG 2.2: 4.5 to 1 for text."""
    import re
    from pathlib import Path

    from quintet_systems.pets.board import status_page

    css = Path(status_page.__file__).with_name("page.html").read_text()
    light, dark = re.findall(r":root \{([^}]*--card[^}]*)\}", css)
    for colours, ink in ((light, "#000000"), (dark, "#ffffff")):
        named = dict(re.findall(r"--(\w+): (#\w{6})", colours))
        for text in (ink, named["soft"], named["bad"], named["good"]):
            assert contrast(text, named["card"]) >= 4.5, (text, named["card"])


def contrast(one: str, other: str) -> float:
    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
