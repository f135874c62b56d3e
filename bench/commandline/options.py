"""Arguments and options that several benchmarks have."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

Function = Callable[..., Any]
_F = TypeVar("_F", bound=Function)

FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)
"""A folder that exists."""
NEW_FOLDER: Final = click.Path(file_okay=False, path_type=Path)
"""A folder that is made if it does not exist."""
FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
"""A file that exists."""
COUNT: Final = click.IntRange(min=1)
"""A number of things, at least one."""
SECONDS: Final = click.FloatRange(min=0)


def command(function: Function) -> click.Command:
    """A benchmark's command: its one sentence is the help text, and `-h` shows it too."""
    return click.command(context_settings={"help_option_names": ["-h", "--help"]})(function)


def bundle(function: _F) -> _F:
    """The bundle that is measured, as `bundle`."""
    return click.argument("bundle", metavar="BUNDLE", type=FOLDER)(function)


def questions(function: _F) -> _F:
    """The question file, as `questions`; by default the demo's."""
    option = click.option(
        "--questions",
        type=FILE,
        default=Path("demo/sample-questions.json"),
        show_default=True,
        help="Question file in the format of SQuAD v1.1.",
    )
    return option(function)


def limit(default: int | None, least: int = 1) -> Callable[[_F], _F]:
    """How many questions of the file are asked, as `limit`; None asks all of them."""
    return click.option(
        "--limit",
        type=click.IntRange(min=least),
        default=default,
        show_default="all" if default is None else True,
        help="Questions to ask.",
    )


def threads(default: int) -> Callable[[_F], _F]:
    """How many threads the network has, as `threads`."""
    return click.option(
        "--threads", type=COUNT, default=default, show_default=True, help="Threads of the network."
    )


def count(name: str, default: int, what: str, least: int = 1) -> Callable[[_F], _F]:
    """A number of things, at least `least`."""
    return click.option(name, type=click.IntRange(min=least), default=default, show_default=True, help=what)


def seconds(name: str, default: float, what: str) -> Callable[[_F], _F]:
    """A time in seconds, 0 or more."""
    return click.option(name, type=SECONDS, default=default, show_default=True, help=what)
