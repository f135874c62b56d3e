"""Options from a configuration file and the environment: a flag outranks a variable, and a variable the file.

Each option has one name: `--flush-seconds 5` is `DISTILBENCH_FLUSH_SECONDS=5` in the environment and
`flush-seconds = 5` in the file. The option's type and limits apply to all three. Click decides which value
counts; this module passes it the values of the file.
"""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from click.core import ParameterSource

from commandline.disk import decoded
from commandline.user_folder import user_folder
from contract.codec import printable
from contract.config import MAX_CONFIG_BYTES, Value, decode_config

PREFIX: Final = "DISTILBENCH_"
_META: Final = "distilbench.config"
FROM_FILE: Final = 1
"""The rank of an option that the configuration file sets."""
_RANK: Final = {
    ParameterSource.COMMANDLINE: 3,
    ParameterSource.ENVIRONMENT: 2,
    ParameterSource.DEFAULT_MAP: FROM_FILE,
}

Decorator = Callable[[Any], Any]
"""Adds options to a command."""


class Setting(NamedTuple):
    """One option with its current value."""

    key: str
    value: Any
    """None if the option is not set and has no default."""
    source: str
    """Where the value comes from: the flag, the variable, the file, or `default`."""


class ConfigFile:
    """The configuration file of one program.

    If no file is named, the user's own is read, `distilbench/PROGRAM.toml` in $XDG_CONFIG_HOME; if it does
    not exist, that of the machine, /etc/distilbench/PROGRAM.toml. The two are not merged: the credentials in
    a file belong to the broker in the same file.

    Args:
        program: the program's name.
        options: the options that the file may set.
        refusal: the program's error for bad input.
    """

    places: Final = "~/.config/distilbench or /etc/distilbench"
    """The folders of the two files, as help names them."""

    def __init__(self, program: str, options: Decorator, refusal: type[Exception]) -> None:
        self._name = f"{program}.toml"
        self.options = options
        self.refusal = refusal

    @property
    def of_machine(self) -> Path:
        """The file of all users and services."""
        return Path("/etc/distilbench", self._name)

    @property
    def of_user(self) -> Path:
        """The user's own file; that of the machine for a user who has no home."""
        try:
            folder = user_folder("XDG_CONFIG_HOME", ".config")
        except RuntimeError:
            return self.of_machine
        return folder / "distilbench" / self._name

    @property
    def default(self) -> Path:
        """The file to read if it exists and no other file is named."""
        try:
            return self.of_user if self.of_user.exists() else self.of_machine
        except OSError:  # the home of another user, as after `runuser`
            return self.of_machine

    @property
    def new(self) -> Path:
        """The file that `config init` writes if no other file is named."""
        return self.of_machine if os.geteuid() == 0 else self.of_user

    @cached_property
    def settings(self) -> dict[str, click.Option]:
        """Every option that the file may set, by its key in the file."""

        @click.command()
        @self.options
        def all_shared() -> None:
            pass

        return {key_of(option): option for option in all_shared.params if isinstance(option, click.Option)}

    def configure(self, command: click.Command, *, except_for: click.Command) -> None:
        """Let the shared options of a command, or of a group's commands, come from the environment or a file.

        Args:
            command: the command or group.
            except_for: a command that reads neither the environment nor a file.
        """
        if isinstance(command, click.Group):
            for inner in command.commands.values():
                self.configure(inner, except_for=except_for)
        names = {option.name for option in self.settings.values()}
        shared = [option for option in command.params if option.name in names]
        if not shared or command is except_for:
            return
        for option in shared:
            option.envvar = variable(option)
        command.params.append(
            click.Option(
                ["--config"],
                type=click.Path(dir_okay=False, path_type=Path),
                is_eager=True,
                expose_value=False,
                callback=self._load,
                envvar=f"{PREFIX}CONFIG",
                metavar="FILE",
                help="TOML file of options, as `config init` writes it. "
                f"[default: {self._name} in {self.places}]",
            )
        )

    def read(self, path: Path) -> dict[str, Value]:
        """Read a configuration file.

        Returns:
            The file's values by key, checked by their options. A relative path is relative to the file's
            folder.

        Raises:
            Exception: of type `refusal`: the file cannot be read, has an unknown key, or has a value that its
                option does not accept.
        """
        shown = f"'{printable(str(path))}'"
        values = decoded(
            path,
            MAX_CONFIG_BYTES + 1,
            "configuration",
            lambda data: decode_config(data, self.settings),
            self.refusal,
        )
        for key, value in values.items():
            option = self.settings[key]
            if isinstance(option.type, click.Path) and "://" not in str(value):
                values[key] = str(path.absolute().parent / str(value))
            try:
                option.type.convert(str(value), option, None)
            except click.BadParameter as error:
                raise self.refusal(f"{shown}: {key}: {printable(error.message).rstrip('.')}") from None
        return values

    def shown(self, context: click.Context) -> list[Setting]:
        """Return the options of the running command, each with its value and where the value comes from."""
        found = []
        for key, shared in self.settings.items():
            assert shared.name is not None
            if shared.name in context.params:
                found.append(Setting(key, context.params[shared.name], _source(context, shared)))
        return found

    def _load(self, context: click.Context, option: click.Parameter, path: Path | None) -> None:
        if path is None and self.default.exists():
            path = self.default
        if path is not None and not context.resilient_parsing:
            context.meta[_META] = path
            context.default_map = {
                self.settings[key].name or "": value for key, value in self.read(path).items()
            }


def key_of(option: click.Parameter) -> str:
    """Return the key of an option: `flush-seconds` for `--flush-seconds`."""
    return option.opts[0].removeprefix("--")


def variable(option: click.Parameter) -> str:
    """Return the environment variable of an option: `DISTILBENCH_FLUSH_SECONDS` for `--flush-seconds`."""
    return PREFIX + key_of(option).replace("-", "_").upper()


def outranking(context: click.Context, *names: str) -> list[str]:
    """Return the parameters that are set from the highest-ranking source that sets any of the named ones."""
    ranks = {name: rank(context, name) for name in names}
    highest = max(ranks.values())
    return [name for name, own in ranks.items() if own == highest > 0]


def rank(context: click.Context, name: str) -> int:
    """Return the rank of the source that sets an option: 0 if none sets it, 3 for the command line."""
    source = context.get_parameter_source(name)
    return _RANK.get(source, 0) if source is not None else 0


def config_file(context: click.Context) -> Path | None:
    """Return the configuration file that the running command has read; None if it has read none."""
    path: Path | None = context.meta.get(_META)
    return path


def _source(context: click.Context, option: click.Option) -> str:
    source = context.get_parameter_source(option.name or "")
    if source == ParameterSource.COMMANDLINE:
        return option.opts[0]
    if source == ParameterSource.ENVIRONMENT:
        return variable(option)
    if source == ParameterSource.DEFAULT_MAP:
        return str(config_file(context))
    return "default"
