"""How a program ends: with an exit status, and with at most one sentence about an error."""

import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import Any

import click

from commandline.program import messages
from commandline.program.installation import how_to_add
from commandline.program.start import INTERRUPTED
from commandline.program.streams import OutputFailed, ReaderGone, guarded_streams
from contract.codec import printable
from contract.errors import ContractError


def run_program(
    cli: click.Group,
    name: str,
    error: type[Exception],
    *,
    extras: Mapping[str, str] | None = None,
    clean_up_on_sigterm: bool = False,
) -> int:
    """Run a program with its command-line arguments. An error that a user can cause prints no traceback.

    Args:
        cli: the program's commands; a number that a command returns is the exit status.
        name: the program's name, printed before its errors.
        error: the base class of the program's own errors.
        extras: the extra of distilbench that installs each package that may be missing, by its module.
        clean_up_on_sigterm: end at SIGTERM as at Ctrl-C, so that temporary folders are removed.

    Returns:
        The exit status: 2 for wrong usage, 1 for an error, 130 after Ctrl-C, 0 if the reader of standard
        output has gone.
    """
    if clean_up_on_sigterm:
        signal.signal(signal.SIGTERM, _end)
    messages.configure()
    with guarded_streams():
        try:
            status: Any = cli.main(prog_name=name, standalone_mode=False)
            if sys.stdout is not None:
                sys.stdout.flush()
        except ReaderGone:
            return 0
        except click.ClickException as wrong:
            wrong.show()
            return wrong.exit_code
        except (click.Abort, KeyboardInterrupt):
            return INTERRUPTED
        except ModuleNotFoundError as missing:
            extra = (extras or {}).get((missing.name or "").split(".")[0])
            if extra is None:
                raise
            return _failed(name, f"{missing.name!r} is missing; install it with: {how_to_add(extra)}")
        except (UnicodeEncodeError, UnicodeDecodeError) as wrong_text:
            return _failed(name, f"{_around(wrong_text)} is not text: it has bytes that are not UTF-8")
        except (error, ContractError, OutputFailed) as failure:
            return _failed(name, str(failure))
    return status if isinstance(status, int) else 0


def _failed(name: str, sentence: str) -> int:
    messages.fail(f"{name}: {printable(' '.join(sentence.splitlines()))}")
    return 1


def _around(error: UnicodeEncodeError | UnicodeDecodeError) -> str:
    return ascii(error.object[max(0, error.start - 30) : error.start + 30])


def _end(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + signum)
