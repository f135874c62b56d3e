"""Writes a report in the format that is asked for."""

from collector.findings.comparison import Comparison
from collector.report.page import PARTS


def render(
    comparison: Comparison,
    form: str,
    *,
    width: int | None = None,
    colour: bool = False,
    part: str = "first-screen",
    standalone: bool = False,
) -> str:
    """Write a comparison as text.

    Args:
        comparison: what to show.
        form: the format: table, markdown, latex, model-index, poster, csv, json or html.
        width: for `table`: columns of the terminal; None for no limit.
        colour: for `table`: whether to emphasise with ANSI escapes.
        part: for `table`: which chapters to write; see `formats.table.table`. For `latex`: one of `PARTS`
            to write that chapter only.
        standalone: for `latex`: whether to write a document instead of tables for one.
    """
    match form:
        case "markdown":
            from collector.report.formats.markdown import markdown

            return markdown(comparison)
        case "latex":
            from collector.report.papers.latex import as_latex

            return as_latex(comparison, part if part in PARTS else None, standalone=standalone)
        case "model-index":
            from collector.report.papers.model_index import as_model_index

            return as_model_index(comparison)
        case "poster":
            from collector.report.papers.poster import as_poster

            return as_poster(comparison)
        case "csv":
            from collector.report.formats.csv import as_csv

            return as_csv(comparison)
        case "json":
            from collector.report.formats.json import as_json

            return as_json(comparison)
        case "html":
            from collector.report.formats.html import as_html

            return as_html(comparison)
        case _:
            from collector.report.formats.table import table

            return table(comparison, width, colour=colour, part=part)
