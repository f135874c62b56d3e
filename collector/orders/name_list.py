"""Names in a message: the first of them, if there are many."""

from collections.abc import Collection
from itertools import islice
from typing import Final

_MOST: Final = 10


def listed(names: Collection[str]) -> str:
    """Join names, as in `a, b, c`; of more than ten, the first ten and an ellipsis."""
    return ", ".join(islice(names, _MOST)) + (", …" if len(names) > _MOST else "")
