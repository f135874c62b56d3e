"""The commands about orders: send one, list them, and cancel one."""

import getpass
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from collector.commands.hub import existing_hub, hub_folder
from collector.commands.options import FILE, as_json, say, show_list
from commandline.help import Command, option_group
from commandline.program.completion import completing

if TYPE_CHECKING:
    from collector.orders.forecast import Forecast
    from collector.orders.recipients import Recipient


def _joined(context: click.Context) -> Iterator[tuple[str, str]]:
    """The devices that have joined, for a shell that completes their names."""
    from collector.hub.register import Register

    for member in Register(existing_hub(context.params.get("folder")).register).members():
        yield member.device, member.machine


_JOINED = completing(_joined)


@click.command(
    cls=Command,
    examples="""
    collector dispatch plan.toml --to 'pi-*'
    collector dispatch plan.toml --hardware raspberry-pi-5 --check
    collector dispatch plan.toml --all --now --no-follow
    """,
)
@click.argument("plan", type=FILE)
@option_group(
    "Which devices",
    click.option(
        "--to",
        "patterns",
        metavar="DEVICE",
        multiple=True,
        shell_complete=_JOINED,
        help="Send to this device; in the name, * and ? stand for others. May be given several times.",
    ),
    click.option(
        "--hardware",
        metavar="HARDWARE",
        multiple=True,
        help="Send to the devices of this hardware class or machine type, as the report names it. May be "
        "given several times.",
    ),
    click.option("--all", "everyone", is_flag=True, help="Send to all devices that have joined."),
)
@option_group(
    "How",
    click.option("--check", is_flag=True, help="Check the plan and print what it takes; send nothing."),
    click.option("--now", is_flag=True, help="Let the devices interrupt what they measure for this."),
    click.option(
        "--no-follow", is_flag=True, help="Send the order and exit. [default: follow it to its end]"
    ),
    click.option("--yes", is_flag=True, help="Send without asking, on a terminal too."),
    as_json,
)
@option_group(
    "Hub",
    hub_folder,
    click.option(
        "--bundles",
        "bundle_folder",
        metavar="DIR",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of bundles that the hub was started with. [default: `bundles` in the hub's folder]",
    ),
)
def dispatch(
    plan: Path,
    patterns: tuple[str, ...],
    hardware: tuple[str, ...],
    everyone: bool,
    check: bool,
    now: bool,
    no_follow: bool,
    yes: bool,
    as_json: bool,
    folder: Path | None,
    bundle_folder: Path | None,
) -> int:
    """Order devices of the hub to measure what PLAN says.

    PLAN is a TOML file as `agent run-plan` has it, but names bundles and question files of the hub instead of
    paths. It is checked as a whole; for each device the command prints how long it takes and what difference
    it can detect. A device that is away gets the order when it comes back. Exits with status 1 if a device
    refuses the order or fails to carry it out.
    """
    if not (patterns or hardware or everyone):
        raise click.UsageError("name the devices: --to, --hardware or --all")
    from collector.errors import BadInput
    from collector.hub.register import Register
    from collector.orders import order_rows
    from collector.orders.following import follow
    from collector.orders.forecast import Forecaster
    from collector.orders.offered import Offer
    from collector.orders.order_lists import forecast_grid
    from collector.orders.ordered_plan import read_ordered_plan
    from collector.orders.recipients import chosen, divided, recipients, unable_sentence
    from collector.store.opening import open_store, open_store_to_read
    from commandline.counted import counted
    from commandline.program.messages import Problem

    place = existing_hub(folder)
    ordered = read_ordered_plan(plan, Offer(bundle_folder or place.bundles, place.questions))
    with open_store(place.database, create=True) as store:
        register = Register(place.register)
        secrets = register.order_secrets()
        joined = {member.device for member in register.members()} | secrets.keys()
        every = recipients(store, joined, order_rows.list_states(store))
        devices, unable = divided(chosen(every, patterns, hardware, all_of_them=everyone), secrets)
        if not devices:
            raise BadInput(unable_sentence(unable))
        if unable:
            say(Problem(unable_sentence(unable)))
        forecaster = Forecaster(store, ordered)
        forecasts = [(device, forecaster.forecast(device)) for device in devices]
        if not as_json:
            _print(forecasts)
        elif check:
            show_list(forecast_grid(forecasts, {}), as_json)
        if check:
            return 0
        if not yes and sys.stdin.isatty() and sys.stdout.isatty():
            click.confirm(f"Send to {counted(len(devices), 'device')}?", abort=True, err=True)
        made = {device.device_id: ordered.order(now=now) for device in devices}
        order_rows.add(store, made, _user(), ordered.name)
        sent = {device_id: order.id for device_id, order in made.items()}
        if as_json:
            show_list(forecast_grid(forecasts, sent), as_json)
        for device_id, order_id in sent.items():
            say(f"order {order_id[:8]} is for {device_id}")
    if not place.is_served:
        say("the hub does not run: the orders are sent when it starts (collector hub)")
        return 0
    if no_follow:
        return 0
    with open_store_to_read(place.database) as store:
        try:
            followed = follow(store, list(sent.values()), say, lambda: place.is_served)
        except KeyboardInterrupt:
            say("the orders stay: collector orders lists them, and collector cancel ID ends one")
            return 0
    if any(order.ended_at is None for order in followed):
        say(
            Problem(
                "the hub does not run any more: the orders stay, and continue when it starts (collector hub)"
            )
        )
        return 1
    return int(any(order.phase in {"refused", "failed"} for order in followed))


@click.command(
    cls=Command,
    examples="""
    collector orders
    collector orders --all --json
    """,
)
@option_group("Hub", hub_folder)
@option_group(
    "Which orders",
    click.option("--all", "every", is_flag=True, help="List every order that was ever given."),
    click.option(
        "--to", "device", metavar="DEVICE", shell_complete=_JOINED, help="List only orders of this device."
    ),
)
@as_json
def orders(folder: Path | None, every: bool, device: str | None, as_json: bool) -> None:
    """List the open orders, and how far the devices are with them."""
    from datetime import UTC, datetime

    from collector.orders.order_lists import order_grid
    from collector.orders.order_rows import list_states, stored_orders
    from collector.store.opening import open_store_to_read

    with open_store_to_read(existing_hub(folder).database) as store:
        found = [o for o in stored_orders(store, every=every) if device in {None, o.device_id}]
        show_list(order_grid(found, list_states(store), datetime.now(UTC)), as_json)


@click.command(
    cls=Command,
    examples="""
    collector cancel 5ae36d61
    """,
)
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@option_group("Hub", hub_folder)
def cancel(ids: tuple[str, ...], folder: Path | None) -> None:
    """End orders before they are carried out.

    ID is the beginning of an id that `collector orders` lists. The device stops within a question; what it
    has measured stays. A device that is away hears of it when it comes back.
    """
    from collector.hub.register import Register
    from collector.orders import order_rows
    from collector.store.opening import open_store

    place = existing_hub(folder)
    with open_store(place.database) as store:
        joined = Register(place.register).order_secrets()
        found = order_rows.find_orders(store, ids)
        order_rows.cancel(store, found, _user(), joined)
    for order in found:
        name = f"the order {order.order_id[:8]} of {order.device_id}"
        if order.ended_at is not None:
            say(f"{name} had ended before: {order.phase}")
        elif order.device_id not in joined:
            say(f"{name} is ended: no device of this name takes orders from this hub")
        else:
            say(f"{name} is cancelled; collector orders --all shows when the device has stopped")


def _print(forecasts: "list[tuple[Recipient, Forecast]]") -> None:
    from collector.display.untrusted_text import plain
    from collector.orders.order_lists import forecast_sentence

    for device, forecast in forecasts:
        click.echo(plain(forecast_sentence(device, forecast)))


def _user() -> str:
    """Return who uses this program, as user@host."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container without a name for its user
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
