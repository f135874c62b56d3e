"""Turns what the library rich draws into text."""

from collections.abc import Iterable
from io import StringIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import RenderableType

_UNLIMITED: Final = 100_000


def console_text(parts: "Iterable[RenderableType]", width: int | None, *, colour: bool = False) -> str:
    """Draw parts below each other, without spaces at the ends of lines.

    Args:
        parts: texts and tables; each starts on a new line.
        width: columns of the terminal; None for no limit.
        colour: whether to emphasise with ANSI escapes.
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
