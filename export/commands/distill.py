"""The command that trains a student."""

from pathlib import Path
from typing import Any

import click

from commandline.help import Command, option_group
from commandline.program import messages
from contract.codec import printable
from export.commands.options import NAMES, ExistingPath, base_option

_FILE = ExistingPath(dir_okay=False)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_COUNT = click.IntRange(min=1)


@click.command(
    cls=Command,
    examples="""
    # A student with 4 of its teacher's layers
    export-models distill --teacher deepset/minilm-uncased-squad2 \\
        --student layers=4 --questions train-v1.1.json --to students/layers-4

    # Its bundles
    export-models build ./students/layers-4 --precision fp32,int8 --to bundles
    """,
)
@option_group(
    "Teacher and student",
    click.option(
        "--teacher",
        required=True,
        metavar="ID|DIR|NAME",
        shell_complete=NAMES,
        help="Trained model to learn from: an id on the Hugging Face hub, a transformers or PEFT adapter "
        "folder, or a name of `list`.",
    ),
    base_option,
    click.option(
        "--student",
        required=True,
        metavar="SHAPE|NAME|ID|DIR",
        shell_complete=NAMES,
        help="Model to train: numbers such as layers=4,hidden=256,heads=4,intermediate=1024 (the "
        "teacher's are used for those left out), the shape of a name of `list`, or a model to start from.",
    ),
    click.option(
        "--begin",
        type=click.Choice(["teacher", "base"]),
        help="First weights of a student with the shape of a name of `list`: those of the teacher, or of the "
        "base model that the catalog names. "
        "[default: teacher if both are equally wide, otherwise base]",
    ),
    click.option(
        "--layers-from",
        metavar="N,N,...",
        help="Layers of the teacher that the student's layers start from and learn from, counted from 1. "
        "[default: evenly spaced, including the last]",
    ),
    click.option(
        "--adapter",
        metavar="RANK",
        type=_COUNT,
        help="Train and write the student as a LoRA adapter of this rank on layers of the teacher's base, a "
        "few megabytes. [default: train and write all weights]",
    ),
    click.option(
        "--name",
        metavar="NAME",
        help="Name that results are grouped by. [default: made from teacher and shape]",
    ),
    click.option("--title", metavar="TEXT", help="Name in reports. [default: --name]"),
    click.option(
        "--to",
        metavar="DIR",
        type=_FOLDER,
        required=True,
        help="Folder for the student, in the layout of transformers; `build` accepts it.",
    ),
)
@option_group(
    "Questions",
    click.option(
        "--questions",
        type=_FILE,
        multiple=True,
        required=True,
        help="SQuAD v1.1 file to learn from. May be given several times. Questions without gold answers are "
        "learned from the teacher alone.",
    ),
    click.option(
        "--held-out",
        default="0.2",
        show_default=True,
        metavar="FILE|SHARE",
        help="Questions to score the student on: a file, or a share of --questions between 0 and 1, which is "
        "split off by whole articles.",
    ),
    click.option(
        "--split-seed",
        metavar="N",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Seed for choosing the held-out articles.",
    ),
    click.option(
        "--cache",
        metavar="DIR",
        type=_FOLDER,
        help="Folder that keeps the teacher's outputs for later epochs and students. [default: not kept]",
    ),
)
@option_group(
    "Losses",
    click.option(
        "--loss",
        "losses",
        default="minilm",
        show_default=True,
        metavar="PRESET|NAME=WEIGHT,...",
        help="Preset distilbert, tinybert or minilm, or a weighted sum of hard, soft, hidden, attention, "
        "cosine, self_attention, values and functions of your own (module:function).",
    ),
    click.option(
        "--temperature",
        metavar="T",
        type=click.FloatRange(min=0, min_open=True),
        default=2.0,
        show_default=True,
        help="Temperature of the soft loss.",
    ),
)
@option_group(
    "Training",
    click.option(
        "--epochs",
        metavar="N",
        type=click.FloatRange(min=0, min_open=True),
        default=3.0,
        show_default=True,
        help="Learn from all questions N times; N may be a fraction.",
    ),
    click.option("--steps", metavar="N", type=_COUNT, help="Train for N steps instead of --epochs."),
    click.option(
        "--batch",
        metavar="N",
        type=_COUNT,
        default=16,
        show_default=True,
        help="Use N windows of text in each step.",
    ),
    click.option(
        "--accumulate",
        metavar="N",
        type=_COUNT,
        default=1,
        show_default=True,
        help="Compute each step in N parts, to save memory.",
    ),
    click.option(
        "--learning-rate",
        metavar="RATE",
        type=click.FloatRange(min=0, min_open=True),
        default=3e-4,
        show_default=True,
        help="Highest learning rate of AdamW.",
    ),
    click.option(
        "--warm-up",
        metavar="SHARE",
        type=click.FloatRange(0, 1),
        default=0.1,
        show_default=True,
        help="Share of the steps, between 0 and 1, over which the learning rate rises.",
    ),
    click.option(
        "--weight-decay",
        metavar="RATE",
        type=click.FloatRange(min=0),
        default=0.01,
        show_default=True,
        help="Weight decay of AdamW.",
    ),
    click.option(
        "--seed",
        metavar="N",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Seed for the order of the questions and for random weights.",
    ),
    click.option(
        "--evaluate-every",
        type=_COUNT,
        metavar="STEPS",
        help="Score the student on the held-out questions, and save the training, after every STEPS steps. "
        "[default: eight evaluations in total]",
    ),
    click.option(
        "--patience",
        metavar="N",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Stop after N evaluations without a better F1; 0 means never.",
    ),
    click.option(
        "--resume", is_flag=True, help="Resume an interrupted training; give the same options as before."
    ),
)
@messages.message_options
def distill(to: Path, **options: Any) -> None:
    """Train a smaller model from a larger one (distillation).

    The smaller model is the student, the larger one its teacher. Keeps the weights of the best evaluation,
    and prints the student's folder.
    """
    from export.distillation.request import DistilRequest
    from export.distillation.run import distil

    made = distil(DistilRequest(**options), to, lambda line: messages.say(printable(line)))
    scores = f"EM {made.best.exact_match:.1f}, F1 {made.best.f1:.1f}"
    messages.say(printable(f"held-out questions: student {scores}; teacher {made.teacher_scores}"))
    click.echo(to)
