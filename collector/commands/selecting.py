"""The options that choose runs; `report`, `runs` and `devices` share them."""

import functools
from collections.abc import Callable
from typing import Any, Final

import click

from collector.commands.known_values import DEVICES, HARDWARE, MODELS, PRECISIONS, RUN_IDS, SETTINGS
from commandline.help import option_group

_WHICH: Final = "Which runs"

_options: Callable[[Any], Any] = option_group(
    _WHICH,
    click.option(
        "--run",
        "runs",
        multiple=True,
        metavar="RUN",
        shell_complete=RUN_IDS,
        help="Use only this run, named by its id, the beginning of it, latest or previous. May be given "
        "several times, like each option below except --since.",
    ),
    click.option(
        "--since",
        metavar="DATE",
        help="Use only runs that started on this day or later, YYYY-MM-DD in UTC by the device's clock.",
    ),
    click.option(
        "--settings",
        multiple=True,
        metavar="NAME=VALUE",
        shell_complete=SETTINGS,
        help="Use only runs with this setting, such as threads=4 or decoding=squad.",
    ),
    click.option(
        "--exclude", multiple=True, metavar="RUN", shell_complete=RUN_IDS, help="Leave this run out."
    ),
    click.option(
        "--device",
        "devices",
        multiple=True,
        metavar="DEVICE",
        shell_complete=DEVICES,
        help="Use only runs of this device.",
    ),
    click.option(
        "--model",
        "models",
        multiple=True,
        metavar="MODEL",
        shell_complete=MODELS,
        help="Use only runs of this model.",
    ),
    click.option(
        "--precision",
        "precisions",
        multiple=True,
        metavar="PRECISION",
        shell_complete=PRECISIONS,
        help="Use only runs in this precision, such as int8.",
    ),
    click.option(
        "--hardware",
        multiple=True,
        metavar="HARDWARE",
        shell_complete=HARDWARE,
        help="Use only runs on this hardware: a hardware class or a machine type, as the report names it.",
    ),
)


def selecting(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as one argument, `selection`."""

    @functools.wraps(command)
    def with_selection(
        *args: Any, since: str | None, settings: tuple[str, ...], exclude: tuple[str, ...], **others: Any
    ) -> Any:
        from collector.comparison_inputs.selection import Selection

        chosen = {name: others.pop(name) for name in ("runs", "devices", "models", "precisions", "hardware")}
        selection = Selection(since=since, settings=settings, exclude=exclude, **chosen)
        return command(*args, selection=selection, **others)

    decorated: Callable[..., Any] = _options(with_selection)
    return decorated
