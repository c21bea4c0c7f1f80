"""A matplotlib figure as part of an HTML page: small, deterministic, described in words, coloured by the page's CSS.

Figures are drawn in placeholder colours, which become CSS variables here, so one drawing serves light, dark and print.
No pyplot, so no global figure list; the two settings that matplotlib only has globally are set for the saving alone.
"""

import hashlib
import html
import io
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The placeholder #0102NN becomes the NNth variable; nobody draws in these near-blacks by chance.
INK, MUTED, GRID = "#010200", "#010201", "#010202"
_VARIABLES = {0: "ink", 1: "muted", 2: "grid"}
_SERIES_FROM = 16
SERIES = 8


def series_colour(index: int) -> str:
    """Return the placeholder of the colour of the library at `index`; colours come round again after 8."""
    return f"#0102{_SERIES_FROM + index % SERIES:02x}"


def to_svg(figure: "Figure", key: str, title: str, description: str) -> str:
    """Return `figure` as an `<svg>` element for an HTML page; `key` makes its ids the only ones of the page."""
    import matplotlib as mpl

    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "quintet"}):
        figure.savefig(stream, format="svg", metadata=nothing, transparent=True)
    return _inline(stream.getvalue(), key, title, description)


def svg_file(size: tuple[float, float], draw: "Callable[[Axes], None]") -> bytes:
    """Return a plot as an SVG file of its own, the same bytes for the same plot; `size` in inches, `draw` fills its axes."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({"svg.hashsalt": "quintet", "svg.fonttype": "none", "font.size": 10}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        stream = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None})
    return stream.getvalue()


def _inline(text: str, key: str, title: str, description: str) -> str:
    view = re.search(r'viewBox="([^"]+)"', text)
    body = text[text.index(">", text.index("<svg")) + 1 : text.rindex("</svg>")]
    body = re.sub(r"<style[^>]*>.*?</style>", "", body, flags=re.S)
    body = re.sub(r"<!--.*?-->", "", body, flags=re.S)
    body = re.sub(r"font(-family)?: ?([^;\"]*?)'[^;\"]*(?=[;\"])", _without_family, body)
    body = re.sub(r"#0102([0-9a-f]{2})", _variable, body)
    body = body.replace("xlink:href", "href")
    mark = "q" + hashlib.sha256(key.encode()).hexdigest()[:6]
    body = re.sub(r'\bid="', f'id="{mark}', body)
    body = body.replace('href="#', f'href="#{mark}').replace("url(#", f"url(#{mark}")
    body = re.sub(r"(\d\.\d{2})\d+", r"\1", re.sub(r"\s*\n\s*", "\n", body)).strip()
    name, about = html.escape(title), html.escape(description)
    return (
        f'<svg role="img" viewBox="{view.group(1) if view else "0 0 1 1"}" aria-labelledby="{mark}t {mark}d">'
        f'<title id="{mark}t">{name}</title><desc id="{mark}d">{about}</desc>{body}</svg>'
    )


def _without_family(found: re.Match[str]) -> str:
    """Keep the size of a font and leave the family to the page; "font: 9px 'A', 'B'" has both in one."""
    if found.group(1):
        return "font-family: inherit"
    size = re.search(r"[\d.]+px", found.group(2))
    return f"font-size: {size.group() if size else '9px'}"


def _variable(found: re.Match[str]) -> str:
    number = int(found.group(1), 16)
    return f"var(--{_VARIABLES.get(number) or f's{number - _SERIES_FROM}'})"
