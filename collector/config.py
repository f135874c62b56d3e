"""Options from a configuration file and the environment: a flag outranks a variable, a variable the file.

There is one name for each: `--port 1883` is `DISTILBENCH_PORT=1883` in the environment and
`port = 1883` in the file. Its type and its limits are those of the option, so nothing is said twice.
Click does the ranking; this module gives it the file.
"""

from functools import cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
from click.core import ParameterSource

from collector.commands.options import FILE, optional, serving_options
from collector.errors import BadInput
from contract.config import MAX_CONFIG_BYTES, Value, decode_config
from contract.errors import Malformed

CONFIG_FILE: Final = Path("/etc/distilbench/collector.toml")
"""Read where it is and no other is named."""

_PREFIX: Final = "DISTILBENCH_"
_META: Final = "distilbench.config"
_RANK: Final = {
    ParameterSource.COMMANDLINE: 3,
    ParameterSource.ENVIRONMENT: 2,
    ParameterSource.DEFAULT_MAP: 1,
}


def configure(command: click.Command, *, except_for: click.Command) -> None:
    """Let the shared options of a command, or of a group's commands, come from the environment or a file.

    Args:
        command: the command or group.
        except_for: one that only takes what it is told.
    """
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            configure(inner, except_for=except_for)
    names = {option.name for option in settings().values()}
    shared = [option for option in command.params if option.name in names]
    if not shared or command is except_for:
        return
    for option in shared:
        option.envvar = variable(option)
    command.params.append(
        click.Option(
            ["--config"],
            type=FILE,
            is_eager=True,
            expose_value=False,
            callback=_take_file,
            envvar=f"{_PREFIX}CONFIG",
            help=f"TOML with such options. [default: {CONFIG_FILE}, where there is one]",
        )
    )


@cache
def settings() -> dict[str, click.Option]:
    """Every option that a file may set, by its key there."""

    @click.command()
    @optional(serving_options)
    def all_shared() -> None:
        pass

    return {key_of(option): option for option in all_shared.params if isinstance(option, click.Option)}


def key_of(option: click.Parameter) -> str:
    """`ca-file` for `--ca-file`."""
    return option.opts[0].removeprefix("--")


def variable(option: click.Parameter) -> str:
    """`DISTILBENCH_CA_FILE` for `--ca-file`."""
    return _PREFIX + key_of(option).replace("-", "_").upper()


def read_config(path: Path) -> dict[str, Value]:
    """Read a configuration file.

    Returns:
        Its values by key, each one that its option takes; relative paths begin at the file's folder.

    Raises:
        BadInput: it cannot be read, has an unknown key, or a value that its option does not take.
    """
    shown = repr(str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise BadInput(f"cannot read the configuration {shown}: {error.strerror}") from None
    try:
        values = decode_config(data, settings())
    except Malformed as error:
        raise BadInput(f"{shown}: {error}") from None
    for key, value in values.items():
        option = settings()[key]
        if isinstance(option.type, click.Path):
            values[key] = str(path.absolute().parent / str(value))
        try:
            option.type.convert(str(value), option, None)
        except click.BadParameter as error:
            raise BadInput(f"{shown}: {key}: {error.message.rstrip('.')}") from None
    return values


class Setting(NamedTuple):
    """One option as it is now."""

    key: str
    value: Any
    """None where it is not set and has no default."""
    source: str
    """The flag, the variable, the file, or `default`."""


def shown_settings(context: click.Context) -> list[Setting]:
    """The options of the running command, each with where its value comes from."""
    found = []
    for key, shared in settings().items():
        assert shared.name is not None
        if shared.name in context.params:
            source = _source(context, shared)
            found.append(Setting(key, context.params[shared.name], source))
    return found


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


def _take_file(context: click.Context, option: click.Parameter, path: Path | None) -> None:
    if path is None and CONFIG_FILE.exists():
        path = CONFIG_FILE
    if path is not None and not context.resilient_parsing:
        context.meta[_META] = path
        context.default_map = {settings()[key].name or "": value for key, value in read_config(path).items()}


def _source(context: click.Context, option: click.Option) -> str:
    source = context.get_parameter_source(option.name or "")
    if source == ParameterSource.COMMANDLINE:
        return option.opts[0]
    if source == ParameterSource.ENVIRONMENT:
        return variable(option)
    if source == ParameterSource.DEFAULT_MAP:
        return str(config_file(context))
    return "default"
