"""The command `export-models`: its commands are in `export.commands`, all failures end here."""

import signal
from types import FrameType
from typing import Any

import click

from commandline.ending import Commands, ReaderGone, leave_quietly
from commandline.help import CONTEXT
from contract.codec import printable
from contract.errors import ContractError
from export.commands.build import build
from export.commands.distill import distill
from export.commands.list import list_models
from export.commands.questions import questions
from export.commands.suggest import suggest
from export.commands.verify import verify as verify_command
from export.errors import ExportError


@click.group(
    cls=Commands,
    context_settings=CONTEXT,
    examples="""
    export-models list
    export-models build minilm-l12 --weights hub --precision int8 --to bundles
    export-models questions squad --to dev-v1.1.json
    """,
)
@click.version_option(package_name="distilbench", message="distilbench %(version)s")
def cli() -> None:
    """Build ONNX bundles of question-answering models, for the agent to measure.

    A bundle is a folder with an ONNX graph, its tokenizer and a manifest.
    """


cli.add_section("Build bundles", list_models, build, verify_command)
cli.add_section("Prepare questions", questions)
cli.add_section("Train smaller models", suggest, distill)


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
    except (BrokenPipeError, ReaderGone):
        leave_quietly()
        return 0
    return status if isinstance(status, int) else 0


def _terminate(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)
