"""The command `export-models`: its commands are in `export.commands`."""

import click

from commandline.ending import run_program
from export.commands.build import build
from export.commands.distill import distill
from export.commands.list import list_models
from export.commands.questions import questions
from export.commands.suggest import suggest
from export.commands.verify import verify as verify_command
from export.errors import ExportError

_EXTRAS = dict.fromkeys(("datasets", "onnx", "optimum", "peft", "rich", "torch", "transformers"), "export")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="distilbench", message="distilbench %(version)s")
def cli() -> None:
    """Build ONNX bundles of question-answering models, for the agent to measure."""


cli.add_command(build)
cli.add_command(list_models)
cli.add_command(verify_command)
cli.add_command(questions)
cli.add_command(distill)
cli.add_command(suggest)


def main() -> int:
    """Run the command line; return its exit status."""
    return run_program(cli, "export-models", ExportError, extras=_EXTRAS, clean_up_on_sigterm=True)
