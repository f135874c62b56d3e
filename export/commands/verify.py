"""The command that verifies a finished bundle."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from commandline.help import Command
from commandline.program.messages import fail
from commandline.program.progress_bar import progress_bars
from commandline.program.streams import print_json_line
from contract.codec import printable
from export.commands.options import ExistingPath, base_option, json_option

if TYPE_CHECKING:
    from commandline.program.progress_bar import Show
    from contract.questions import QuestionFile


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a verification, as `--json` prints it."""

    bundle: str
    precision: str
    against: str
    questions: int
    questions_sha256: str
    same_answers: int
    agreement_percent: float
    f1_percent: float | None
    """Mean F1 of the bundle, in percent; None if no question has a gold answer."""
    reference_f1_percent: float | None
    f1_loss_points: float | None
    largest_logit_difference: float
    failure: str | None
    """Why the bundle fails the limits of `build`; None if it passes."""


@click.command(
    cls=Command,
    examples="""
    export-models verify bundles/minilm-l12-int8
    export-models verify bundles/minilm-l12-int8 --questions dev-v1.1.json \\
        --limit 500
    """,
)
@click.argument("bundle", type=ExistingPath(file_okay=False))
@click.option(
    "--against",
    metavar="DIR",
    type=ExistingPath(file_okay=False),
    help="Compare with this fp32 bundle, or transformers or PEFT adapter folder. [default: the fp32 bundle "
    "next to it, or the weights that its manifest names]",
)
@base_option
@click.option(
    "--questions",
    type=ExistingPath(dir_okay=False),
    help="SQuAD v1.1 file to verify on. [default: 72 questions that come with the program]",
)
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=1),
    default=128,
    show_default=True,
    help="Verify on at most N questions.",
)
@json_option
def verify(
    bundle: Path, against: Path | None, base: Path | None, questions: Path | None, limit: int, as_json: bool
) -> None:
    """Check the files of a bundle, and its answers.

    Compares the answers with those of the model that the bundle was made from. Exits with status 1 if they
    differ more than `build` allows.
    """
    from export.answering.verification import chosen
    from export.questions import question_file

    asked = chosen(question_file.questions(questions), limit)
    with progress_bars() as show:
        outcome = _verify(bundle, against, base, asked, show)
    if as_json:
        print_json_line(outcome)
    else:
        _print(outcome)
    if outcome.failure is not None:
        fail(f"export-models: {printable(outcome.failure)}")
        raise SystemExit(1)


def _verify(
    bundle: Path, against: Path | None, base: Path | None, asked: "QuestionFile", show: "Show"
) -> Verification:
    from contract.bundle import MODEL_FILE, TOKENIZER_FILE
    from export.answering import verification
    from export.answering.inference import Cutter, onnx_network
    from export.building import references
    from export.errors import VerificationFailed
    from export.graph.attention import MASK

    show("loading the reference", 0, None)
    manifest = references.read_bundle(bundle)
    reference = references.find(bundle, manifest, against, base)
    show("loading the reference", 1, 1)
    # The graph of the bundle may have no mask although that of its reference has one.
    inputs = tuple(dict.fromkeys((*manifest.inputs, MASK)))
    cutter = Cutter((bundle / TOKENIZER_FILE).read_text(encoding="utf-8"), inputs, manifest.max_tokens)
    expected = verification.read(
        reference.network, cutter, asked.questions, partial(show, "answers of the reference")
    )
    found = verification.read(
        onnx_network(bundle / MODEL_FILE), cutter, asked.questions, partial(show, "answers of the bundle")
    )
    comparison = verification.compare(asked.questions, expected, found)
    trained = manifest.weights.origin != "random"
    failure = None
    try:
        if manifest.precision == "fp32":
            verification.check_exact(comparison, bundle.name, trained)
        elif trained:
            verification.check_quantised(comparison, bundle.name)
    except VerificationFailed as error:
        failure = str(error)
    return Verification(
        bundle=str(bundle),
        precision=manifest.precision,
        against=reference.name,
        questions=comparison.questions,
        questions_sha256=asked.sha256,
        same_answers=comparison.same,
        agreement_percent=round(100 * comparison.agreement, 2),
        f1_percent=verification.mean_f1(asked.questions, found),
        reference_f1_percent=verification.mean_f1(asked.questions, expected),
        f1_loss_points=None if comparison.f1_loss is None else round(comparison.f1_loss, 3),
        largest_logit_difference=round(comparison.largest_difference, 6),
        failure=failure,
    )


def _print(outcome: Verification) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    rows = {
        "bundle": f"{outcome.bundle} ({outcome.precision})",
        "against": outcome.against,
        "same answers": f"{outcome.same_answers} of {outcome.questions} ({outcome.agreement_percent:.1f} %)",
        "F1": _points(outcome.f1_percent),
        "reference F1": _points(outcome.reference_f1_percent),
        "F1 loss": _points(outcome.f1_loss_points),
        "largest logit difference": f"{outcome.largest_logit_difference:.3g}",
        "outcome": "passed" if outcome.failure is None else "failed",
    }
    for name, text in rows.items():
        table.add_row(name, escape(printable(text)))
    console = Console()
    if not console.is_terminal:
        console.width = 200  # a pipe has no width to wrap to
    console.print(table)


def _points(value: float | None) -> str:
    return "- (no gold answers)" if value is None else f"{value:.2f}"
