"""The command `completion`: it prints a script with which a shell completes commands and options."""

import click
from click.shell_completion import get_completion_class

from commandline.help import Command


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
