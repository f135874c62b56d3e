"""The command that lets a device or a collector in at a broker."""

from pathlib import Path

import click

from collector.commands.options import FILE, say


@click.command()
@click.argument("device")
@click.option(
    "--passwords", type=FILE, required=True, help="Mosquitto's password_file, or the embedded broker's."
)
@click.option("--embedded", is_flag=True, help="For `collector serve --listen`, which needs plain text.")
@click.option("--secret-file", type=FILE, help="Write the password to this new file instead of showing it.")
@click.option("--broker", metavar="URL", default="mqtts://BROKER", help="Address to print for the device.")
@click.option("--replace", is_flag=True, help="Make a new password for a device that has one.")
def provision(
    device: str, passwords: Path, embedded: bool, secret_file: Path | None, broker: str, replace: bool
) -> None:
    """Make credentials for DEVICE and print its configuration, once.

    The user name is the device's id. With `collector` as DEVICE they are for the collector itself.
    """
    from collector.provision import COLLECTOR, checked_user, write_secret
    from collector.provision import provision as make

    user = checked_user(device)
    password = make(passwords, user, hashed=not embedded, replace=replace)
    if secret_file is not None:
        write_secret(secret_file, password)
    scheme, _, host = broker.partition("://")
    where = f"--broker {scheme}://{user}@{host.rpartition('@')[2]} --password-file password"
    if scheme == "mqtts":
        where += " --ca-file ca.crt"
    if user == COLLECTOR:
        click.echo(f"# collector serve {where} --db results.db")
    else:
        click.echo(f"# agent run BUNDLE --questions FILE {where} --device-id {user}")
    if secret_file is None:
        click.echo("# Put the line below into the file `password`, chmod 600 it; it is not shown again.")
        click.echo(password)
    say(f"{user} is in {passwords}" + ("" if embedded else "; make the broker read it again: kill -HUP"))
