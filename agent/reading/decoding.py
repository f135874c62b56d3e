"""The interface of a decoding, which finds one answer in the logits of all windows.

There are two, `pipeline` and `squad`, in a module each. `docs/measurement.md` describes how they differ.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from agent.reading.model import WindowLogits
from agent.reading.windows import Window


class Found(NamedTuple):
    """An answer that a decoding has found."""

    text: str
    start_char: int
    end_char: int
    """The span in code points of the context, end exclusive."""
    confidence: float
    """From 0 to 1."""


Decode = Callable[[Sequence[Window], Sequence[WindowLogits], str, int], Found | None]
"""Takes windows, their logits, the context and the longest answer in tokens; None if nothing is found."""
