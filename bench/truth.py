"""Whether the statements of the report keep their word, in simulations whose truth is known.

    python -m bench.truth --quick

Every situation is drawn many times, and the product's own functions say what the report would say. The table
shows how often this was right, with the Monte-Carlo error, and how often it has to be; two Monte-Carlo errors
are allowed. The command ends with status 1 if a line does not hold.
"""

from collections.abc import Callable, Iterator
from typing import Final

import click

from bench.commandline.options import command, count
from bench.simulations import accuracy, labels, server, suggestion, time
from bench.simulations.cell import HEAD, Cell

_PARTS: Final[dict[str, Callable[[int, int], Iterator[Cell]]]] = {
    "time": time.cells,
    "accuracy": accuracy.cells,
    "labels": labels.cells,
    "server": server.cells,
    "suggestion": suggestion.cells,
}
_QUICK_DRAWS: Final = 200


@command
@count("--draws", 4000, "Draws of each situation.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the random draws.")
@click.option(
    "--quick", is_flag=True, help=f"Draw each situation {_QUICK_DRAWS} times: ends within a minute."
)
@click.option(
    "--only", type=click.Choice([*_PARTS]), multiple=True, help="A part; repeat it for more. [default: all]"
)
def main(draws: int, seed: int, quick: bool, only: tuple[str, ...]) -> None:
    """Print a Markdown table of how often each statement of the report is right."""
    draws = min(draws, _QUICK_DRAWS) if quick else draws
    broken = 0
    print(f"{draws:,} draws, seed {seed}\n")
    print(HEAD)
    for part in only or _PARTS:
        for cell in _PARTS[part](draws, seed):
            print(cell.row, flush=True)
            broken += not cell.holds
    if broken:
        raise SystemExit(f"bench: {broken} statements do not keep their word; the lines say BROKEN")


if __name__ == "__main__":
    main()
