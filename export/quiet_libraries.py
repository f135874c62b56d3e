"""Suppresses the warnings of libraries; their errors are still raised."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress third-party warnings of `warnings` and `logging` inside the block.

    These warnings do not concern the person who builds a bundle: tracing warns about every constant that it
    folds, the exporter about its own deprecation, and loading an adapter's base about a missing head, which
    the adapter supplies.
    """
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logging.disable(disabled)
