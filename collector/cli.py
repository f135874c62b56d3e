"""The command `collector`: its parts are in `collector.commands`."""

import click

from collector.commands import config as configuration
from collector.commands import database, doctor, intake, predictions, reports, scores
from collector.commands import provision as access
from collector.commands.config import CONFIG
from collector.errors import CollectorError
from commandline.ending import run_program

_EXTRAS = {
    **dict.fromkeys(("iotcore", "jinja2", "plotly", "rich", "sqlite_utils"), "collector"),
    **dict.fromkeys(("bert_score", "torch", "transformers"), "score"),
}


def main() -> int:
    """Run the command line; return its exit status."""
    return run_program(cli, "collector", CollectorError, extras=_EXTRAS)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="distilbench")
def cli() -> None:
    """Takes benchmark results in, scores them, and reports which model belongs on which hardware."""


for _command in (
    intake.serve,
    intake.ingest,
    intake.watch,
    intake.rejected,
    intake.merge,
    access.provision,
    doctor.doctor,
    configuration.config,
    scores.questions,
    scores.score,
    scores.rebuild,
    predictions.evaluate,
    predictions.predictions,
    reports.report,
    reports.compare,
    database.runs,
    database.devices,
    database.show,
    database.query,
    database.prune,
    database.schema,
):
    cli.add_command(_command)
CONFIG.configure(cli, except_for=configuration.config.commands["init"])
