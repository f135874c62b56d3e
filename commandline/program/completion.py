"""Completion in a shell: the command `completion`, and how a parameter offers the values that are known."""

import re
from collections.abc import Callable, Iterable
from typing import Final

import click
from click.shell_completion import CompletionItem, get_completion_class

from commandline.help import Command
from contract.codec import printable

Values = Callable[[click.Context], Iterable[tuple[str, str]]]
"""Function that returns the known values of a parameter, each with what it is, which may be empty."""
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_MOST: Final = 200
"""More values than this help nobody who types."""
_WORD: Final = re.compile(r"[\w.:/@+=,-]+")
"""A value that a shell takes as one word; others, which a database may hold, are not offered."""


def completing(values: Values) -> Complete:
    """Make the `shell_complete` of a parameter. It offers nothing if the values cannot be found."""

    def complete(context: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        try:
            known = dict(values(context))
        except Exception:  # a message would end up in what is being typed
            return []
        fitting = [value for value in known if _WORD.fullmatch(value) and value.startswith(incomplete)]
        return [CompletionItem(value, help=printable(known[value]) or None) for value in fitting[:_MOST]]

    return complete


def completion_command(program: str) -> click.Command:
    """Make the command `completion` of a program.

    Args:
        program: the program's name, such as `export-models`.
    """

    @click.command(
        "completion",
        cls=Command,
        help="Print a script that lets a shell complete commands.",
        examples=f"""
        {program} completion bash \\
            > ~/.local/share/bash-completion/completions/{program}
        {program} completion zsh > ~/.zfunc/_{program}
        {program} completion fish > ~/.config/fish/completions/{program}.fish
        """,
    )
    @click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
    @click.pass_context
    def completion(context: click.Context, shell: str) -> None:
        found = get_completion_class(shell)
        assert found is not None, "click supports these shells"
        variable = f"_{program}_COMPLETE".replace("-", "_").upper()
        click.echo(found(context.find_root().command, {}, program, variable).source())

    return completion
