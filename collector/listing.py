"""Lists for a terminal: runs, and what was rejected."""

from collections.abc import Iterable, Sequence
from io import StringIO

from collector.report.plain import plain
from collector.runs import all_runs
from collector.store import Store


def runs(store: Store) -> str:
    """One line a run, in the order in which the collector heard of them."""
    return _listing(
        ("run", "device", "hardware", "model", "precision", "questions", "answers", "state", "started"),
        (
            (
                run.run_id,
                run.device_id,
                run.device.hardware_class,
                run.bundle.model,
                run.bundle.precision,
                run.questions_name,
                f"{run.answers}/{run.questions_selected}",
                run.state if run.reason in {None, ""} else f"{run.state}: {run.reason}",
                run.started_at[:19],
            )
            for run in all_runs(store)
        ),
        "no run has been received yet",
    )


def rejected(store: Store) -> str:
    """One line a rejected message and reason, the latest first."""
    return _listing(
        ("last", "times", "bytes", "sha256", "source", "reason"),
        (
            (row[0][:19], str(row[1]), str(row[2]), row[3][:12], row[4], row[5])
            for row in store.tuples(
                "SELECT last_received_at, times, bytes, sha256, source, reason FROM rejected "
                "ORDER BY last_received_at DESC"
            )
        ),
        "nothing was rejected",
    )


def _listing(headings: Sequence[str], rows: Iterable[Sequence[str]], empty: str) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, header_style="")
    for heading in headings:
        grid.add_column(heading, no_wrap=True)
    for row in rows:
        grid.add_row(*(Text(plain(cell)) for cell in row))
    if not grid.row_count:
        return f"{empty}\n"
    out = StringIO()
    Console(file=out, width=10_000, emoji=False).print(grid)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
