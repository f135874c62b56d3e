"""The start of a program: Ctrl-C ends it quietly even while its modules are being imported.

This module imports nothing that takes time, so that the handler is there as early as possible.
"""

import os
import signal
from collections.abc import Callable
from importlib import import_module
from types import FrameType
from typing import Final

INTERRUPTED: Final = 128 + signal.SIGINT
"""The exit status after Ctrl-C, as a shell reports it for a program that the signal killed."""


def start(module: str) -> int:
    """Import a module, run its function `main`, and return the exit status.

    During the import, and after `main` has returned, SIGINT ends the process at once, since there is nothing
    to clean up. In between, Python's own handler raises KeyboardInterrupt. A program that was started with
    SIGINT ignored, as by `&` in a shell script, continues to ignore it.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return _main_of(module)()
    signal.signal(signal.SIGINT, _end_at_once)
    main = _main_of(module)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return main()
    except KeyboardInterrupt:  # between the two lines above, or while `main` was about to handle another one
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, _end_at_once)


def _main_of(module: str) -> Callable[[], int]:
    main: Callable[[], int] = import_module(module).main
    return main


def _end_at_once(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)
