"""Whether the statements of the report keep their word, in simulations whose truth is known.

    python -m bench.truth --quick

Every situation is drawn many times, and the product's own functions say what the report would say. The table
shows how often this was right, with the Monte-Carlo error, and how often it has to be; two Monte-Carlo errors
are allowed. A second table sums up the situations of each statement. The command ends with status 1 if a line
does not hold, unless there are too few draws to tell.
"""

from collections.abc import Callable, Iterator
from typing import Final

import click

from bench.commandline.options import command, count
from bench.simulations import accuracy, labels, server, suggestion, time, transfer
from bench.simulations.cell import HEAD, SUMMARY_HEAD, Cell, summary

PARTS: Final[dict[str, Callable[[int, int], Iterator[Cell]]]] = {
    "time": time.cells,
    "accuracy": accuracy.cells,
    "transfer": transfer.cells,
    "labels": labels.cells,
    "server": server.cells,
    "suggestion": suggestion.cells,
}
QUICK_DRAWS: Final = 100


@command
@count("--draws", 4000, "Draws of each situation.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the random draws.")
@click.option("--quick", is_flag=True, help=f"Draw each situation {QUICK_DRAWS} times: ends within a minute.")
@click.option(
    "--only", type=click.Choice([*PARTS]), multiple=True, help="A part; repeat it for more. [default: all]"
)
def main(draws: int, seed: int, quick: bool, only: tuple[str, ...]) -> None:
    """Print a Markdown table of how often each statement of the report is right."""
    draws = min(draws, QUICK_DRAWS) if quick else draws
    broken = 0
    for part in only or PARTS:
        print(f"{part}: {draws:,} draws of each situation, or of some a part of them; seed {seed}\n\n{HEAD}")
        cells = []
        for cell in PARTS[part](draws, seed):
            print(cell.row, flush=True)
            cells.append(cell)
        print("\nIn sum:\n", SUMMARY_HEAD, *summary(cells), "", sep="\n")
        broken += sum(not cell.holds for cell in cells)
    if broken and draws >= QUICK_DRAWS:
        raise SystemExit(f"bench: {broken} lines do not hold: they are marked BROKEN")


if __name__ == "__main__":
    main()
