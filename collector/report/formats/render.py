"""Which format is made by what."""

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
        width: of a table, in columns of the terminal; None for as wide as it takes.
        colour: of a table, for a terminal.
        part: of a table; see `table`.
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
