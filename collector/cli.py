"""The command `collector`: options in, one call, lines out."""

import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from collector.errors import BadInput, CollectorError, StorageUnavailable
from contract.errors import ContractError

FORMATS = ("table", "markdown", "csv", "json", "html")

_database: Callable[[Any], Any] = click.option(
    "--db",
    "database",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="DISTILBENCH_DB",
    show_envvar=True,
    required=True,
    help="The collector's SQLite file.",
)
_file = click.Path(dir_okay=False, path_type=Path)


def main() -> int:
    """Run the command line; returns the exit status. No traceback reaches a user."""
    from collector.report.plain import plain

    try:
        cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 130
    except BrokenPipeError:
        # Whoever read our output has seen enough; what is still buffered must not fail at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (CollectorError, ContractError) as error:
        click.echo(f"collector: {plain(str(error))}", err=True)
        return 1
    return 0


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="distilbench")
def cli() -> None:
    """Takes benchmark results in, scores them, and reports which model belongs on which hardware."""


@cli.command()
@click.option("--broker", metavar="URL", help="mqtt://[user@]host[:port], or mqtts://… for TLS.")
@click.option("--embedded-broker", is_flag=True, help="Run a broker here, on the loopback address.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port of the embedded broker [a free one].")
@click.option("--password-file", type=_file, help="Holds the broker password, readable by you alone.")
@click.option("--ca-file", type=_file, help="Certificates to trust, PEM [the system's].")
@_database
def serve(
    database: Path,
    broker: str | None,
    embedded_broker: bool,
    port: int | None,
    password_file: Path | None,
    ca_file: Path | None,
) -> None:
    """Take in results from an MQTT broker until SIGTERM or Ctrl-C."""
    if embedded_broker == (broker is not None):
        raise click.UsageError("give either --broker URL or --embedded-broker")
    if port is not None and not embedded_broker:
        raise click.UsageError("--port belongs to --embedded-broker")
    from collector.address import parse_address
    from collector.broker import embedded_broker as run_broker
    from collector.serve import Server
    from collector.store import Store

    with Store.open(database, create=True) as store:
        given = nullcontext(parse_address(broker, password_file, ca_file)) if broker else run_broker(port)
        with given as address:
            server = Server(store, address, _say)
            server.run(f"listening on {address}, writing {database}")
        _say(_counts(server.stored, server.duplicates, server.rejected))


@cli.command()
@click.argument("files", nargs=-1, required=True, type=_file)
@_database
def ingest(database: Path, files: tuple[Path, ...]) -> None:
    """Take in results that `agent run --to-file` wrote. Doing it twice is harmless."""
    from collector.files import ingest_file
    from collector.store import Store

    with Store.open(database, create=True) as store:
        for path in files:
            counts = ingest_file(store, path)
            click.echo(f"{path}: {_counts(counts.stored, counts.duplicates, counts.rejected)}")


@cli.group()
def questions() -> None:
    """The question files that answers are scored by."""


@questions.command("add")
@click.argument("file", type=_file)
@click.option("--name", help="What to call it [the file's name].")
@_database
def add_questions(database: Path, file: Path, name: str | None) -> None:
    """Add a SQuAD v1.1 file with its gold answers."""
    from collector.questions import add_questions as add
    from collector.store import Store

    with Store.open(database, create=True) as store:
        added = add(store, file, name)
    verb = "added" if added.changed else "already there:"
    click.echo(f"{verb} {added.name}, {added.questions} questions, {added.golds} gold answers")


@cli.command()
@click.option("--bertscore-model", metavar="DIR|ID", help="Encoder for BERTScore: a folder or a hub id.")
@click.option("--layers", type=click.IntRange(1), help="Which of its layers' output is compared.")
@_database
def score(database: Path, bertscore_model: str | None, layers: int | None) -> None:
    """Score what has not been scored: EM and F1, and BERTScore if a model is given."""
    if (bertscore_model is None) != (layers is None):
        raise click.UsageError("--bertscore-model and --layers go together")
    from collector.scoring import score_answers, score_pairs
    from collector.store import Store

    with Store.open(database) as store:
        click.echo(f"EM and F1: {score_answers(store)} answers scored")
        if bertscore_model is not None and layers is not None:
            from collector.bertscore import Scorer
            from collector.progress import progress_bar

            scorer = Scorer(bertscore_model, layers)
            with progress_bar("BERTScore") as progress:
                pairs = score_pairs(store, scorer, progress)
            click.echo(f"BERTScore by {scorer.hash}: {pairs} pairs scored")


@cli.command()
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
@click.option("--to", "target", type=_file, help="Write here [standard output].")
@_database
def report(database: Path, form: str, target: Path | None) -> None:
    """Compare models: answers, time, memory and size on each hardware class."""
    from collector.compare import compare
    from collector.report.render import render
    from collector.scoring import score_answers
    from collector.store import Store

    try:
        with Store.open(database) as store:
            score_answers(store)
    except StorageUnavailable:
        pass  # read-only: the report says which answers are not scored
    with Store.open_to_read(database) as store:
        text = render(compare(store), form, terminal=target is None and sys.stdout.isatty())
    if target is None:
        click.echo(text, nl=False)
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"report {str(target)!r} cannot be written: {error.strerror}") from None
    _say(f"wrote {target}")


@cli.command()
@_database
def runs(database: Path) -> None:
    """List the runs."""
    from collector import listing
    from collector.store import Store

    with Store.open_to_read(database) as store:
        click.echo(listing.runs(store), nl=False)


@cli.command()
@_database
def rejected(database: Path) -> None:
    """List the messages that were not stored, and why."""
    from collector import listing
    from collector.store import Store

    with Store.open_to_read(database) as store:
        click.echo(listing.rejected(store), nl=False)


@cli.command()
def schema() -> None:
    """Describe the database as Markdown."""
    import tempfile

    from collector.schema import describe
    from collector.store import Store

    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder, "new.db"), create=True) as store:
        click.echo(describe(store), nl=False)


def _say(line: str) -> None:
    from collector.report.plain import plain

    click.echo(plain(line), err=True)


def _counts(stored: int, duplicates: int, rejected: int) -> str:
    return f"{stored} records stored, {duplicates} known before, {rejected} messages rejected"
