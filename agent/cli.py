"""The command line. Data goes to standard output, talk and progress to standard error."""

import click

from agent.commands.answer import answer
from agent.commands.audit import audit
from agent.commands.config import CONFIG, config
from agent.commands.device import device
from agent.commands.doctor import doctor
from agent.commands.fetch import fetch
from agent.commands.flush import flush
from agent.commands.output import say
from agent.commands.run import run
from agent.commands.run_plan import run_plan_command
from agent.commands.status import status
from agent.errors import AgentError
from commandline.ending import run_program


def main() -> int:
    """Run the command line; return its exit status."""
    return run_program(cli, "agent", AgentError)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="distilbench", prog_name="agent")
def cli() -> None:
    """Measure question-answering bundles on this device and send the results to a collector."""


for _command in (
    run,
    run_plan_command(run, flush, say),
    answer,
    status,
    flush,
    device,
    doctor,
    fetch,
    audit,
    config,
):
    cli.add_command(_command)
CONFIG.configure(cli, except_for=config.commands["init"])
