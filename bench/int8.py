"""`python -m bench.int8 BUNDLE...`: what quantised bundles of one reader cost in answers and gain in time.

The first bundle is the reference. Every bundle answers every question; the bundles take turns within a
question, in an order that rotates, so that whatever disturbs the machine disturbs them alike. A question's
ratio is the reference's time over the bundle's in the same turn. Times are of the network alone.
"""

import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import click

from contract.bundle import MODEL_FILE, TOKENIZER_FILE, Manifest, decode_manifest
from contract.questions import Question, decode_questions
from export.answers import Cutter, Network, answer, onnx_network
from export.verification import Reading, chosen, compare, f1, read


class Contestant(NamedTuple):
    """A bundle under comparison."""

    name: str
    manifest: Manifest
    network: Network
    cutter: Cutter


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument(
    "bundles", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path)
)
@click.option("--questions", type=click.Path(exists=True, path_type=Path), required=True)
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True)
@click.option("--threads", type=click.IntRange(min=1), default=2, show_default=True)
def main(bundles: tuple[Path, ...], questions: Path, limit: int, threads: int) -> None:
    """Print a Markdown table of agreement, F1, size and paired speed-ups."""
    asked = chosen(decode_questions(questions.read_bytes()), limit).questions
    contestants = [_contestant(bundle, threads) for bundle in bundles]
    load = os.getloadavg()[0]
    readings, times = _measure(contestants, asked)
    print(f"{len(asked)} questions of {questions.name}, {threads} threads, load {load:.1f} before\n")
    print("| bundle | same answers % | F1 % | F1 loss | p50 ms | ratio of medians | median of ratios | MB |")
    print("|---|---|---|---|---|---|---|---|")
    for place, contestant in enumerate(contestants):
        found = compare(asked, readings[0], readings[place])
        score = 100 * sum(f1(r.text, q) for r, q in zip(readings[place], asked, strict=True)) / len(asked)
        paired = median(ours / theirs for ours, theirs in zip(times[0], times[place], strict=True))
        megabytes = contestant.manifest.files[MODEL_FILE].bytes / 1e6
        print(
            f"| {contestant.name} | {100 * found.agreement:.1f} | {score:.2f} | {found.f1_loss:+.2f} "
            f"| {median(times[place]) * 1e3:.2f} | {median(times[0]) / median(times[place]):.2f} "
            f"| {paired:.2f} | {megabytes:.0f} |"
        )


def _contestant(bundle: Path, threads: int) -> Contestant:
    manifest = decode_manifest((bundle / "manifest.json").read_bytes())
    cutter = Cutter((bundle / TOKENIZER_FILE).read_text(encoding="utf-8"), manifest.inputs)
    return Contestant(bundle.name, manifest, onnx_network(bundle / MODEL_FILE, threads), cutter)


def _measure(
    contestants: list[Contestant], asked: tuple[Question, ...]
) -> tuple[list[list[Reading]], list[list[float]]]:
    for contestant in contestants:  # warm
        read(contestant.network, contestant.cutter, asked[:5])
    readings: list[list[Reading]] = [[] for _ in contestants]
    times: list[list[float]] = [[] for _ in contestants]
    for turn, question in enumerate(asked):
        for offset in range(len(contestants)):
            place = (turn + offset) % len(contestants)
            contestant = contestants[place]
            windows = contestant.cutter.windows(question)
            begun = time.perf_counter()
            logits = [contestant.network(window) for window in windows]
            times[place].append(time.perf_counter() - begun)
            readings[place].append(Reading(answer(question.context, windows, logits), logits))
    return readings, times


if __name__ == "__main__":
    sys.exit(main())
