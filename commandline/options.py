"""Options that go together."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def all_of(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator; help shows them in this order."""

    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def group(title: str, *options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator; help shows them together under a title."""

    def decorate(command: F) -> F:
        before = len(_parameters(command))
        command = all_of(*options)(command)
        for option in _parameters(command)[before:]:
            if group_of(option) is None:
                option.help_group = title  # type: ignore[attr-defined]  # ours, not click's
        return command

    return decorate


def group_of(option: click.Parameter) -> str | None:
    """The title that an option is shown under; None if it is in no group."""
    title: str | None = getattr(option, "help_group", None)
    return title


def _parameters(command: Any) -> list[click.Parameter]:
    """What the decorators below this one have left on a function, for `click.command` to take."""
    return list(getattr(command, "__click_params__", ()))
