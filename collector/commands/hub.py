"""The commands of the hub: run it, invite boards, and remove them."""

import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.commands.options import FOLDER, as_json, say, show_list
from commandline.help import Command, option_group
from commandline.options import all_of
from commandline.program.messages import message_options
from commandline.user_folder import user_folder

if TYPE_CHECKING:
    from collector.hub.folder import HubFolder

EXAMPLE_DEVICE = "pi5-lab-01"


def default_folder() -> Path:
    """Return the folder of a user's hub."""
    return user_folder("XDG_DATA_HOME", ".local/share") / "distilbench" / "hub"


def existing_hub(folder: Path | None) -> "HubFolder":
    """Return the folder of a hub, that of the user if None is given.

    Raises:
        BadInput: there is no hub in it, or it is another user's.
    """
    from collector.hub.folder import HubFolder

    place = HubFolder(folder or default_folder())
    place.check()
    return place


hub_folder = all_of(
    click.option(
        "--dir",
        "folder",
        metavar="DIR",
        type=FOLDER,
        envvar="DISTILBENCH_HUB_DIR",
        show_envvar=True,
        help="The hub's folder. [default: ~/.local/share/distilbench/hub]",
    )
)


@click.command(
    cls=Command,
    examples="""
    collector hub
    collector hub --dir hub --at 192.168.1.2 --bundles bundles \\
        --questions dev-v1.1.json
    collector hub --unit | sudo tee /etc/systemd/system/distilbench-hub.service
    """,
)
@option_group(
    "Hub",
    hub_folder,
    click.option(
        "--at",
        metavar="ADDRESS",
        help="Address or name by which boards reach this machine. [default: the one of the last start, or "
        "that of the network]",
    ),
    click.option(
        "--port",
        "https_port",
        metavar="N",
        type=click.IntRange(1, 65_535),
        help="TCP port of the HTTPS service. [default: the one of the last start, or 8642]",
    ),
    click.option(
        "--mqtt-port",
        metavar="N",
        type=click.IntRange(1, 65_535),
        help="TCP port of the broker. [default: the one of the last start, or 8883]",
    ),
    click.option(
        "--unit",
        is_flag=True,
        help="Print a unit for systemd that runs this hub, which was started before, and exit.",
    ),
)
@option_group(
    "What boards get",
    click.option(
        "--bundles",
        "bundle_folder",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of bundles for the boards. [default: `bundles` in the hub's folder]",
    ),
    click.option(
        "--questions",
        "question_files",
        metavar="FILE",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Copy this question file into the hub's folder `questions`. Boards get it without its gold "
        "answers. May be given several times.",
    ),
    click.option(
        "--wheels",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Take the wheels for the boards from this folder. [default: the package index of pip]",
    ),
)
@message_options
@click.pass_context
def hub(
    context: click.Context,
    /,
    folder: Path | None,
    at: str | None,
    https_port: int | None,
    mqtt_port: int | None,
    unit: bool,
    bundle_folder: Path | None,
    question_files: tuple[Path, ...],
    wheels: Path | None,
) -> None:
    """Run everything that a fleet of boards needs, in one folder.

    Makes certificates, and runs Mosquitto, the collector, and an HTTPS service that lets boards join with one
    line, which `collector invite` prints. Ctrl-C or SIGTERM ends all of it; the next start continues.
    """
    place = folder or default_folder()
    if unit:
        from collector.hub.unit import unit_for

        existing_hub(folder)  # systemd starts no service that may write to a folder that is missing
        folders = {"--bundles": bundle_folder, "--wheels": wheels}
        kept = {"--at": at, "--port": https_port, "--mqtt-port": mqtt_port}
        words = {name: str(value) for name, value in kept.items() if value is not None}
        words |= {name: str(path.absolute()) for name, path in folders.items() if path is not None}
        options = [word for pair in words.items() for word in pair]
        click.echo(unit_for(place, options), nl=False)
        return
    from collector.hub.folder import HubFolder
    from collector.hub.hub import run
    from collector.hub.start_settings import Options

    said = context.params
    messages = ["--log-format", str(said["log_format"])]
    messages += [f"--{name}" for name in ("verbose", "quiet") if said[name]]
    chosen = Options(at, https_port, mqtt_port, bundle_folder, question_files, wheels, tuple(messages))
    run(HubFolder(place), chosen, say)


@click.command(
    cls=Command,
    examples=f"""
    collector invite --name {EXAMPLE_DEVICE}
    collector invite --uses 20 --for 12h
    collector invite --list
    """,
)
@option_group(
    "Hub",
    hub_folder,
)
@option_group(
    "Pass",
    click.option(
        "--name",
        metavar="DEVICE",
        help="The only device that may use the pass, also if it has joined before. [default: any new device, "
        "which is named after its host name]",
    ),
    click.option(
        "--for",
        "span",
        metavar="TIME",
        default="30m",
        show_default=True,
        help="How long the pass is valid, such as 30m, 12h or 7d.",
    ),
    click.option(
        "--uses",
        metavar="N",
        type=click.IntRange(1, 1_000),
        default=1,
        show_default=True,
        help="Let N devices in with this pass.",
    ),
)
@option_group(
    "Instead of a new pass",
    click.option("--list", "listing", is_flag=True, help="List the passes of the last 30 days."),
    click.option("--devices", is_flag=True, help="List the devices that have joined."),
    click.option("--revoke", metavar="ID", help="Revoke the pass with this id of --list."),
    as_json,
)
def invite(
    folder: Path | None,
    name: str | None,
    span: str,
    uses: int,
    listing: bool,
    devices: bool,
    revoke: str | None,
    as_json: bool,
) -> None:
    """Print a line that lets a board join the hub.

    Whoever runs the line on a board gets credentials for it. On a terminal a QR code of the line follows.
    """
    from collector.broker.credentials import COLLECTOR, checked_user
    from collector.errors import BadInput
    from collector.hub.invitation import curl_line, qr_text, seconds_of, wget_line
    from collector.hub.register import Register

    if listing + devices + (revoke is not None) > 1:
        raise click.UsageError("give one of --list, --devices and --revoke")
    place = existing_hub(folder)
    register = Register(place.register)
    if listing or devices:
        from collector.hub.lists import members_grid, passes_grid

        show_list(members_grid(register) if devices else passes_grid(register), as_json)
        return
    if revoke is not None:
        if not register.revoke(revoke):
            raise BadInput(f"there is no pass with the id {revoke!r}: collector invite --list prints them")
        say(f"the pass {revoke} lets nobody in any more")
        return
    if name is not None and checked_user(name) == COLLECTOR:
        raise BadInput(f"no device can be named {COLLECTOR}: choose another name")
    from collector.hub.authority import pin as pin_of

    settings, pin = place.settings(), pin_of(place)
    seconds = seconds_of(span)
    secret = register.invite(name, seconds, uses)
    if not place.is_served:
        say("the hub does not run: start it with collector hub before you use this line")
    until = datetime.fromtimestamp(time.time() + seconds).astimezone()
    often = "once" if uses == 1 else f"{uses} times"
    say(
        f"Run one of these lines on {name or 'a board'}, {often}, before {until:%H:%M on %d %B}; without "
        "root, end it with | sh -s -- --user"
    )
    line = curl_line(settings, pin, secret)
    click.echo(line)
    click.echo(wget_line(settings, pin, secret))
    code = qr_text(line) if sys.stdout.isatty() else None
    if code is not None:
        click.echo(code, nl=False)


@click.command(
    cls=Command,
    examples=f"""
    collector remove {EXAMPLE_DEVICE}
    """,
)
@click.argument("device")
@hub_folder
def remove(folder: Path | None, device: str) -> int:
    """End the rights of DEVICE at once, its open connection included.

    Its results stay in the database. `collector invite --name DEVICE` lets it in again.
    """
    from collector.hub.membership import remove as end_rights
    from collector.hub.mosquitto import wait_until_applied
    from commandline.program.messages import Problem

    place = existing_hub(folder)
    end_rights(place, device)
    if not place.is_served:
        say(f"{device} is removed; the hub does not run")
    elif wait_until_applied(place):
        say(f"{device} is removed, and its connection has ended")
    else:
        say(Problem(f"{device} is removed, but the hub has not ended its connection yet: restart the hub"))
        return 1
    return 0
