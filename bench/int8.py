"""What each int8 recipe of one reader costs in answers and gains in time.

    python -m bench.int8 [BUNDLE...] --questions FILE

Every bundle answers every question; the bundles take turns within a question, in an order that rotates, so
that whatever disturbs the machine disturbs them alike. A question's ratio is the reference's time over the
bundle's in the same turn; intervals are 95 % percentile bootstraps over questions. Times are of the network
alone. Without bundles, the recipes of `export.recipes.candidates` are built from `--weights` first. After
Ctrl-C or SIGTERM, the table is of the questions that all bundles have answered by then.
"""

import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from bench.commandline import options
from bench.commandline.options import command
from bench.races.interruptible import race, runner, say
from contract.bundle import MODEL_FILE
from contract.questions import Question, decode_questions
from export.answering.inference import Cutter, onnx_network
from export.answering.paired_timing import Lap, Runner, mean_interval, speed_up
from export.answering.verification import chosen, compare, f1_losses, mean_f1
from export.graph import trace as graph
from export.models import resolve as names
from export.models import sources as weights
from export.models.load import load
from export.quantisation import calibration
from export.quantisation.targets import this_machine
from export.questions import question_file
from export.recipes import recipe as recipes
from export.recipes.candidates import CANDIDATES
from export.recipes.recipe import Ingredients, Recipe


class Contestant(NamedTuple):
    """A graph under comparison; the first is the reference."""

    name: str
    runner: Runner
    size: int


@command
@click.argument("bundles", metavar="[BUNDLE]...", nargs=-1, type=options.FOLDER)
@options.questions
@click.option(
    "--weights",
    "folder",
    default=Path("demo/reader"),
    show_default=True,
    type=options.FOLDER,
    help="Checkpoint to build recipes from.",
)
@click.option(
    "--recipe", "wanted", multiple=True, help="Name of a recipe; repeat it for more. [default: all]"
)
@options.limit(1000)
@options.threads(2)
def main(
    bundles: tuple[Path, ...],
    questions: Path,
    folder: Path,
    wanted: tuple[str, ...],
    limit: int,
    threads: int,
) -> None:
    """Print a Markdown table of agreement, F1, size and paired speed-ups."""
    asked = chosen(decode_questions(questions.read_bytes()), limit).questions
    with tempfile.TemporaryDirectory() as scratch:
        if bundles:
            contestants = [
                Contestant(bundle.name, runner(bundle, threads), (bundle / MODEL_FILE).stat().st_size)
                for bundle in bundles
            ]
        else:
            contestants = list(_built(folder, wanted, threads, Path(scratch)))
        load_average = os.getloadavg()[0]
        asked, laps, of = race([contestant.runner for contestant in contestants], asked)
    print(
        f"{of} of {questions.name}, {threads} threads, {this_machine()} "
        f"({platform.machine()}), load {load_average:.1f} before\n"
    )
    print("| recipe | same answers % | F1 % | F1 loss | p50 ms | ratio of medians | median of ratios | MB |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for contestant, lap in zip(contestants, laps, strict=True):
        print(_row(contestant, asked, laps[0], lap))


def _row(contestant: Contestant, asked: tuple[Question, ...], reference: Lap, lap: Lap) -> str:
    found = compare(asked, reference.readings, lap.readings)
    losses = [100 * loss for loss in f1_losses(asked, reference.readings, lap.readings)]
    low, high = mean_interval(losses) if losses else (0.0, 0.0)
    loss = "-" if found.f1_loss is None else f"{found.f1_loss:+.2f} ({low:+.2f} … {high:+.2f})"
    times = speed_up(reference, lap)
    return (
        f"| {contestant.name} | {100 * found.agreement:.1f} | {mean_f1(asked, lap.readings) or 0:.2f} "
        f"| {loss} | {lap.median_seconds * 1e3:.2f} | {times.of_medians:.2f} "
        f"| {times.paired:.2f} ({times.low:.2f} … {times.high:.2f}) | {contestant.size / 1e6:.0f} |"
    )


def _built(folder: Path, wanted: Sequence[str], threads: int, scratch: Path) -> Iterator[Contestant]:
    reader = load(names.find(str(folder.resolve())).model, weights.from_folder(folder))
    traced = scratch / "fp32.onnx"
    inputs = graph.trace(reader, traced)
    cutter = Cutter(reader.tokenizer.to_str(), inputs)
    asked = question_file.questions(None).questions
    seen = calibration.activations(traced, cutter, asked, scratch / "calibrated.onnx")
    given = Ingredients(traced, inputs, reader.architecture, seen, {})
    graphs = {
        "fp32": Recipe(method="plain"),
        "fp32, as built": recipes.recipe("fp32", this_machine()),
        "fp32, fused": Recipe(method="plain", fused=True),
    }
    graphs |= {candidate.name: candidate.recipe for candidate in CANDIDATES}
    for name in wanted:
        if name not in graphs:
            raise click.UsageError(f"there is no recipe {name!r}: choose from {', '.join(graphs)}")
    for place, (name, recipe) in enumerate(graphs.items()):
        if place and wanted and name not in wanted:
            continue
        say(f"recipe {place + 1} of {len(graphs)}, {name}")
        path = traced if not place else scratch / f"{place}.onnx"
        if place:
            recipes.write(recipe, given, path)
        yield Contestant(name, Runner(onnx_network(path, threads), cutter), path.stat().st_size)


if __name__ == "__main__":
    main()
