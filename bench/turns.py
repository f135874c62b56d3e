"""How much narrower the intervals of speed-ups are if bundles have several turns in a round.

    python -m bench.turns BUNDLE BUNDLE...

`agent run` measures the bundles with one turn in a round, and then with several, again and again. The
speed-ups of each command are those of a report of its own.
"""

import json
import math
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click

from agent.running.runs import ONE_AFTER_THE_OTHER
from bench.commandline import options
from bench.commandline.options import command
from contract.messages import Batch, decode_message
from contract.records import Record, RoundStarted, RunStarted
from demo.programs import run


class SpeedUp(NamedTuple):
    """A speed-up as the report has it."""

    ratio: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """How far the interval's end is from its middle, as a part of it."""
        return math.sqrt(self.high / self.low) - 1


@command
@click.argument("bundles", metavar="BUNDLE BUNDLE...", nargs=-1, required=True, type=options.FOLDER)
@options.questions
@click.option("--limit", metavar="N[,NAME=N]...", default="30", show_default=True, help="As of `agent run`.")
@options.count("--rounds", 5, "Rounds of a command.", least=2)
@options.count("--turns", 6, "Turns in a round, besides one.", least=2)
@options.count("--repeats", 3, "Commands with each number of turns.")
def main(
    bundles: tuple[Path, ...], questions: Path, limit: str, rounds: int, turns: int, repeats: int
) -> None:
    """Print a Markdown table of half-widths, and of the ratio of what both numbers of turns found."""
    asked = ("--questions", questions, "--limit", limit, "--rounds", rounds)
    found: dict[int, list[dict[str, SpeedUp]]] = {1: [], turns: []}
    for repeat in range(repeats):
        for count in sorted(found, reverse=repeat % 2 == 1):
            found[count].append(_measured((*bundles, *asked, "--turns", count), count))
    print(f"{repeats} commands each, {rounds} rounds, questions {limit} of {questions.name}\n")
    print(f"| bundle | speed-up, {turns} turns over 1 | half-width, 1 turn | {turns} turns |")
    print("|---|--:|--:|--:|")
    for name in found[1][0]:
        one, several = ([of[name] for of in commands] for commands in found.values())
        ratio = median(speed_up.ratio for speed_up in several) / median(speed_up.ratio for speed_up in one)
        print(f"| {name} | {ratio:.3f} | {_widths(one)} | {_widths(several)} |")


def _widths(speed_ups: list[SpeedUp]) -> str:
    widths = [100 * speed_up.half_width for speed_up in speed_ups]
    return f"{median(widths):.1f} % ({min(widths):.1f} to {max(widths):.1f})"


def _measured(arguments: tuple[object, ...], turns: int) -> dict[str, SpeedUp]:
    """The speed-ups of the bundles of one command, without that of the baseline.

    Raises:
        SystemExit: there were fewer turns in a round.
        DemoError: a program failed.
    """
    with TemporaryDirectory(prefix="distilbench-turns-") as folder:
        results, database = Path(folder, "results.jsonl"), Path(folder, "results.db")
        run("agent", "run", *map(str, arguments), "--to-file", results, "--state-dir", Path(folder, "state"))
        records = [record for line in results.open("rb") for record in _records(line)]
        taken = {record.settings.turns for record in records if isinstance(record, RunStarted)}
        remarks = {text for record in records if isinstance(record, RoundStarted) for text in record.remarks}
        if taken != {turns} or any(text.startswith(ONE_AFTER_THE_OTHER) for text in remarks):
            raise SystemExit(f"bench: {turns} turns in a round were asked for, and not taken")
        run("collector", "ingest", results, "--db", database)
        report = json.loads(run("collector", "report", "--db", database, "--format", "json"))
    return {
        f"{row['title']} {row['precision']}": SpeedUp(row["speed_up"], *row["intervals"]["speed_up"])
        for row in report["rows"]
        if row["speed_up_p_value"] is not None
    }


def _records(line: bytes) -> tuple[Record, ...]:
    batch = decode_message(line)
    return batch.records if isinstance(batch, Batch) else ()


if __name__ == "__main__":
    main()
