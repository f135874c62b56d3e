"""Commands that receive, import or merge results, and the one that lists rejected messages."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.commands.options import (
    BROKER,
    FILE,
    as_json,
    bring_up_to_date,
    credential_options,
    database,
    in_colour,
    optional,
    say,
    serving_options,
    show_list,
)
from collector.store.database import Where, is_address
from commandline.config import outranking
from commandline.counted import counted
from commandline.help import Command, CommandGroup, option_group
from commandline.program.messages import Problem, message_options
from commandline.program.streams import print_or_drop

if TYPE_CHECKING:
    from collector.serving.dispatcher import Secrets
    from commandline.broker_address import BrokerAddress


@click.command(
    cls=Command,
    examples="""
    collector serve --broker mqtt://localhost --db results.db
    collector serve --embedded-broker --port 1883 --db results.db
    collector serve --broker mqtt://localhost --db results.db \\
        --bundles bundles --bundles-at 192.168.1.10:8642
    """,
)
@serving_options
@message_options
@click.pass_context
def serve(
    context: click.Context,
    /,
    database: Where,
    broker: str | None,
    embedded_broker: bool,
    port: int | None,
    listen: str | None,
    credentials: Path | None,
    password_file: Path | None,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    bundles: Path | None,
    bundles_at: str,
    share: str | None,
    register: Path | None,
    workers: str | None,
) -> None:
    """Receive results from an MQTT broker until stopped.

    Stores results in the database, confirms them to the devices, and keeps scores and summaries up to date.
    Ctrl-C or SIGTERM ends it. Give either --broker or --embedded-broker.
    """
    chosen = outranking(context, "broker", "embedded_broker")
    if len(chosen) != 1:
        raise click.UsageError("give either --broker URL or --embedded-broker")
    embedded_broker = chosen == ["embedded_broker"]
    if not embedded_broker and (port, listen, credentials) != (None, None, None):
        raise click.UsageError("--port, --listen and --credentials belong to --embedded-broker")
    if listen is not None and credentials is None:
        raise click.UsageError("--listen needs --credentials: clients on the network must log in")
    if embedded_broker and (cert_file is None) != (key_file is None):
        raise click.UsageError("--cert-file and --key-file go together")
    if share is not None and (not share.isprintable() or set(share) & set("/+#") or not share):
        raise click.UsageError(f"--share {share!r} must be a name without '/', '+' and '#'")
    if share is not None and register is not None:
        raise click.UsageError("--register and --share cannot be used together: one collector gives orders")
    from collector.broker.credentials import read_credentials
    from collector.broker.embedded import EXPOSED, LOOPBACK, NO_RIGHTS, Certificate, is_loopback
    from collector.broker.embedded import embedded_broker as run_broker
    from collector.errors import BadInput
    from collector.serving.server import Server
    from collector.store.opening import open_store
    from commandline.broker_address import check_key, parse_broker

    if broker is not None and not embedded_broker:
        parse_broker(broker, refusal=click.UsageError)
    users = None if credentials is None else read_credentials(credentials)
    certificate = None
    if embedded_broker and cert_file is not None and key_file is not None:
        check_key(key_file, BadInput)
        certificate = Certificate(cert_file, key_file)
    if listen is not None and not is_loopback(listen):
        say(Problem(EXPOSED if certificate is None else NO_RIGHTS))
    with open_store(database, create=True) as store, ExitStack() as stack:
        if embedded_broker:
            running = run_broker(port, listen or LOOPBACK, users, certificate)
            address, shown = stack.enter_context(running)
        else:
            assert broker is not None
            address = shown = parse_broker(
                broker, password_file, ca_file, cert_file, key_file, refusal=BadInput
            )
        checks: list[Callable[[], None]] = []
        if bundles is not None:
            from collector.serving.bundle_server import names, serving_bundles

            url, check = stack.enter_context(serving_bundles(bundles, bundles_at))
            checks.append(check)
            say(f"serving {counted(len(names(bundles)), 'bundle')} at {url}NAME, for agent fetch")
        older = not embedded_broker and _older(address)
        if older and share is not None:
            meaning = (
                "and the database stores each once"
                if is_address(database)
                else "so that each of their databases will hold everything"
            )
            say(
                f"MQTT 3.1.1 has no shared subscriptions: each collector of the group {share!r} receives all "
                f"results, {meaning}"
            )
        server = Server(store, address, say, share, older=older, secrets=_secrets(register), workers=workers)
        server.run(f"listening on {shown}, writing {database}", *checks)
        say(_counts(server.stored, server.duplicates, server.rejected))


@click.command(
    cls=Command,
    examples="""
    collector ingest results.jsonl --db results.db
    """,
)
@click.argument("files", nargs=-1, required=True, type=FILE)
@database
def ingest(database: Where, files: tuple[Path, ...]) -> int:
    """Import result files that `agent run --to-file` wrote.

    A file may be compressed by gzip. Records that the database already has are skipped, so a file can be
    imported again. Exits with status 1 if a part of a file is not stored.
    """
    from collector.intake.results_file import ResultsFile
    from collector.store.opening import open_store

    complete = True
    with ExitStack() as stack:
        store = None
        for path in files:
            file = ResultsFile(path)  # before the database is made: it may hold no result
            store = store or stack.enter_context(open_store(database, create=True))
            counts = file.ingest(store)
            print_or_drop(f"{path}: {_counts(counts.stored, counts.duplicates, counts.rejected)}")
            if counts.rejected:
                say(f"{path}: collector rejected --db {database} prints why {_rejected(counts.rejected)}")
            if counts.cut_off:
                say(f"{path}: {counts.cut_off}")
            complete = complete and counts.complete
    bring_up_to_date(database)
    return int(not complete)


@click.command(
    cls=Command,
    examples="""
    collector watch --broker mqtt://localhost --db results.db
    collector watch --broker mqtt://localhost --db results.db --json
    """,
)
@option_group(
    BROKER,
    click.option(
        "--broker",
        metavar="URL",
        required=True,
        help="MQTT broker of the devices: mqtt://[user@]host[:port], or mqtts:// for TLS.",
    ),
    credential_options,
)
@option_group(
    "Output",
    click.option(
        "--once",
        is_flag=True,
        help="Print the table once and exit. [default if standard output is not a terminal]",
    ),
    as_json,
)
@database
@message_options
def watch(
    database: Where,
    broker: str,
    password_file: Path | None,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    once: bool,
    as_json: bool,
) -> None:
    """Show live what each device measures and how far it is.

    Ctrl-C ends it. Nothing is stored.
    """
    from collector.display.live_table import live_table
    from collector.serving.fleet import look_once, look_repeatedly
    from collector.store.opening import open_store_to_read
    from commandline.broker_address import parse_broker

    address = parse_broker(broker, password_file, ca_file, cert_file, key_file, refusal=click.UsageError)
    with open_store_to_read(database) as store:
        older = _older(address)
        if once or as_json or not sys.stdout.isatty():
            show_list(look_once(store, address, older=older), as_json)
        else:
            with live_table(colour=in_colour()) as draw:
                look_repeatedly(store, address, draw, say, older=older)


@click.group(
    cls=CommandGroup,
    invoke_without_command=True,
    examples="""
    collector rejected --db results.db
    collector rejected retry --db results.db
    """,
)
@click.pass_context
@as_json
@optional(database)
def rejected(context: click.Context, database: Where | None, as_json: bool) -> None:
    """List the messages that could not be stored, and why."""
    if context.invoked_subcommand is not None:
        return
    if database is None:
        raise click.UsageError("Missing option '--db'.")
    from collector.display import listing
    from collector.intake.rejected import MOST_LISTED
    from collector.store.opening import open_store_to_read

    with open_store_to_read(database) as store:
        found = listing.rejected(store)
        show_list(found, as_json)
    if len(found.rows) >= MOST_LISTED:
        say(f"only the newest {MOST_LISTED:,} messages are listed")


@rejected.command()
@database
def retry(database: Where) -> None:
    """Store rejected messages that an updated collector can read.

    A device also keeps what was refused: `agent flush --refused` sends it again.
    """
    from collector.intake.retry import retry as retry_kept
    from collector.store.opening import open_store

    with open_store(database) as store:
        done = retry_kept(store)
    click.echo(
        f"{counted(done.accepted, 'message')} with {counted(done.stored, 'new record')} stored, "
        f"{done.still_rejected} still rejected"
    )


@click.command(
    cls=Command,
    examples="""
    collector merge lab-2.db lab-3.db --db results.db
    """,
)
@click.argument("others", metavar="OTHER.db...", nargs=-1, required=True, type=FILE)
@database
def merge(database: Where, others: tuple[Path, ...]) -> None:
    """Import everything from the databases of other collectors.

    Records that the database already has are skipped, so a database can be imported again. Exits with
    status 1 if a run was not merged.
    """
    from collector.errors import BadInput
    from collector.intake.merge import merge as merge_from
    from collector.store.opening import open_store, open_store_to_read

    refused = 0
    with open_store(database, create=True) as store:
        for path in others:
            if not is_address(database) and path.exists() and path.samefile(database):
                # Closing it would also end SQLite's locks on the open database.
                raise BadInput(f"{str(path)!r} is the database itself: name another one")
            with open_store_to_read(path) as other:
                done = merge_from(store, other)
            print_or_drop(
                f"{path}: {counted(done.runs, 'run')}, {counted(done.stored, 'record')} stored, "
                f"{done.duplicates} known before"
            )
            for sentence in done.refused:
                say(sentence)
            refused += len(done.refused)
    bring_up_to_date(database)
    if refused:
        raise BadInput(f"{counted(refused, 'run was', 'runs were')} not merged; all others were")


def _secrets(register: Path | None) -> "Secrets | None":
    if register is None:
        return None
    from collector.hub.register import Register

    if not register.is_file():
        raise click.UsageError(f"there is no register of a hub at {str(register)!r}")
    return Register(register).order_secrets


def _older(address: "BrokerAddress") -> bool:
    """Find out whether a broker speaks MQTT 3.1.1 only, and tell the operator if it does."""
    from collector.broker.visit import speaks_older
    from commandline.connection.advice import OLDER_PROTOCOL

    older = speaks_older(address)
    if older:
        say(f"{address} {OLDER_PROTOCOL}")
    return older


def _rejected(messages: int) -> str:
    return counted(messages, "message was rejected", "messages were rejected")


def _counts(stored: int, duplicates: int, rejected: int) -> str:
    return (
        f"{counted(stored, 'record')} stored, {duplicates} known before, "
        f"{counted(rejected, 'message')} rejected"
    )
