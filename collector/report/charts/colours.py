"""The colour, mark, line and label of a model and a precision, the same in every chart."""

import html
from typing import Final

from collector.display.untrusted_text import plain
from collector.findings.comparison import Comparison

COLOURS: Final = 12
"""How many colours the style sheet has. Models after the last colour start again with the first."""
_LONGEST: Final = 40
"""The most characters of a name in a chart: a longer one would leave no room for the chart."""
_DASHES: Final = {"fp32": "solid", "int8": "dash", "int4": "dot"}
_SYMBOLS: Final = {"fp32": "circle", "int8": "diamond", "int4": "square"}


class ModelColours:
    """A colour for each model of a comparison, the same in all its charts."""

    def __init__(self, comparison: Comparison) -> None:
        models = dict.fromkeys(entry.model for entry in comparison.entries)
        self._numbers = {model: number % COLOURS for number, model in enumerate(models)}

    def of(self, model: str) -> int:
        """Return the number of a model's colour."""
        return self._numbers.get(model, 0)

    def symbol(self, precision: str) -> str:
        """Return Plotly's name of the mark of a precision."""
        return _SYMBOLS.get(precision, "cross")

    def dash(self, precision: str) -> str:
        """Return Plotly's name of the line style of a precision."""
        return _DASHES.get(precision, "dashdot")


def label(name: str) -> str:
    """Shorten a name in its middle for a chart, and escape it: Plotly interprets some HTML in names."""
    name = plain(name)
    if len(name) > _LONGEST:
        name = f"{name[: _LONGEST // 2]}…{name[-_LONGEST // 2 + 1 :]}"
    return html.escape(name, quote=False)
