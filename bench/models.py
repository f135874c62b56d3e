"""How much faster each model is than BERT-Large, next to the ratio of their arithmetic.

    python -m bench.models --bundles FOLDER [NAME...]

The catalog's models with random weights, in fp32 and int8, take turns on each question, in an order that
rotates. Arithmetic is the multiply-adds of the linear layers and of attention, at the lengths of the
questions. Missing bundles are built first. After Ctrl-C or SIGTERM, the table is of the questions that all
models have answered by then.
"""

import os
import platform
from pathlib import Path
from typing import NamedTuple

import click

from bench.commandline import options
from bench.commandline.options import command
from bench.races.interruptible import race, runner, say
from contract.bundle import MODEL_FILE, Precision
from contract.questions import decode_questions
from export.answering.paired_timing import Lap, speed_up
from export.answering.verification import chosen
from export.building.build import BuildRequest, build
from export.graph import trace as graph
from export.graph.attention import OPERATOR
from export.graph.index import Seen, constant, look
from export.graph.join_qkv import PACKED
from export.models.catalog import MODELS
from export.models.resolve import find
from export.quantisation.int8 import linears
from export.quantisation.targets import this_machine

_PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")


class Work(NamedTuple):
    """What decides the multiply-adds of a network."""

    weights: int
    """Weights of linear layers: each is used once per token."""
    queries: int
    """Width of all layers' queries together: each is used twice per pair of tokens."""

    def multiply_adds(self, lengths: list[int]) -> int:
        """Multiply-adds for windows of these lengths in tokens."""
        return sum(self.weights * tokens + 2 * self.queries * tokens**2 for tokens in lengths)


@command
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--bundles", required=True, type=options.NEW_FOLDER, help="Folder of bundles; missing ones are built."
)
@options.questions
@options.limit(24)
@options.threads(2)
def main(names: tuple[str, ...], bundles: Path, questions: Path, limit: int, threads: int) -> None:
    """Print a Markdown table of models, by default all of the catalog; the first is the reference.

    NAME is a model of the catalog, or a checkpoint's folder, of which only the sizes are used.
    """
    asked = chosen(decode_questions(questions.read_bytes()), limit).questions
    models = [find(name).model for name in names] or list(MODELS)
    folders = [
        build(BuildRequest(model=model, weights="random", precisions=_PRECISIONS, verify=0), bundles, say)
        for model in models
    ]
    work = [_work(fp32 / MODEL_FILE) for fp32, _ in folders]
    runners = [runner(folder, threads) for pair in folders for folder in pair]
    load_average = os.getloadavg()[0]
    asked, laps, of = race(runners, asked)
    lengths = [window.in_context.size for question in asked for window in runners[0].cutter.windows(question)]
    print(
        f"{of} of {questions.name}, {sum(lengths) / len(lengths):.0f} tokens a window, "
        f"{threads} threads, {this_machine()} ({platform.machine()}), load {load_average:.1f} before\n"
    )
    print(
        "| model | multiply-adds G | arithmetic, times less | fp32 p50 ms | fp32, times as fast "
        "| int8 p50 ms | int8, times as fast | int8 over its fp32 |"
    )
    print("|---|--:|--:|--:|--:|--:|--:|--:|")
    for place, model in enumerate(models):
        fp32, int8 = laps[2 * place : 2 * place + 2]
        ours, largest = (each.multiply_adds(lengths) for each in (work[place], work[0]))
        print(
            f"| {model.title} | {ours / len(asked) / 1e9:.2f} | {largest / ours:.1f} "
            f"| {fp32.median_seconds * 1e3:.1f} | {_times(laps[0], fp32)} "
            f"| {int8.median_seconds * 1e3:.1f} | {_times(laps[0], int8)} | {_times(fp32, int8)} |"
        )


def _times(reference: Lap, other: Lap) -> str:
    if other is reference:
        return "1"
    found = speed_up(reference, other)
    return f"{found.paired:.2f} ({found.low:.2f} … {found.high:.2f})"


def _work(path: Path) -> Work:
    network = graph.load(path).graph
    seen = look(network)
    shapes = {tensor.name: tuple(tensor.dims) for tensor in network.initializer}
    layers = [node for nodes in linears(network).values() for node in nodes]
    packed = [node for node in network.node if node.op_type == PACKED]
    return Work(
        weights=sum(shapes[node.input[1]][0] * shapes[node.input[1]][1] for node in layers + packed),
        queries=sum(shapes[node.input[1]][1] // 3 for node in packed)
        + sum(_width(seen, node.input[0]) for node in network.node if node.op_type == OPERATOR),
    )


def _width(seen: Seen, queries: str) -> int:
    """Width of one layer's queries: from the linear layer that makes them, alone or with keys and values."""
    from onnx import numpy_helper

    maker = seen.makers[queries]
    if maker.op_type == "Split":
        widths = numpy_helper.to_array(seen.weights[maker.input[1]])
        return int(widths[list(maker.output).index(queries)])
    return int(seen.weights[constant(seen, maker)].dims[0])


if __name__ == "__main__":
    main()
