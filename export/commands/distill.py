"""The command that makes a student."""

from pathlib import Path
from typing import Any

import click

from contract.codec import printable
from export.commands.options import base_option

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_COUNT = click.IntRange(min=1)


@click.command()
@click.option(
    "--teacher",
    required=True,
    metavar="ID|DIR|ADAPTER",
    help="A trained reader: a name of `list`, an id of the hub, or a transformers or PEFT adapter folder.",
)
@base_option
@click.option(
    "--student",
    required=True,
    metavar="NAME|layers=N,hidden=N,heads=N,intermediate=N|ID|DIR",
    help="A shape of `list`, numbers (the teacher's where left out), or a model to begin with.",
)
@click.option(
    "--questions",
    type=_FILE,
    multiple=True,
    required=True,
    help="SQuAD v1.1 file to learn from; may be given again. Without gold answers, the teacher's serve.",
)
@click.option(
    "--held-out",
    default="0.2",
    show_default=True,
    metavar="FILE|SHARE",
    help="Questions to score on: a file, or a share of the others, split off by article.",
)
@click.option("--split-seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of that split.")
@click.option("--to", type=_FOLDER, required=True, help="The student: a transformers folder for `build`.")
@click.option(
    "--loss",
    "losses",
    default="minilm",
    show_default=True,
    metavar="PRESET|NAME=WEIGHT,...",
    help="distilbert, tinybert or minilm, or a sum of hard, soft, hidden, attention, cosine, self_attention, "
    "values and your own module:function.",
)
@click.option(
    "--temperature",
    type=click.FloatRange(min=0, min_open=True),
    default=2.0,
    show_default=True,
    help="Of soft.",
)
@click.option(
    "--layers-from",
    metavar="N,N,...",
    help="The teacher's layer for each of the student's. [default: evenly spaced, the last included]",
)
@click.option(
    "--begin",
    type=click.Choice(["teacher", "base"]),
    help="Where a shape of `list` begins. [default: teacher if equally wide, else its base model]",
)
@click.option("--name", help="What results are grouped by. [default: made of teacher and shape]")
@click.option("--title", help="What people read. [default: the name]")
@click.option("--epochs", type=click.FloatRange(min=0, min_open=True), default=3.0, show_default=True)
@click.option("--steps", type=_COUNT, help="Instead of epochs.")
@click.option("--batch", type=_COUNT, default=16, show_default=True, help="Windows of a step.")
@click.option(
    "--accumulate", type=_COUNT, default=1, show_default=True, help="Parts of a batch, to save memory."
)
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), default=3e-4, show_default=True)
@click.option(
    "--warm-up", type=click.FloatRange(0, 1), default=0.1, show_default=True, help="Share of the steps."
)
@click.option("--weight-decay", type=click.FloatRange(min=0), default=0.01, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of the training.")
@click.option("--evaluate-every", type=_COUNT, metavar="STEPS", help="[default: eight times in all]")
@click.option(
    "--patience",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Evaluations without a better F1 after which to stop; 0 for never.",
)
@click.option(
    "--cache", type=_FOLDER, help="Keep there what the teacher says, for the next epoch and student."
)
@click.option("--resume", is_flag=True, help="Go on with a training that was killed, with the same options.")
def distill(to: Path, **options: Any) -> None:
    """Train a smaller reader on what a larger one says, and print its folder."""
    from export.distillation.request import DistilRequest
    from export.distillation.run import distil

    made = distil(DistilRequest(**options), to, lambda line: click.echo(printable(line), err=True))
    ours = f"EM {made.best.exact_match:.1f}, F1 {made.best.f1:.1f}"
    click.echo(printable(f"held-out questions: {ours}; its teacher {made.teacher_scores}"), err=True)
    click.echo(to)
