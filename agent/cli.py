"""The command line. Data goes to standard output, talk and progress to standard error."""

import sys

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
from agent.commands.run_plan import run_plan
from agent.commands.status import status
from agent.errors import AgentError
from contract.errors import ContractError


def main() -> None:
    """Run the command line; every error that a user can cause ends in one sentence."""
    from agent.stop import Stopped

    try:
        code = cli.main(prog_name="agent", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (AgentError, ContractError) as error:
        say(f"agent: {error}")
        code = 1
    except Stopped as stopped:
        code = stopped.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    sys.exit(code)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="distilbench", prog_name="agent")
def cli() -> None:
    """Measure question-answering bundles on this device and send the results to a collector."""


for _command in (
    run,
    run_plan,
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
