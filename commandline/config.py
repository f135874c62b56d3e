"""Options from a configuration file and the environment: a flag outranks a variable, a variable the file.

There is one name for each: `--flush-seconds 5` is `DISTILBENCH_FLUSH_SECONDS=5` in the environment and
`flush-seconds = 5` in the file. Its type and its limits are those of the option, so nothing is said twice.
Click does the ranking; this module gives it the file.
"""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from click.core import ParameterSource

from contract.codec import printable
from contract.config import MAX_CONFIG_BYTES, Value, decode_config
from contract.errors import Malformed

PREFIX: Final = "DISTILBENCH_"
_META: Final = "distilbench.config"
_RANK: Final = {
    ParameterSource.COMMANDLINE: 3,
    ParameterSource.ENVIRONMENT: 2,
    ParameterSource.DEFAULT_MAP: 1,
}

Decorator = Callable[[Any], Any]
"""Adds options to a command."""


class Setting(NamedTuple):
    """One option as it is now."""

    key: str
    value: Any
    """None where it is not set and has no default."""
    source: str
    """The flag, the variable, the file, or `default`."""


class ConfigFile:
    """The file of one program.

    Args:
        default: read where it is and no other is named.
        options: all that the file may set.
        refusal: the program's error for bad input.
    """

    def __init__(self, default: Path, options: Decorator, refusal: type[Exception]) -> None:
        self.default = default
        self.options = options
        self.refusal = refusal

    @cached_property
    def settings(self) -> dict[str, click.Option]:
        """Every option that the file may set, by its key there."""

        @click.command()
        @self.options
        def all_shared() -> None:
            pass

        return {key_of(option): option for option in all_shared.params if isinstance(option, click.Option)}

    def configure(self, command: click.Command, *, except_for: click.Command) -> None:
        """Let the shared options of a command, or of a group's commands, come from the environment or a file.

        Args:
            command: the command or group.
            except_for: one that only takes what it is told.
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
                callback=self._take,
                envvar=f"{PREFIX}CONFIG",
                metavar="FILE",
                help="TOML file of options, as `config init` writes it. "
                f"[default: {self.default}, if it exists]",
            )
        )

    def read(self, path: Path) -> dict[str, Value]:
        """Read a configuration file.

        Returns:
            Its values by key, each one that its option takes; relative paths begin at the file's folder.

        Raises:
            Exception: as `refusal`: it cannot be read, has an unknown key, or a value that its option does
                not take.
        """
        shown = f"'{printable(str(path))}'"
        try:
            with path.open("rb") as file:
                data = file.read(MAX_CONFIG_BYTES + 1)
        except OSError as error:
            raise self.refusal(f"cannot read the configuration {shown}: {error.strerror}") from None
        try:
            values = decode_config(data, self.settings)
        except Malformed as error:
            raise self.refusal(f"{shown}: {error}") from None
        for key, value in values.items():
            option = self.settings[key]
            if isinstance(option.type, click.Path):
                values[key] = str(path.absolute().parent / str(value))
            try:
                option.type.convert(str(value), option, None)
            except click.BadParameter as error:
                raise self.refusal(f"{shown}: {key}: {printable(error.message).rstrip('.')}") from None
        return values

    def shown(self, context: click.Context) -> list[Setting]:
        """The options of the running command, each with where its value comes from."""
        found = []
        for key, shared in self.settings.items():
            assert shared.name is not None
            if shared.name in context.params:
                found.append(Setting(key, context.params[shared.name], _source(context, shared)))
        return found

    def _take(self, context: click.Context, option: click.Parameter, path: Path | None) -> None:
        if path is None and self.default.exists():
            path = self.default
        if path is not None and not context.resilient_parsing:
            context.meta[_META] = path
            context.default_map = {
                self.settings[key].name or "": value for key, value in self.read(path).items()
            }


def key_of(option: click.Parameter) -> str:
    """`flush-seconds` for `--flush-seconds`."""
    return option.opts[0].removeprefix("--")


def variable(option: click.Parameter) -> str:
    """`DISTILBENCH_FLUSH_SECONDS` for `--flush-seconds`."""
    return PREFIX + key_of(option).replace("-", "_").upper()


def outranking(context: click.Context, *names: str) -> list[str]:
    """Those of the parameters that are set from the highest source that sets any of them."""
    ranks = {name: rank(context, name) for name in names}
    highest = max(ranks.values())
    return [name for name, own in ranks.items() if own == highest > 0]


def rank(context: click.Context, name: str) -> int:
    """0 for an option that is not set, and more the higher the source that sets it."""
    source = context.get_parameter_source(name)
    return _RANK.get(source, 0) if source is not None else 0


def config_file(context: click.Context) -> Path | None:
    """The file that the running command has read, if any."""
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
