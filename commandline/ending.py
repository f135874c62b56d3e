"""How a command ends whose reader has gone, as with `| head`."""

import os
import sys
from typing import Any

import click

from commandline.help import Group


class ReaderGone(Exception):
    """Standard output was closed under a command."""


class Commands(Group):
    """A group that says `ReaderGone`, where click would end with status 1 as if something had failed."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderGone from None


def leave_quietly() -> None:
    """Let nothing that is still buffered fail at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
