"""The command `collector`; its subcommands are in `collector.commands`."""

import click

from collector.commands import changes, database, doctor, intake, predictions, reports, scores
from collector.commands import config as configuration
from collector.commands import hub as hubs
from collector.commands import orders as ordering
from collector.commands import provision as access
from collector.commands.config import CONFIG
from collector.errors import CollectorError
from commandline.help import CONTEXT, CommandGroup, version_option
from commandline.program.completion import completion_command
from commandline.program.ending import run_program

_EXTRAS = {
    **dict.fromkeys(("iotcore", "jinja2", "plotly", "rich", "sqlite_utils"), "collector"),
    **dict.fromkeys(("cryptography", "prometheus_client", "segno", "starlette", "uvicorn"), "hub"),
    "matplotlib": "figures",
    "distributed": "cluster",
    **dict.fromkeys(("bert_score", "torch", "transformers"), "score"),
}


def main() -> int:
    """Run the command line; return its exit status."""
    return run_program(cli, "collector", CollectorError, extras=_EXTRAS)


@click.group(
    cls=CommandGroup,
    context_settings=CONTEXT,
    examples="""
    collector questions add dev-v1.1.json --db results.db
    collector ingest results.jsonl --db results.db
    collector report --db results.db

    # Instead of --db for every command
    export DISTILBENCH_DB=results.db
    """,
)
@version_option("collector")
def cli() -> None:
    """Store the results of agents, score them, and report which model suits which hardware.

    All results are in one SQLite file, the database.
    """


cli.add_section("Set up", configuration.config, access.provision, doctor.doctor)
cli.add_section("Run a fleet", hubs.hub, hubs.invite, hubs.remove)
cli.add_section("Order measurements", ordering.dispatch, ordering.orders, ordering.cancel)
cli.add_section("Receive results", intake.serve, intake.watch, intake.ingest, intake.merge, intake.rejected)
cli.add_section(
    "Score answers",
    scores.questions,
    scores.score,
    scores.rebuild,
    predictions.predictions,
    predictions.evaluate,
    predictions.canaries,
)
cli.add_section("Compare", reports.report, reports.open_report, changes.compare, changes.trend)
cli.add_section(
    "Look into the database",
    database.runs,
    database.show,
    database.devices,
    database.query,
    database.schema,
    database.prune,
)
cli.add_section("This program", completion_command("collector"))
CONFIG.configure(cli, except_for=configuration.config.commands["init"])
