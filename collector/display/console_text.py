"""What rich draws, as text."""

from collections.abc import Iterable
from io import StringIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import RenderableType

_UNLIMITED: Final = 100_000


def console_text(parts: "Iterable[RenderableType]", width: int | None, *, colour: bool = False) -> str:
    """Draw one part after the other, without spaces at the ends of lines.

    Args:
        parts: texts and tables, each on lines of its own.
        width: columns of the terminal; None for as wide as it takes.
        colour: emphasise with ANSI escapes.
    """
    from rich.console import Console

    out = StringIO()
    console = Console(
        file=out,
        width=width or _UNLIMITED,
        force_terminal=colour,
        no_color=not colour,
        emoji=False,
        highlight=False,
    )
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"
