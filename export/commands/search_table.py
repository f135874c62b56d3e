"""The table of the recipes that a search tried."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from contract.codec import printable

if TYPE_CHECKING:
    from export.recipes.search import Tried


def print_search(tried: "Sequence[Tried]") -> None:
    """Print all candidates to standard error: first the kept one, then by questions answered and speed."""
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("int8 recipe", no_wrap=True)
    for title in ("questions", "same answers %", "F1 loss", "speed-up", "95 % interval", "MB"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("outcome", overflow="fold")
    for each in tried:
        loss = "-" if each.f1_loss is None else f"{each.f1_loss:+.2f} ± {each.f1_loss_error or 0:.2f}"
        ran = each.speed_up is not None
        table.add_row(
            each.name,
            str(each.questions) if ran else "-",
            "-" if each.agreement is None else f"{100 * each.agreement:.1f}",
            loss,
            f"{each.speed_up:.2f}x" if ran else "-",
            f"{each.speed_up_low:.2f} … {each.speed_up_high:.2f}" if ran else "-",
            f"{each.bytes / 1e6:.0f}" if ran else "-",
            escape(printable(each.outcome)),
            style="bold" if each.outcome == "kept" else None,
        )
    console = Console(stderr=True)
    if not console.is_terminal:
        console.width = 160  # a pipe has no width to wrap to
    console.print(table)
