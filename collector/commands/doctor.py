"""The command that looks for problems before they matter."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from collector.commands.options import as_json as json_option
from collector.commands.options import optional, serving_options
from collector.store.database import Where
from commandline.help import Command, option_group


@click.command(
    cls=Command,
    examples="""
    collector doctor --broker mqtts://collector@localhost \\
        --password-file password --ca-file ca.crt --db results.db
    """,
)
@optional(serving_options)
@option_group("Output", json_option)
def doctor(
    as_json: bool,
    broker: str | None,
    embedded_broker: bool,
    port: int | None,
    listen: str | None,
    credentials: Path | None,
    password_file: Path | None,
    ca_file: Path | None,
    cert_file: Path | None,
    key_file: Path | None,
    database: Where | None,
    **_not_examined: Any,
) -> int:
    """Check broker, database and machine for `collector serve`.

    Takes the options of `collector serve`. Prints `ok`, `warn` or `fail` for each check, and what to do. To
    check its rights it sends the broker an empty receipt for a device that does not exist, and it writes one
    temporary file; nothing else is changed. Exits with status 1 if a check fails.
    """
    from collector.doctor.broker import examine_broker, examine_embedded
    from collector.doctor.machine import examine_here
    from collector.errors import BadInput
    from commandline.broker_address import parse_broker
    from commandline.finding import Finding, print_findings

    def found() -> Iterator[Finding]:
        try:
            if broker is not None:
                address = parse_broker(broker, password_file, ca_file, cert_file, key_file, refusal=BadInput)
                yield from examine_broker(address)
            elif embedded_broker:
                yield from examine_embedded(listen, port, credentials, tls=cert_file is not None)
            else:
                yield Finding("broker", "warn", "no broker is named", "name it with --broker")
        except BadInput as error:
            yield Finding("broker", "fail", str(error), "correct the option or the file")
        yield from examine_here(database)

    return print_findings(found(), as_json=as_json)
