"""The commands about the configuration file."""

from pathlib import Path
from typing import Any

import click

from agent.config import (
    CONFIG_FILE,
    config_file,
    read_config,
    settings,
    shown_settings,
    variable,
)
from agent.errors import BadInput
from agent.options import FILE, delivery_options, device_options, measuring_options, outbox_options
from contract.codec import encode, printable
from contract.config import Key, explain_config


@click.group()
def config() -> None:
    """Make, check and show the configuration file.

    Every key is an option of `agent run` without its dashes; DISTILBENCH_ and the name in capitals is its
    variable. A flag outranks a variable, a variable outranks the file.
    """


@config.command()
@click.argument("file", type=FILE, default=CONFIG_FILE)
@delivery_options
@outbox_options
@measuring_options
@device_options
@click.pass_context
def init(context: click.Context, /, file: Path, **values: Any) -> None:
    """Write a new FILE that explains every key, with the options that are given here set.

    FILE is /etc/distilbench/agent.toml if it is not named, and - for standard output.
    """
    given = {
        key: context.params[option.name or ""]
        for key, option in settings().items()
        if context.get_parameter_source(option.name or "") == click.core.ParameterSource.COMMANDLINE
    }
    text = _template(given)
    if str(file) == "-":
        click.echo(text, nl=False)
        return
    try:
        with file.open("x") as opened:
            opened.write(text)
    except OSError as error:
        raise BadInput(f"cannot make '{printable(str(file))}': {error.strerror}") from None
    click.echo(f"{printable(str(file))} is written; 'agent config check' checks it", err=True)


@config.command()
@click.argument("file", type=FILE, default=CONFIG_FILE)
def check(file: Path) -> None:
    """Check FILE as a whole, and the files that it names. Nothing is connected to."""
    from agent.delivery import destination
    from agent.state import checked_device_id

    values = read_config(file)
    paths = {key: Path(str(values[key])) if key in values else None for key in settings() if "-file" in key}
    try:
        if "device-id" in values:
            checked_device_id(str(values["device-id"]))
        if "broker" in values and "to-file" in values:
            raise BadInput("broker and to-file exclude each other")
        if "broker" in values or "to-file" in values:
            destination(
                str(values["broker"]) if "broker" in values else None,
                paths["to-file"],
                paths["password-file"],
                paths["ca-file"],
                0.0,
                cert_file=paths["cert-file"],
                key_file=paths["key-file"],
            )
    except BadInput as error:
        raise BadInput(f"'{printable(str(file))}': {error}") from None
    click.echo(f"{printable(str(file))}: {len(values)} keys, nothing wrong")


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@delivery_options
@outbox_options
@measuring_options
@device_options
@click.pass_context
def show(context: click.Context, /, as_json: bool, **values: Any) -> None:
    """Print every option, its value now, and where that comes from."""
    found = shown_settings(context)
    if as_json:
        told = {entry.key: {"value": _plain(entry.value), "source": entry.source} for entry in found}
        click.echo(encode(told))
        return
    width = max(len(entry.key) for entry in found)
    values_width = max(len(_text(entry.value)) for entry in found)
    for entry in found:
        click.echo(f"{entry.key:{width}}  {_text(entry.value):{values_width}}  {printable(entry.source)}")
    if config_file(context) is None:
        click.echo(f"(no configuration file is read: there is no {CONFIG_FILE})", err=True)


def _template(given: dict[str, Any]) -> str:
    head = (
        "# Configuration of the distilbench agent. A key is an option of `agent run` without its dashes;\n"
        "# a variable of the environment outranks it, and a flag outranks both.\n"
    )
    keys = [
        Key(
            key,
            (option.help or "").replace("\n", " "),
            variable(option),
            option.default if isinstance(option.default, str | int | float) else None,
        )
        for key, option in settings().items()
    ]
    return head + explain_config(keys, {key: _plain(value) for key, value in given.items()})


def _plain(value: Any) -> Any:
    return str(value.absolute()) if isinstance(value, Path) else value


def _text(value: Any) -> str:
    return "-" if value is None else printable(str(value))
