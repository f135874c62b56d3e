"""What a program says on standard error: which messages, and as text or as JSON.

Commands that run for hours have the options of `message_options`. The parts of a program get `say` as a
function, and log details to a logger below `distilbench`.
"""

import functools
import json
import logging
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import click

from commandline.help import option_group
from contract.codec import safe_json

MESSAGES: Final = "Messages"
"""The group of these options in help."""

_LOGGER: Final = logging.getLogger("distilbench")


class _ToStandardError(logging.Handler):
    """Writes to the standard error of this moment, which `guarded_streams` replaces."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


class _AsJson(logging.Formatter):
    """One JSON object per line: `time` in UTC, `level`, and `message`."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        said = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        return safe_json(json.dumps(said, ensure_ascii=False))


_HANDLER: Final = _ToStandardError()
_LOGGER.addHandler(_HANDLER)
_LOGGER.propagate = False


def configure(*, quiet: bool = False, verbose: bool = False, as_json: bool = False) -> None:
    """Choose which messages are printed, and how; without arguments as at the start of a program."""
    _LOGGER.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    _HANDLER.setFormatter(_AsJson() if as_json else None)


configure()


class Problem(str):
    """A sentence about something that the user should know of; --quiet does not hide it."""

    __slots__ = ()


def say(sentence: str) -> None:
    """Print a sentence, unless --quiet is set and it is not about a problem."""
    _LOGGER.log(logging.WARNING if isinstance(sentence, Problem) else logging.INFO, "%s", sentence)


def fail(sentence: str) -> None:
    """Print why the program ends."""
    _LOGGER.error("%s", sentence)


def may_draw() -> bool:
    """Return whether progress may be drawn on standard error: it is a terminal, and messages are as usual."""
    as_usual = _LOGGER.level == logging.INFO and not isinstance(_HANDLER.formatter, _AsJson)
    return as_usual and sys.stderr is not None and sys.stderr.isatty()


_options: Final[Callable[[Any], Any]] = option_group(
    MESSAGES,
    click.option("--verbose", "-v", is_flag=True, help="Also print details, such as each delivery."),
    click.option("--quiet", "-q", is_flag=True, help="Print only warnings and errors."),
    click.option(
        "--log-format",
        type=click.Choice(("text", "json")),
        default="text",
        show_default=True,
        help="Format of the messages on standard error; json is one object per line.",
    ),
)


def message_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --verbose, --quiet and --log-format to a command, and apply them before it runs."""

    @functools.wraps(command)
    def configured(*args: Any, verbose: bool, quiet: bool, log_format: str, **others: Any) -> Any:
        if verbose and quiet:
            raise click.UsageError("--verbose and --quiet cannot be used together")
        configure(quiet=quiet, verbose=verbose, as_json=log_format == "json")
        return command(*args, **others)

    decorated: Callable[..., Any] = _options(configured)
    return decorated
