"""The command that creates broker credentials for a device or a collector."""

from pathlib import Path

import click

from collector.commands.options import FILE, FOLDER, say
from commandline.help import Command, option_group


@click.command(
    cls=Command,
    examples="""
    sudo collector provision pi-5 --passwords /etc/mosquitto/passwords \\
        --broker mqtts://workstation --to provisioned/pi-5 --ca-file ca.crt
    collector provision pi-5 --passwords users --embedded
    """,
)
@click.argument("device")
@option_group(
    "Broker",
    click.option(
        "--passwords",
        type=FILE,
        required=True,
        help="File that receives the new user: the password_file of Mosquitto, or with --embedded the "
        "--credentials of `collector serve`.",
    ),
    click.option(
        "--embedded",
        is_flag=True,
        help="Store the password in plain text, as `collector serve --listen` needs it.",
    ),
    click.option("--replace", is_flag=True, help="Give a new password to a device that has one."),
    click.option(
        "--broker",
        metavar="URL",
        default="mqtts://BROKER",
        show_default=True,
        help="Address of the broker in the device's configuration.",
    ),
)
@option_group(
    "What the device gets",
    click.option(
        "--to",
        "folder",
        metavar="DIR",
        type=FOLDER,
        help="Write configuration, password and certificates to this new folder instead of printing them.",
    ),
    click.option(
        "--ca-file",
        type=FILE,
        help="With --to: PEM file of the certificates that the device trusts.",
    ),
    click.option(
        "--secret-file", type=FILE, help="Write the password to this new file instead of printing it."
    ),
)
def provision(
    device: str,
    passwords: Path,
    embedded: bool,
    secret_file: Path | None,
    broker: str,
    folder: Path | None,
    ca_file: Path | None,
    replace: bool,
) -> None:
    """Create broker credentials for a device or the collector.

    DEVICE is the device's id, which is also its user name at the broker; `collector` is the collector itself.
    Prints the configuration and the password, which is shown only once.
    """
    from collector.broker.credentials import (
        COLLECTOR,
        agent_config,
        check_new,
        checked_user,
        collector_config,
        write_folder,
        write_secret,
    )
    from collector.broker.credentials import provision as make
    from collector.errors import BadInput
    from commandline.broker_address import parse_broker

    if folder is not None and secret_file is not None:
        raise click.UsageError("--to writes the password too: leave --secret-file out")
    if folder is not None and "BROKER" in broker:
        raise click.UsageError("--to needs --broker URL: the address that the device connects to")
    if ca_file is not None and not ca_file.is_file():
        raise click.UsageError(f"there is no file of certificates at {str(ca_file)!r}")
    user = checked_user(device)
    parse_broker(broker, refusal=BadInput)
    tls = broker.startswith("mqtts://") and (folder is None or ca_file is not None)
    for made in (folder, secret_file):
        if made is not None:
            check_new(made)
    password = make(passwords, user, hashed=not embedded, replace=replace)
    config = (
        collector_config(broker, ca_file=tls)
        if user == COLLECTOR
        else agent_config(user, broker, ca_file=tls)
    )
    if folder is not None:
        write_folder(folder, user, config, password, ca_file)
    elif secret_file is not None:
        write_secret(secret_file, password)
    if folder is None:
        click.echo(
            f"# /etc/distilbench/{'collector' if user == COLLECTOR else 'agent'}.toml, or --config FILE"
        )
        click.echo(config, nl=False)
        if secret_file is None:
            click.echo(
                "# Put the next line into the file `password` in the same folder (chmod 600).\n"
                "# It is not shown again."
            )
            click.echo(password)
    say(f"added {user} to {passwords}" + ("" if embedded else "; kill -HUP makes the broker read it again"))
    if folder is not None:
        say(
            f"{folder} holds what {user} needs: move it to that machine; on a device, give it to "
            "install-agent.sh --config"
        )
