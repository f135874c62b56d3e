"""Options that several commands share."""

from itertools import combinations
from pathlib import Path
from typing import Any, Final, get_args

import click

from commandline.program.completion import completing
from contract.bundle import Precision
from contract.device import HARDWARE_CLASSES
from export.errors import BadInput


class ExistingPath(click.Path):
    """The type of a file or folder that must exist; if it does not, the exit status is 1, not 2."""

    def __init__(self, **kinds: bool) -> None:
        super().__init__(exists=True, path_type=Path, **kinds)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path.

        Raises:
            BadInput: it does not exist, or is of another kind.
        """
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            raise BadInput(f"{param.opts[0] if param else 'path'}: {error.message.rstrip('.')}") from None


base_option = click.option(
    "--base",
    type=ExistingPath(file_okay=False),
    metavar="DIR",
    help="Folder of an adapter's base model. [default: the base model that the adapter names]",
)


def _names(context: click.Context) -> list[tuple[str, str]]:
    from export.models.catalog import MODELS

    return [(model.name, model.title) for model in MODELS]


def _classes(context: click.Context) -> list[tuple[str, str]]:
    return [(name, "") for name in HARDWARE_CLASSES]


def _precisions(context: click.Context) -> list[tuple[str, str]]:
    names = get_args(Precision)
    return [(",".join(some), "") for count in range(1, len(names) + 1) for some in combinations(names, count)]


NAMES: Final = completing(_names)
CLASSES: Final = completing(_classes)
PRECISIONS: Final = completing(_precisions)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
