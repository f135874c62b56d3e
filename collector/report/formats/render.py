"""Writes a report in the format that is asked for."""

from collector.findings.comparison import Comparison


def render(
    comparison: Comparison,
    form: str,
    *,
    width: int | None = None,
    colour: bool = False,
    part: str = "first-screen",
) -> str:
    """Write a comparison in one of the formats table, markdown, csv, json and html.

    Args:
        comparison: what to show.
        form: the format's name.
        width: for `table`: columns of the terminal; None for no limit.
        colour: for `table`: whether to emphasise with ANSI escapes.
        part: for `table`: which chapters to write; see `formats.table.table`.
    """
    match form:
        case "markdown":
            from collector.report.formats.markdown import markdown

            return markdown(comparison)
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
