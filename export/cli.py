"""The command `export-models`: a thin layer over `build` and `catalog`."""

import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, get_args

import click

from contract.bundle import Precision
from contract.codec import encode, printable
from contract.errors import ContractError
from export import catalog
from export.commands.distill import distill
from export.commands.questions import questions
from export.errors import BadInput, ExportError
from export.targets import Target

_PRECISIONS: tuple[str, ...] = get_args(Precision)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="distilbench", message="distilbench %(version)s")
def cli() -> None:
    """Build ONNX bundles of question-answering models, for the agent to measure."""


@cli.command("list")
@click.option("--format", "format_", type=click.Choice(["table", "json"]), default="table", show_default=True)
def list_models(format_: str) -> None:
    """Show the models that have a name here."""
    if format_ == "json":
        click.echo(encode(catalog.MODELS))
        return
    _print_table()


@cli.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--weights",
    required=True,
    metavar="hub|random|PATH",
    help="The hub's checkpoint, random numbers, or a transformers or PEFT adapter folder.",
)
@click.option(
    "--base",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of an adapter's base model, where it is not the one the adapter names.",
)
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
@click.option("--questions", type=_FILE, help="SQuAD v1.1 file to verify on instead of that of calibration.")
@click.option(
    "--verify", type=click.IntRange(min=1), default=128, show_default=True, help="Questions at most."
)
@click.option("--no-verify", is_flag=True, help="Don't compare the bundle with what it was made from.")
@click.option("--force", is_flag=True, help="Build even what is there already.")
def build(
    names: tuple[str, ...],
    weights: str,
    base: Path | None,
    tokenizer: Path | None,
    seed: int,
    precision: str,
    to: Path,
    target: str,
    calibration: Path | None,
    questions: Path | None,
    verify: int,
    no_verify: bool,
    force: bool,
) -> None:
    """Build bundles of the named models and print their folders."""
    from export.build import BuildRequest, build

    if len(set(names)) > 1 and weights not in {"hub", "random"}:
        raise BadInput(f"the folder '{weights}' holds one model, and you named {len(set(names))}")
    requests = [
        BuildRequest(
            model=catalog.find(name),
            weights=weights,
            precisions=_precisions(precision),
            base=base,
            tokenizer=tokenizer,
            seed=seed,
            target=None if target == "auto" else target,  # type: ignore[arg-type]  # click.Choice
            calibration=calibration,
            questions=questions,
            verify=0 if no_verify else verify,
            force=force,
        )
        for name in dict.fromkeys(names)
    ]
    for request in requests:
        for folder in build(request, to, _say):
            click.echo(folder)


cli.add_command(questions)
cli.add_command(distill)


def _precisions(text: str) -> tuple[Precision, ...]:
    chosen = dict.fromkeys(part.strip() for part in text.split(","))
    for part in chosen:
        if part not in _PRECISIONS:
            raise BadInput(f"there is no precision {part!r}: choose from {', '.join(_PRECISIONS)}")
    return tuple(chosen)  # type: ignore[arg-type]  # each was found among the precisions


def _say(line: str) -> None:
    click.echo(printable(line), err=True)


def _print_table() -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("name", "layers", "hidden"):
        table.add_column(title, no_wrap=True, justify="left" if title == "name" else "right")
    table.add_column("parameters", justify="right", no_wrap=True)
    for title in ("checkpoint on the hub", "licence", "EM / F1 (percent)", "distillation"):
        table.add_column(title)
    for model in catalog.MODELS:
        shape = catalog.architecture(model.config)
        table.add_row(
            model.name,
            str(shape.layers),
            str(shape.hidden_size),
            f"{model.parameters / 1e6:.1f}M",
            model.hub_id or f"none; base {model.base_id}",
            model.licence or "not stated",
            _scores(model),
            model.distillation,
        )
    console = Console()
    if not console.is_terminal:
        console.width = 240  # a pipe has no width to wrap to
    console.print(table, soft_wrap=False)


def _scores(model: catalog.Model) -> str:
    if model.published is None:
        return "-"
    exact = "-" if model.published.exact_match is None else f"{model.published.exact_match:.1f}"
    return f"{exact} / {model.published.f1:.1f} on {model.published.dataset}"


def main() -> int:
    """Run the command; return its exit status."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        status: Any = cli.main(prog_name="export-models", standalone_mode=False)
    except (ExportError, ContractError) as error:
        click.echo(f"export-models: {printable(str(error))}", err=True)
        return 1
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # Whoever read standard output has gone; closing it at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return status if isinstance(status, int) else 0


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)
