"""The commands about the configuration file."""

from pathlib import Path
from typing import Any

import click

from collector.commands.options import FILE, optional, say, serving_options
from collector.config import (
    CONFIG_FILE,
    config_file,
    read_config,
    settings,
    shown_settings,
    variable,
)
from collector.errors import BadInput
from contract.codec import encode, printable
from contract.config import Key, explain_config


@click.group()
def config() -> None:
    """Make, check and show the configuration file.

    Every key is an option of `collector serve` without its dashes; DISTILBENCH_ and the name in capitals is
    its variable. A flag outranks a variable, a variable outranks the file.
    """


@config.command()
@click.argument("file", type=FILE, default=CONFIG_FILE)
@optional(serving_options)
@click.pass_context
def init(context: click.Context, /, file: Path, **values: Any) -> None:
    """Write a new FILE that explains every key, with the options that are given here set.

    FILE is /etc/distilbench/collector.toml if it is not named, and - for standard output.
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
        raise BadInput(f"{str(file)!r} cannot be made: {error.strerror}") from None
    say(f"{file} is written; 'collector config check' checks it")


@config.command()
@click.argument("file", type=FILE, default=CONFIG_FILE)
def check(file: Path) -> None:
    """Check FILE as a whole, and the files that it names. Nothing is connected to."""
    from collector.address import parse_address
    from collector.provision import read_credentials

    values = read_config(file)
    paths = {key: Path(str(values[key])) for key in values if key.endswith("-file")}
    try:
        if "broker" in values and values.get("embedded-broker"):
            raise BadInput("broker and embedded-broker exclude each other")
        if "broker" in values:
            parse_address(
                str(values["broker"]),
                *(paths.get(f"{name}-file") for name in ("password", "ca", "cert", "key")),
            )
        if "credentials" in values:
            read_credentials(Path(str(values["credentials"])))
    except BadInput as error:
        raise BadInput(f"{str(file)!r}: {error}") from None
    click.echo(f"{file}: {len(values)} keys, nothing wrong")


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@optional(serving_options)
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
        say(f"(no configuration file is read: there is no {CONFIG_FILE})")


def _template(given: dict[str, Any]) -> str:
    head = (
        "# Configuration of the distilbench collector. A key is an option of `collector serve` without its\n"
        "# dashes; a variable of the environment outranks it, and a flag outranks both.\n"
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
