"""A laid-out page as one HTML file that uses no network: for disk, light and dark screens, paper and phones.

Chapters are folded, and their charts are drawn when a reader opens them.

All text from devices is escaped. A content security policy allows only our script and Plotly, by their
hashes. Inline styles are allowed because Plotly sets them on what it draws. Plotly has five megabytes, so the
file contains it compressed and the browser unpacks it; a browser that cannot shows the tables of the charts.
"""

import base64
import gzip
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final, NamedTuple

import msgspec

from collector.display.untrusted_text import plain
from collector.report.chapters.method import COLUMNS_TITLE
from collector.report.page import Chapter, letter

_SCRIPTS: Final = ("names.js", "paper.js", "tables.js", "charts.js", "report.js")
"""Files that are joined, in this order, to the page's only script besides Plotly."""
_FEW_WORDS: Final = 3
"""More paragraphs than these are folded on the first screen."""


class HtmlPage(NamedTuple):
    """What one HTML file contains."""

    title: str
    """The title of the window."""
    heading: str
    in_brief: str
    """A line below the heading."""
    front: Any
    """The first screen, with the fields that the template reads; None opens the first chapter instead."""
    chapters: Sequence[Chapter]
    """The chapters after the first screen."""
    remarks: Sequence[str]
    made_by: str
    """A sentence on what made the file."""
    meanings: Mapping[str, str]
    """What columns mean, by their headings."""

    @property
    def has_charts(self) -> bool:
        """Whether there is any chart."""
        sections = (section for chapter in self.chapters for section in chapter.sections)
        on_front = self.front is not None and self.front.choices
        return bool(on_front) or any(section.figures for section in sections)


def html_file(page: HtmlPage) -> str:
    """Write a page as the text of a self-contained file."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = files("collector.report.formats")
    script = "".join(folder.joinpath(name).read_text("utf-8") for name in _SCRIPTS)
    plotly = _plotly() if page.has_charts else ""
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template.filters |= {
        "plain": plain,
        "letter": letter,
        "spec": lambda figure: Markup(  # noqa: S704  # made inert
            _inert_json({"traces": figure.traces, "layout": figure.layout})
        ),
    }
    return template.from_string(folder.joinpath("report.html.j2").read_text("utf-8")).render(
        page=page,
        front=page.front,
        chapters=page.chapters,
        machines=sum(chapter.name == "hardware" for chapter in page.chapters),
        columns_title=COLUMNS_TITLE,
        few_words=_FEW_WORDS,
        policy=_policy(script, *([plotly] if plotly else [])),
        style=Markup(folder.joinpath("report.css").read_text("utf-8")),  # noqa: S704  # our own file
        plotly=base64.b64encode(gzip.compress(plotly.encode(), 9, mtime=0)).decode() if plotly else "",
        script=Markup(script),  # noqa: S704  # our own file
        meanings=Markup(_inert_json(page.meanings)),  # noqa: S704  # made inert
    )


def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    found: str = get_plotlyjs()
    return found


def _policy(*scripts: str) -> str:
    hashes = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _inert_json(value: Any) -> str:
    """Encode JSON so that it cannot end the script element that contains it."""
    text = msgspec.json.encode(value).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
