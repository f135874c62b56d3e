"""The report as one HTML file: no network, works from disk, light and dark.

Whatever a device wrote is escaped where it stands, and a content security policy runs no script but the two
of ours, by their hashes. Styles are inline since Plotly sets them on what it draws.
"""

import base64
import hashlib
from importlib.resources import files
from typing import Any

import msgspec

from collector.comparison import Comparison
from collector.report.columns import COLUMNS, footnotes, lay_out, legend
from collector.report.figures import figures
from collector.report.plain import plain


def as_html(comparison: Comparison) -> str:
    """Write a comparison as a self-contained page."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    folder = files("collector.report")
    plotly, script = get_plotlyjs(), folder.joinpath("report.js").read_text("utf-8")
    page = lay_out(comparison)
    charts = [figures(section) for section in page.sections]
    drawn = [{"traces": f.traces, "layout": f.layout} for section in charts for f in section]
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return template.from_string(folder.joinpath("report.html.j2").read_text("utf-8")).render(
        comparison=comparison,
        columns=COLUMNS,
        sections=list(zip(page.sections, charts, strict=True)),
        footnotes=list(footnotes(page)),
        legend=legend(comparison),
        plain=plain,
        policy=_policy(plotly, script),
        style=Markup(folder.joinpath("report.css").read_text("utf-8")),  # noqa: S704  # our own file
        plotly=Markup(plotly),  # noqa: S704  # the library
        script=Markup(script),  # noqa: S704  # our own file
        data=Markup(_inert_json(drawn)),  # noqa: S704  # made inert
    )


def _policy(*scripts: str) -> str:
    hashes = (base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _inert_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = msgspec.json.encode(value).decode()
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
