"""Options that several commands share."""

from pathlib import Path
from typing import Any

import click

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
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
