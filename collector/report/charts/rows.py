"""What the charts of rows share: the numbers below a chart, as tables write them, and who is left out."""

from collections.abc import Sequence

from collector.findings.comparison import Row
from collector.report.columns import BY_KEY
from collector.report.names import full_name
from collector.report.page import Column, Table, table_of


def written(rows: Sequence[Row], field: str) -> list[str | None]:
    """Write numbers as the tables show them, since a browser would round halves differently."""
    return [BY_KEY[field].text(row) for row in rows]


def numbers_table(rows: Sequence[Row], *keys: str) -> Table:
    """Make the table of a chart's numbers, with the columns of a place's table."""
    columns = [BY_KEY[key] for key in ("title", "precision", *keys)]
    return table_of("The numbers", [Column(c.heading, c.text, c.number) for c in columns], rows)


def left_out(rows: Sequence[Row], shown: Sequence[Row]) -> str:
    """Name the rows that a chart of accuracy leaves out, and say why; empty if there are none."""
    why: dict[str, list[str]] = {}
    for row in rows:
        if row not in shown:
            why.setdefault(_reason(row), []).append(full_name(row.title, row.precision))
    found = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in why.items())
    return f" Left out: {found}." if found else ""


def _reason(row: Row) -> str:
    if row.weights_origin == "random":
        return "random weights have no accuracy"
    if row.f1 is None:
        return "no accuracy"
    return "no time" if row.p50_ms is None else "no such number"
