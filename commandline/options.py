"""Groups of options, the type of a text, and the parameters of a command from values, not arguments."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import click

from commandline.config import key_of

F = TypeVar("F", bound=Callable[..., Any])

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Text(click.types.StringParamType):
    """The type of a text, which is UTF-8 in any locale; a path may have any bytes.

    Python keeps a byte that the locale's encoding does not have as half a surrogate pair, which nothing can
    encode.
    """

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text, decoded as UTF-8 in whatever encoding Python has read it.

        Raises:
            click.BadParameter: it is not UTF-8.
        """
        text = super().convert(value, param, ctx)
        if not _SURROGATE.search(text):
            return text
        try:
            return os.fsencode(text).decode()
        except UnicodeError:
            self.fail(f"{text!r} is not UTF-8 text.", param, ctx)


TEXT: Final = Text()


def all_of(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Combine several options into one decorator; help shows them in this order."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


@contextmanager
def as_usage(error: type[Exception]) -> Iterator[None]:
    """Turn an error of the program that the block raises into wrong usage: an option has an invalid value."""
    try:
        yield
    except error as wrong:
        raise click.UsageError(str(wrong)) from None


def context_of(command: click.Command, given: Mapping[str, Any], outer: click.Context) -> click.Context:
    """Make a context in which the parameters of a command have values, as if they had been typed.

    The value of a parameter comes from `given`; if it is not there, from the running command, if that has the
    same parameter; otherwise from its variable, the configuration file or its default, in this order.

    Args:
        command: the command, which is not invoked.
        given: values by key: the option's name without its dashes, or the argument's name. Several values of
            an argument are a tuple.
        outer: the context of the running command.

    Raises:
        click.UsageError: a parameter does not accept its value, or a required parameter is missing.
    """
    exposed = [param for param in command.params if param.expose_value and param.name is not None]
    missing = [param for param in exposed if key_of(param) not in given and param.name not in outer.params]
    rest = click.Command(command.name, params=missing)
    context = rest.make_context(command.name, [], outer, default_map=outer.default_map)
    for param in exposed:
        if key_of(param) in given:
            param.handle_parse_result(
                context, {param.name: _parsed(param, given[key_of(param)], context)}, []
            )
        elif param.name in outer.params:
            context.params[param.name] = outer.params[param.name]
            source = outer.get_parameter_source(param.name)
            assert source is not None, "click has processed it"
            context.set_parameter_source(param.name, source)
    return context


def arguments_of(command: click.Command, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return values as command-line arguments that people can read and repeat; keys as for `context_of`."""
    params = {key_of(param): param for param in command.params}
    return tuple(part for key, value in given.items() for part in _arguments(params[key], value))


def _parsed(param: click.Parameter, value: Any, context: click.Context) -> Any:
    """Return a value as click's parser would: true or false for a flag, otherwise one text or several."""
    is_flag = isinstance(param, click.Option) and param.is_flag
    if is_flag != isinstance(value, bool):
        raise click.BadParameter(
            f"it takes true or false, not {value!r}." if is_flag else "it takes a value, not true or false.",
            context,
            param,
        )
    if is_flag:
        return value
    return str(value) if param.nargs == 1 else _texts(value)


def _arguments(param: click.Parameter, value: Any) -> tuple[str, ...]:
    if isinstance(param, click.Argument):
        return _texts(value)
    if isinstance(param, click.Option) and param.is_flag and isinstance(value, bool):
        # A flag without an opposite is false if it is left out.
        return (param.opts[0],) if value else tuple(param.secondary_opts[:1])
    return (param.opts[0], str(value))


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, tuple) else (str(value),)
