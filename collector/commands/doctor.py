"""The command that looks for what may go wrong."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from collector.commands.options import as_json as json_option
from collector.commands.options import optional, serving_options


@click.command()
@json_option
@optional(serving_options)
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
    database: Path | None,
    **_not_examined: Any,
) -> int:
    """Check broker, rights, database and machine with the options of `collector serve`.

    Ends with 1 when something fails. Nothing is changed: the broker hears an empty receipt for a device that
    does not exist, and the disk gets a file for a moment.
    """
    from collector.display.plain import plain
    from collector.doctor.broker import examine_broker, examine_embedded
    from collector.doctor.machine import Finding, examine_here
    from collector.errors import BadInput
    from commandline.broker_address import parse_broker
    from contract.codec import encode

    findings: list[Finding] = []

    def note(found: Iterable[Finding]) -> None:
        for finding in found:
            findings.append(finding)
            if not as_json:
                click.echo(f"{finding.level:<4}  {finding.about:<15}  {plain(finding.what)}")
                if finding.advice:
                    click.echo(f"{'':23}→ {plain(finding.advice)}")

    try:
        if broker is not None:
            address = parse_broker(broker, password_file, ca_file, cert_file, key_file, refusal=BadInput)
            note(examine_broker(address))
        elif embedded_broker:
            note(examine_embedded(listen, port, credentials, tls=cert_file is not None))
        else:
            note([Finding("broker", "warn", "none is named", "name it with --broker")])
    except BadInput as error:
        note([Finding("broker", "fail", str(error), "mend the option or the file")])
    note(examine_here(database))
    if as_json:
        click.echo(encode(findings))
    return int(any(finding.level == "fail" for finding in findings))
