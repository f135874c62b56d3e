"""The commands about a program's configuration file: `config init`, `config check` and `config show`."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from commandline.broker_address import may_hold_password
from commandline.config import ConfigFile, Setting, config_file, variable
from commandline.counted import counted
from commandline.help import Command, CommandGroup, option_group
from commandline.program.streams import print_json_line
from contract.codec import printable
from contract.config import Key, Value, explain_config

_FILE = click.Path(dir_okay=False, path_type=Path)

Check = Callable[[Mapping[str, Value]], None]
"""Checks the values of a file together, and the files that they name; raises the program's error."""


def config_commands(program: str, command: str, file: ConfigFile, check: Check) -> click.Group:
    """Make the group `config` of a program.

    Args:
        program: the program's name.
        command: the command whose options the file may set, such as `agent run`.
        file: the program's configuration file.
        check: the checks of `config check` beyond those of single values.
    """
    example = next(iter(file.settings.values()))
    commands = CommandGroup(
        "config",
        help="Write, check or show the configuration file.\n\n"
        f"Its keys are options of `{command}` without the dashes. Each option also has an environment "
        f"variable: `{example.opts[0]}`, {variable(example)} and the key `{example.opts[0].lstrip('-')}` are "
        "the same. An option on the command line outranks the variable, and the variable outranks the file.",
    )
    commands.add_section("Commands", _init(program, command, file), _check(program, file, check), _show(file))
    return commands


def _init(program: str, command: str, config: ConfigFile) -> click.Command:
    @click.command(
        "init",
        cls=Command,
        help="Write a new configuration file that explains every key.\n\n"
        "Options that are given here are set in the file; the other keys are comments. "
        "By default, FILE is the user's own in ~/.config/distilbench or, for root, that of the machine in "
        "/etc/distilbench; - is standard output. An existing file is not changed.",
        examples=f"{program} config init {program}.toml --broker mqtt://workstation",
    )
    @click.argument("file", type=_FILE, default=lambda: config.new)
    @config.options
    @click.pass_context
    def init(context: click.Context, /, file: Path, **values: Any) -> None:
        given = {
            key: _plain(context.params[option.name or ""])
            for key, option in config.settings.items()
            if context.get_parameter_source(option.name or "") == ParameterSource.COMMANDLINE
        }
        text = (
            f"# Configuration of the distilbench {program}. A key is an option of `{command}` without its\n"
            "# dashes; a variable of the environment outranks it, and a flag outranks both.\n"
        ) + explain_config(_keys(config), given)
        if str(file) == "-":
            click.echo(text, nl=False)
            return
        shown = printable(str(file))
        try:
            if file in {config.of_user, config.of_machine}:
                file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("x") as opened:
                opened.write(text)
        except OSError as error:
            raise config.refusal(f"cannot write '{shown}': {error.strerror}") from None
        click.echo(f"wrote {shown}; check it with '{program} config check'", err=True)

    return init


def _check(program: str, config: ConfigFile, check_all: Check) -> click.Command:
    @click.command(
        "check",
        cls=Command,
        help="Check a configuration file and the files that it names.\n\n"
        f"By default, FILE is the file in {config.places} that the program would read. Connects to nothing.",
        examples=f"{program} config check {program}.toml",
    )
    @click.argument("file", type=_FILE, default=lambda: config.default)
    def check(file: Path) -> None:
        values = config.read(file)
        shown = printable(str(file))
        try:
            check_all(values)
        except config.refusal as error:
            raise config.refusal(f"'{shown}': {error}") from None
        click.echo(f"{shown}: {counted(len(values), 'key')}, nothing wrong")

    return check


def _show(config: ConfigFile) -> click.Command:
    @click.command("show", cls=Command)
    @option_group("Output", click.option("--json", "as_json", is_flag=True, help="Print JSON."))
    @config.options
    @click.pass_context
    def show(context: click.Context, /, as_json: bool, **values: Any) -> None:
        """Print every option, its current value, and its source."""
        found = [_without_password(entry) for entry in config.shown(context)]
        if as_json:
            by_key = {entry.key: {"value": _plain(entry.value), "source": entry.source} for entry in found}
            print_json_line(by_key)
            return
        width = max(len(entry.key) for entry in found)
        values_width = max(len(_text(entry.value)) for entry in found)
        for entry in found:
            click.echo(f"{entry.key:{width}}  {_text(entry.value):{values_width}}  {printable(entry.source)}")
        if config_file(context) is None:
            click.echo(f"(no configuration file was read: there is none in {config.places})", err=True)

    return show


def _keys(config: ConfigFile) -> list[Key]:
    return [
        Key(
            key,
            (option.help or "").replace("\n", " "),
            variable(option),
            option.default if isinstance(option.default, str | int | float) else None,
        )
        for key, option in config.settings.items()
    ]


def _without_password(entry: Setting) -> Setting:
    hidden = entry.key == "broker" and entry.value is not None and may_hold_password(entry.value)
    return entry._replace(value="(not shown: it may hold a password)") if hidden else entry


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.absolute())
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _text(value: Any) -> str:
    """A value as the file would have it, without quotes."""
    return "-" if value is None else str(value).lower() if isinstance(value, bool) else printable(str(value))
