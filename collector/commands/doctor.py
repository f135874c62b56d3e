"""The command that looks for what may go wrong."""

from pathlib import Path

import click

from collector.commands.options import as_json as json_option
from collector.commands.options import optional, serving_options, terminal_width


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
    share: str | None,
    database: Path | None,
) -> int:
    """Check broker, rights, database and machine with the options of `collector serve`.

    Ends with 1 when something fails. Nothing is changed: the broker hears an empty receipt for a device that
    does not exist, and the disk gets a file for a moment.
    """
    from collector.address import parse_address
    from collector.doctor import Finding, examine_here, grid
    from collector.errors import BadInput
    from collector.probe import examine_broker, examine_embedded
    from collector.report.grid import grid_text

    findings = []
    try:
        if broker is not None:
            address = parse_address(broker, password_file, ca_file, cert_file, key_file)
            findings += examine_broker(address)
        elif embedded_broker:
            findings += examine_embedded(listen, port, credentials, tls=cert_file is not None)
        else:
            findings.append(Finding("broker", "warn", "none is named", "name it with --broker"))
    except BadInput as error:
        findings.append(Finding("broker", "fail", str(error), "mend the option or the file"))
    findings += examine_here(database)
    if as_json:
        click.echo(grid_text(grid(findings), "json"), nl=False)
    else:
        click.echo(grid_text(grid(findings), "table", terminal_width()), nl=False)
    return int(any(finding.verdict == "fail" for finding in findings))
