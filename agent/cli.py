"""The agent's command line. Data goes to standard output, messages and progress to standard error."""

import click

from agent.commands.answer import answer
from agent.commands.audit import audit
from agent.commands.config import CONFIG, config
from agent.commands.device import device
from agent.commands.doctor import doctor
from agent.commands.fetch import fetch
from agent.commands.flush import flush
from agent.commands.run import run
from agent.commands.run_plan import run_plan
from agent.commands.serve import serve
from agent.commands.status import status
from agent.errors import AgentError
from commandline.help import CONTEXT, CommandGroup, version_option
from commandline.program.completion import completion_command
from commandline.program.ending import run_program


def main() -> int:
    """Run the command line; return its exit status."""
    return run_program(cli, "agent", AgentError)


@click.group(
    cls=CommandGroup,
    context_settings=CONTEXT,
    examples="""
    agent doctor
    agent run bundles/* --questions dev-v1.1.json --limit 500 \\
        --to-file results.jsonl

    # All options of a command, with their defaults
    agent run --help
    """,
)
@version_option("agent")
def cli() -> None:
    """Measure question-answering models on this device and send the results to a collector.

    A model comes as a bundle, a folder made by `export-models build`. Results wait in an outbox on this
    device until a collector has confirmed them.
    """


cli.add_section("Prepare this device", config, doctor, device, fetch)
cli.add_section("Measure", answer, run, run_plan, audit)
cli.add_section("Deliver results", serve, status, flush)
cli.add_section("This program", completion_command("agent"))
CONFIG.configure(cli, except_for=config.commands["init"])
