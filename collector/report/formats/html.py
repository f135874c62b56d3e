"""The report as one HTML file that uses no network: for disk, light and dark screens, paper and phones.

All text from devices is escaped. A content security policy allows only our script and Plotly, by their
hashes. Inline styles are allowed because Plotly sets them on what it draws. Plotly has five megabytes, so the
file contains it compressed and the browser unpacks it; a browser that cannot shows the tables of the charts.
"""

import base64
import gzip
import hashlib
from importlib.resources import files
from typing import Any, Final

import msgspec

from collector.display.untrusted_text import plain
from collector.findings.comparison import Comparison
from collector.report.layout import Page, lay_out
from collector.report.page import Cell
from commandline.counted import counted

_SCRIPTS: Final = ("names.js", "paper.js", "report.js")
"""Files that are joined, in this order, to the page's only script besides Plotly."""


def as_html(comparison: Comparison) -> str:
    """Write a comparison as a self-contained page."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    folder = files("collector.report.formats")
    script = "".join(folder.joinpath(name).read_text("utf-8") for name in _SCRIPTS)
    plotly = get_plotlyjs()
    page = lay_out(comparison)
    drawn = [
        {"traces": figure.traces, "layout": figure.layout}
        for chapter in page.chapters
        for section in chapter.sections
        for figure in sorted(section.figures, key=lambda figure: not figure.wide)
    ]
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template.filters["plain"] = plain
    return template.from_string(folder.joinpath("report.html.j2").read_text("utf-8")).render(
        comparison=comparison,
        page=page,
        in_brief=_in_brief(comparison),
        cards=_cards(page),
        policy=_policy(script, plotly),
        style=Markup(folder.joinpath("report.css").read_text("utf-8")),  # noqa: S704  # our own file
        plotly=base64.b64encode(gzip.compress(plotly.encode(), 9, mtime=0)).decode() if drawn else "",
        script=Markup(script),  # noqa: S704  # our own file
        data=Markup(_inert_json(drawn)),  # noqa: S704  # made inert
    )


def _in_brief(comparison: Comparison) -> str:
    rows, runs = len(comparison.rows), len(comparison.scenarios)
    kinds = len({row.machine for row in comparison.rows if row.runs})
    where = f" on {counted(kinds, 'kind')} of hardware" if kinds else ""
    used = dict.fromkeys(found.row.model for found in comparison.baselines) or (comparison.baseline,)
    return " · ".join(
        (
            f"{comparison.generated_at[:16].replace('T', ' ')} UTC",
            *([counted(rows, "row") + where] if rows else []),
            *([counted(runs, "run") + " under load"] if runs else []),
            f"baseline {', '.join(used)} fp32",
        )
    )


def _cards(page: Page) -> dict[str, list[tuple[Cell, ...]]]:
    """Group the rows of the first table, which is the answer, by the text of their first cell."""
    cards: dict[str, list[tuple[Cell, ...]]] = {}
    for chapter in page.chapters[:1]:
        if chapter.anchor == "answer":
            for row in chapter.sections[0].tables[0].rows:
                cards.setdefault(row[0].text, []).append(row[1:])
    return cards


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
