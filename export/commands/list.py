"""The command that shows the catalog."""

from typing import TYPE_CHECKING, Final

import click

from commandline.help import Command
from commandline.program.streams import print_json_line
from contract.study import Study
from export.commands.options import json_option
from export.models import catalog

if TYPE_CHECKING:
    from rich.console import Console

_WIDE: Final = 260
"""Columns of a line with every cell; also used for a pipe, which has no width to wrap to."""
_ROOMY: Final = 90
"""Columns from which on the hidden size is shown."""
_NUMBERS: Final = ("layers", "hidden", "params")
_LEGEND: Final = (
    "EM and F1 are percentages from the models' cards; none was measured here. *: the hub's evaluator "
    "measured it too. The study measured on SQuAD v1.1 train, which the models were trained on."
)


@click.command(
    "list",
    cls=Command,
    examples="""
    export-models list
    export-models list --json
    """,
)
@json_option
def list_models(as_json: bool) -> None:
    """List the models of the catalog with their published scores.

    `build` accepts their names, and also ids on the Hugging Face hub and folders.
    """
    if as_json:
        print_json_line(catalog.MODELS)
        return
    from rich.console import Console

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _WIDE
    _table(console)
    if console.width < _WIDE:
        _details(console)
        console.print(_LEGEND, style="dim")


def _table(console: "Console") -> None:
    from rich.table import Table

    wide = console.width >= _WIDE
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    more = ("checkpoint on the hub", "distillation") if wide else ()
    for title in ("name", "layers", "hidden", "params", "EM / F1", "on SQuAD", "study", "licence", *more):
        if title != "hidden" or console.width >= _ROOMY:
            table.add_column(title, no_wrap=True, justify="right" if title in _NUMBERS else "left")
    for model in catalog.MODELS:
        shape = catalog.architecture(model.config)
        more = (_checkpoint(model), model.distillation) if wide else ()
        table.add_row(
            model.name,
            str(shape.layers),
            *((str(shape.hidden_size),) if console.width >= _ROOMY else ()),
            f"{model.parameters / 1e6:.1f}M",
            _scores(model.published),
            model.published.dataset.removeprefix("SQuAD ") if model.published else "",
            _study(model.study),
            model.licence or "not stated",
            *more,
        )
    console.print(table)


def _details(console: "Console") -> None:
    for model in catalog.MODELS:
        console.print(f"\n[bold]{model.name}[/bold]")
        lines = [_checkpoint(model), model.distillation]
        if model.study:
            lines.append(
                f"the study: {model.study.speed_up:.1f}x as fast as BERT-Large, {model.study.best_for}"
            )
        if model.note:
            lines.append(model.note)
        for line in lines:
            console.print(f"  {line}", markup=False)
    console.print()


def _checkpoint(model: catalog.Model) -> str:
    if model.hub_id is None:
        return f"none; base model {model.base_id}"
    return model.hub_id if model.revision is None else f"{model.hub_id}@{model.revision[:8]}"


def _scores(published: catalog.Published | None) -> str:
    if published is None:
        return ""
    exact = "-" if published.exact_match is None else f"{published.exact_match:.1f}"
    return f"{exact} / {published.f1:.1f}{'*' if published.verified else ''}"


def _study(study: Study | None) -> str:
    return "" if study is None else f"{study.exact_match:.1f} / {study.f1:.1f}"
