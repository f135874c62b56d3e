"""Silence for libraries that talk while they work; their errors still come through."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back third-party warnings, written by either module, for the length of the block.

    Tracing warns of every constant it folds, the exporter of its own deprecation, and loading an adapter's
    base of the head that the adapter is about to bring: nothing for the person who builds a bundle.
    """
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(disabled)
