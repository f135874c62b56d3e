"""The command that builds bundles."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click
from click.core import ParameterSource

from commandline.streams import print_or_drop
from contract.bundle import Precision
from contract.codec import printable
from export.commands.options import base_option
from export.errors import BadInput
from export.quantisation.targets import Target

if TYPE_CHECKING:
    from export.models.resolve import Named

_PRECISIONS: tuple[str, ...] = get_args(Precision)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OF_A_SEARCH = ("max_f1_loss", "min_agreement", "search_limit")


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--weights",
    metavar="hub|random|PATH",
    help="For a model of `list`: the hub's, random numbers, or a transformers or PEFT adapter folder.",
)
@base_option
@click.option(
    "--tokenizer",
    type=click.Path(exists=True, path_type=Path),
    help="tokenizer.json, or a folder with one, for random weights.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of random weights.")
@click.option("--precision", default="fp32", show_default=True, help="One or more, such as fp32,int8.")
@click.option(
    "--to",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Each bundle becomes a folder NAME-PRECISION in here.",
)
@click.option(
    "--target",
    type=click.Choice(["auto", *get_args(Target)]),
    default="auto",
    show_default=True,
    help="What int8 is for; other than auto, it becomes part of the folder's name.",
)
@click.option("--calibration", type=_FILE, help="SQuAD v1.1 file to calibrate int8 on instead of our own.")
@click.option(
    "--search", type=_FILE, help="Try int8 recipes on this SQuAD v1.1 file and keep the fastest good one."
)
@click.option(
    "--max-f1-loss",
    type=click.FloatRange(min=0),
    default=0.5,
    show_default=True,
    help="Points that the recipe that --search finds may lose.",
)
@click.option(
    "--min-agreement",
    type=click.FloatRange(0, 100),
    help="Percent of fp32's answers that it must give. [default: 90 where there are no gold answers]",
)
@click.option(
    "--search-limit",
    type=click.IntRange(min=1),
    default=400,
    show_default=True,
    help="Questions at most to search on.",
)
@click.option("--questions", type=_FILE, help="SQuAD v1.1 file to verify on instead of that of calibration.")
@click.option(
    "--verify", type=click.IntRange(min=1), default=128, show_default=True, help="Questions at most."
)
@click.option("--no-verify", is_flag=True, help="Don't compare the bundle with what it was made from.")
@click.option("--force", is_flag=True, help="Build even what is there already.")
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
    """Build bundles of models and print their folders.

    A NAME is one of `list`, or OWNER/MODEL on the Hugging Face hub, or a transformers or adapter folder.
    """
    from export.building.build import BuildRequest, build
    from export.commands.search_table import print_search
    from export.models import resolve as naming
    from export.recipes.search import Limits, NothingFits

    if search is None:
        for name in _OF_A_SEARCH:
            if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
                raise click.UsageError(f"--{name.replace('_', '-')} goes with --search.")
    if len(set(names)) > 1 and weights not in {"hub", "random", None}:
        raise BadInput(f"the folder '{weights}' holds one model, and you named {len(set(names))}")
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
    return tuple(chosen)  # type: ignore[arg-type]  # each was found among the precisions


def _say(line: str) -> None:
    click.echo(printable(line), err=True)
