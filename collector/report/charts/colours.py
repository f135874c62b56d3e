"""What a model and a precision look like in every chart, and how they are labelled there."""

import html
from typing import Final

from collector.display.plain import plain
from collector.findings.comparison import Comparison

COLOURS: Final = 12
"""How many the style sheet has; further models begin again."""
_LONGEST: Final = 40
"""Characters of a name: a longer one would leave a chart no room."""
_DASHES: Final = {"fp32": "solid", "int8": "dash", "int4": "dot"}
_SYMBOLS: Final = {"fp32": "circle", "int8": "diamond", "int4": "square"}


class ModelColours:
    """A colour for each model of a comparison, the same in all of its charts."""

    def __init__(self, comparison: Comparison) -> None:
        models = dict.fromkeys(entry.model for entry in comparison.entries)
        self._numbers = {model: number % COLOURS for number, model in enumerate(models)}

    def of(self, model: str) -> int:
        """The number of a model's colour."""
        return self._numbers.get(model, 0)

    def symbol(self, precision: str) -> str:
        """Plotly's name of the mark of a precision."""
        return _SYMBOLS.get(precision, "cross")

    def dash(self, precision: str) -> str:
        """Plotly's name of the line of a precision."""
        return _DASHES.get(precision, "dashdot")


def label(name: str) -> str:
    """A name within a chart, shortened in its middle. Plotly reads a little HTML there, so it has none."""
    name = plain(name)
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST // 2]}…{name[-_LONGEST // 2 + 1 :]}"
    return html.escape(name, quote=False)
