"""The report in a real browser: it does not overflow a phone or a desk, and it prints with its details open."""

import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest

from quintet.report import write_report
from quintet.results import analyse

make_store = runpy.run_path(str(Path(__file__).parents[1] / "unit" / "report_study.py"))["make_store"]

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--virtual-time-budget=2000",
)  # fmt: skip

# Chromium's own window is never narrower than 500 px, so the page is measured in a frame of the device's width.
FRAME = """<!doctype html><body style="margin:0"><iframe id="frame" style="border:0;width:{width}px;height:{height}px">
</iframe><script>
const frame = document.getElementById("frame");
frame.addEventListener("load", () => {{
  const inside = frame.contentDocument;
  inside.querySelectorAll("details").forEach((one) => {{ one.open = {opened}; }});
  const page = inside.documentElement;
  const wide = [...inside.querySelectorAll("body *")].filter((one) => !one.closest(".scroll")
    && one.getBoundingClientRect().right > frame.clientWidth + 0.5).map((one) => one.tagName + "." + one.className);
  document.body.dataset.measured = [page.scrollWidth, frame.clientWidth, inside.querySelectorAll("table").length, wide].join(" ");
}});
frame.srcdoc = {page};
</script>"""


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium")
    if found is None:
        reason = "received no chromium on PATH, expected one; install it: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    with make_store(folder / "study", networks=("survey", "fast")) as store:
        return write_report(analyse(store), folder / "report.html")


def browse(chromium: str, profile: Path, *arguments: str) -> str:
    command = [chromium, *FLAGS, f"--user-data-dir={profile}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.parametrize("opened", ["false", "true"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 900)])
def test_nothing_overflows(chromium, report, tmp_path, width, height, opened):
    import json

    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", report.read_text())
    page = json.dumps(text).replace("</", "<\\/")
    framed = tmp_path / "framed.html"
    framed.write_text(FRAME.format(width=width, height=height, opened=opened, page=page))
    dom = browse(chromium, tmp_path / "profile", "--window-size=1400,1000", "--dump-dom", framed.as_uri())
    found = re.search(r'data-measured="(\d+) (\d+) (\d+) ([^"]*)"', dom)
    assert found, dom[-2000:]
    assert int(found.group(2)) == width
    assert int(found.group(3)) == 2 * 8
    assert found.group(4) == ""
    assert int(found.group(1)) <= width


def test_a_desk_shows_every_table_without_scrolling(chromium, report, tmp_path):
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", report.read_text())
    script = (
        "<script>document.body.dataset.hidden = [...document.querySelectorAll('.scroll')]"
        ".filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.ariaLabel).join('; ')</script>"
    )
    copy = tmp_path / "copy.html"
    copy.write_text(text.replace("</body>", f"{script}</body>"))
    dom = browse(chromium, tmp_path / "profile", "--window-size=1280,900", "--dump-dom", copy.as_uri())
    assert 'data-hidden=""' in dom


def test_print_shows_what_is_folded(chromium, report, tmp_path):
    reader = shutil.which("pdftotext")
    printed = tmp_path / "report.pdf"
    browse(chromium, tmp_path / "profile", f"--print-to-pdf={printed}", report.as_uri())
    assert printed.read_bytes().startswith(b"%PDF")
    if reader is None:
        return
    text = subprocess.run([reader, str(printed), "-"], capture_output=True, text=True, timeout=60, check=True).stdout
    words = re.sub(r"\s+", " ", text)
    assert "<script>alert('from a log')</script>" in words  # the log's tail, folded on the screen
    assert "keras-torch is not comparable in start-up" in words  # the last of the folded verdicts
