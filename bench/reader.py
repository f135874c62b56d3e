"""How fast our reader is, compared with Hugging Face's pipelines and the bare network.

    python -m bench.reader --limit 600

All of them have the same weights and the same number of threads, and answer the same questions in one run,
taking turns: a block of questions each, in an order that rotates, with a pause until the threads of the one
before have stopped spinning. So whatever disturbs the machine disturbs them alike.
"""

import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import click
import numpy as np

from agent.planning.selection import select
from bench.commandline import needed, options
from bench.commandline.options import command
from bench.races.contestants import Entry, TimedAnswer, compare
from bench.races.medians import speed_up
from collector.statistics.percentiles import percentile, percentile_interval
from contract.bundle import MODEL_FILE, Precision
from contract.questions import decode_questions
from export.building.build import BuildRequest, build
from export.models import load as pytorch
from export.models.resolve import find
from export.models.sources import from_folder

PRECISIONS: Final[tuple[Precision, ...]] = ("fp32", "int8")


@command
@click.option(
    "--model",
    "name",
    default="minilm-l6",
    show_default=True,
    help="A model of the catalog, or a checkpoint's folder.",
)
@click.option(
    "--weights",
    type=options.FOLDER,
    default=Path("demo/reader"),
    show_default=True,
    help="A checkpoint's folder, or an adapter's.",
)
@click.option(
    "--bundles",
    type=options.NEW_FOLDER,
    default=Path("demo-results/bundles"),
    show_default=True,
    help="Folder of bundles; those of these weights are used, and missing ones are built.",
)
@click.option(
    "--precision",
    "precisions",
    type=click.Choice(PRECISIONS),
    multiple=True,
    default=PRECISIONS,
    show_default=True,
    help="Precision of the bundles; repeat it for more.",
)
@options.questions
@options.limit(600)
@options.threads(2)
def main(
    name: str,
    weights: Path,
    bundles: Path,
    precisions: tuple[Precision, ...],
    questions: Path,
    limit: int,
    threads: int,
) -> None:
    """Print a Markdown table of times, and of ratios with 95 % intervals."""
    needed.packages("torch", "transformers", "optimum.onnxruntime")
    asked = select(decode_questions(questions.read_bytes()).questions, limit, seed=0)
    request = BuildRequest(model=find(name).model, weights=str(weights), precisions=precisions)
    folders = dict(zip(precisions, build(request, bundles, _say), strict=True))
    with TemporaryDirectory() as scratch:
        entries = _entries(request, folders, Path(scratch), threads)
        compared = compare(entries, asked)
    _print(
        entries,
        compared.answers,
        f"{len(asked)} questions of {questions.name}, {threads} threads, load {compared.load:.1f} before",
    )


def _entries(
    request: BuildRequest, folders: dict[Precision, Path], scratch: Path, threads: int
) -> list[Entry]:
    checkpoint = _checkpoint(request, scratch / "pytorch")
    entries = [Entry("pipeline, PyTorch", "fp32", checkpoint, threads)]
    for precision, bundle in folders.items():
        exported = _checkpoint(request, scratch / precision)
        (exported / "model.safetensors").unlink()
        (exported / MODEL_FILE).symlink_to((bundle / MODEL_FILE).absolute())
        entries += [
            Entry("pipeline, onnxruntime", precision, exported, threads),
            Entry("our reader", precision, bundle, threads),
            Entry("bare network", precision, bundle, threads),
        ]
    return entries


def _checkpoint(request: BuildRequest, folder: Path) -> Path:
    """The weights as one folder that transformers loads, an adapter folded in."""
    from transformers import AutoTokenizer

    source = from_folder(Path(request.weights))
    assert source.checkpoint is not None, "a folder has weights"
    network = pytorch.load(request.model, source).network
    network.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(source.checkpoint.location)  # type: ignore[no-untyped-call]  # untyped there
    tokenizer.model_max_length = network.config.max_position_embeddings
    tokenizer.save_pretrained(folder)
    return folder


def _print(entries: list[Entry], answered: list[list[TimedAnswer]], measured: str) -> None:
    texts = [[t.text for t in one] for one in answered]
    times = [np.array([t.ns for t in one]) for one in answered]
    print(f"{measured}\n")
    print("| way | precision | p50 ms | ratio of medians | median of ratios | same answers % |")
    print("|---|---|--:|--:|--:|--:|")
    for place, entry in enumerate(entries):
        medians = speed_up(times[0], times[place])
        assert medians is not None, "they answered the same questions"
        ratios = times[0] / times[place]
        within = percentile_interval(ratios, 0.5) or (float(ratios.min()), float(ratios.max()))
        same = np.mean([ours == theirs for ours, theirs in zip(texts[place], texts[0], strict=True)])
        agree = "" if entry.way == "bare network" else f"{100 * same:.1f}"
        print(
            f"| {entry.way} | {entry.precision} | {percentile(times[place], 0.5) / 1e6:.2f} "
            f"| {medians.ratio:.2f} ({medians.low:.2f}-{medians.high:.2f}) "
            f"| {median(ratios):.2f} ({within[0]:.2f}-{within[1]:.2f}) | {agree} |"
        )
    by_entry = {(entry.way, entry.precision): taken for entry, taken in zip(entries, times, strict=True)}
    for precision in dict.fromkeys(entry.precision for entry in entries if entry.way == "our reader"):
        more = by_entry["our reader", precision] - by_entry["bare network", precision]
        print(
            f"\n{precision}: our reader takes {np.median(more) / 1e6:.2f} ms more than the network (median)."
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
