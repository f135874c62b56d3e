"""Commands that take results in, and the one that lists what was not stored."""

import sys
from contextlib import nullcontext
from pathlib import Path

import click

from collector.commands.options import FILE, as_json, database, in_colour, say, show_list


@click.command()
@click.option("--broker", metavar="URL", help="mqtt://[user@]host[:port], or mqtts://… for TLS.")
@click.option("--embedded-broker", is_flag=True, help="Run a broker here, on the loopback address.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Port of the embedded broker [a free one].")
@click.option("--password-file", type=FILE, help="Holds the broker password, readable by you alone.")
@click.option("--ca-file", type=FILE, help="Certificates to trust, PEM [the system's].")
@database
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
            server = Server(store, address, say)
            server.run(f"listening on {address}, writing {database}")
        say(_counts(server.stored, server.duplicates, server.rejected))


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@database
def ingest(database: Path, files: tuple[Path, ...]) -> None:
    """Take in results that `agent run --to-file` wrote. Doing it twice is harmless."""
    from collector.files import ingest_file
    from collector.store import Store

    with Store.open(database, create=True) as store:
        for path in files:
            counts = ingest_file(store, path)
            click.echo(f"{path}: {_counts(counts.stored, counts.duplicates, counts.rejected)}")


@click.command()
@click.option("--broker", metavar="URL", required=True, help="As for `collector serve`.")
@click.option("--password-file", type=FILE, help="Holds the broker password, readable by you alone.")
@click.option("--ca-file", type=FILE, help="Certificates to trust, PEM [the system's].")
@click.option("--once", is_flag=True, help="Print what is known now, and end; so it does without a terminal.")
@as_json
@database
def watch(
    database: Path, broker: str, password_file: Path | None, ca_file: Path | None, once: bool, as_json: bool
) -> None:
    """Watch the devices: who is there, what they measure, how far they are. Ctrl-C ends it."""
    from collector.address import parse_address
    from collector.report.live import live_table
    from collector.store import Store
    from collector.watch import look_on, look_once

    address = parse_address(broker, password_file, ca_file)
    with Store.open_to_read(database) as store:
        if once or as_json or not sys.stdout.isatty():
            show_list(look_once(store, address), as_json)
        else:
            with live_table(colour=in_colour()) as draw:
                look_on(store, address, draw, say)


@click.command()
@as_json
@database
def rejected(database: Path, as_json: bool) -> None:
    """List the messages that were not stored, and why."""
    from collector import listing
    from collector.store import Store

    with Store.open_to_read(database) as store:
        show_list(listing.rejected(store), as_json)


def _counts(stored: int, duplicates: int, rejected: int) -> str:
    return f"{stored} records stored, {duplicates} known before, {rejected} messages rejected"
