"""The program `export-models`; its commands are in `export.commands`."""

import click

from commandline.help import CONTEXT, CommandGroup, version_option
from commandline.program.completion import completion_command
from commandline.program.ending import run_program
from export.commands.build import build
from export.commands.distill import distill
from export.commands.list import list_models
from export.commands.questions import questions
from export.commands.suggest import suggest
from export.commands.verify import verify as verify_command
from export.errors import ExportError

_EXTRAS = dict.fromkeys(("datasets", "onnx", "optimum", "peft", "rich", "torch", "transformers"), "export")


@click.group(
    cls=CommandGroup,
    context_settings=CONTEXT,
    examples="""
    export-models list
    export-models build minilm-l12 --weights hub --precision int8 --to bundles
    export-models questions squad --to dev-v1.1.json
    """,
)
@version_option("export-models")
def cli() -> None:
    """Build ONNX bundles of question-answering models, for the agent to measure.

    A bundle is a folder with an ONNX graph, its tokenizer and a manifest.
    """


cli.add_section("Build bundles", list_models, build, verify_command)
cli.add_section("Prepare questions", questions)
cli.add_section("Train smaller models", suggest, distill)
cli.add_section("This program", completion_command("export-models"))


def main() -> int:
    """Run the command line; return its exit status."""
    return run_program(cli, "export-models", ExportError, extras=_EXTRAS, clean_up_on_sigterm=True)
