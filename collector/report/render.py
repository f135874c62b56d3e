"""Which format is made by what."""

from collector.comparison import Comparison


def render(comparison: Comparison, form: str, *, terminal: bool = False) -> str:
    """Write a comparison in one of the formats table, markdown, csv, json and html.

    Args:
        comparison: what to show.
        form: the format's name.
        terminal: whether a person's terminal shows it: then its width and colours are used.
    """
    match form:
        case "markdown":
            from collector.report.markdown import markdown

            return markdown(comparison)
        case "csv":
            from collector.report.csv import as_csv

            return as_csv(comparison)
        case "json":
            from collector.report.json import as_json

            return as_json(comparison)
        case "html":
            from collector.report.html import as_html

            return as_html(comparison)
        case _:
            import os
            import shutil

            from collector.report.table import table

            if not terminal:
                return table(comparison)
            return table(comparison, shutil.get_terminal_size().columns, colour="NO_COLOR" not in os.environ)
