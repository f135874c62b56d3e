"""The interface of a decoding, which finds one answer in the logits of all windows.

There are two, `pipeline` and `squad`, in a module each. `docs/measurement.md` describes how they differ.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from agent.reading.model import WindowLogits
from agent.reading.windows import Window

NOT_FINITE: Final = "the model's logits are not finite numbers: they are NaN or infinity"


class Found(NamedTuple):
    """An answer that a decoding has found."""

    text: str
    start_char: int
    end_char: int
    """The span in code points of the context, end exclusive."""
    confidence: float
    """From 0 to 1."""


Decode = Callable[[Sequence[Window], Sequence[WindowLogits], str, int], Found | None]
"""Takes windows, their logits, the context and the longest answer in tokens; None if nothing is found.

Raises Unanswerable if logits are not numbers that can be compared. Negative infinity is one: a model may
exclude tokens with it.
"""
