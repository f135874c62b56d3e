"""How `--help` looks: commands in sections, options in named groups, and examples at the end."""

import inspect
import re
import textwrap
from collections.abc import Callable, Iterable
from typing import Any, Final

import click

from commandline.options import TEXT, F, all_of

CONTEXT: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""The context settings of a program. Help is as wide as the terminal, up to 100 columns."""

GENERAL: Final = "General"
"""The group of `--config` and `--help` in a command that has groups."""

FEW: Final = 6
"""Up to this many options, `--help` included, are shown without groups."""

_COLUMN: Final = 24
"""Width of the column with the options' names. A longer name gets its own line."""
_NOTE: Final = re.compile(r"\[[^\]]{1,28}\]")
"""A default that is never broken across lines."""


def version_option(program: str) -> Callable[[F], F]:
    """Add `--version`, which prints the program's name and the version of distilbench."""
    return click.version_option(
        package_name="distilbench", message=f"{program} (distilbench) %(version)s", help="Print the version."
    )


class _Helpful(click.Command):
    """The base class of a command and a group of commands."""

    def __init__(self, *args: Any, examples: str = "", **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self.examples = inspect.cleandoc(examples)
        for param in self.params:
            if param.type is click.STRING:
                param.type = TEXT

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's description."""
        for paragraph in inspect.cleandoc(self.help or "").split("\n\n"):
            formatter.write_paragraph()
            with formatter.indentation():
                _write_wrapped(paragraph, "", formatter)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by group, all explanations in one column."""
        groups = groups_of(self, ctx)
        longest = max(len(names_of(option, ctx)) for options in groups.values() for option in options)
        for title, options in groups.items():
            rows = [(names_of(option, ctx), explanation(option)) for option in options]
            _write_section(title, rows, min(longest, _COLUMN), formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples without wrapping them."""
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples.split("\n"):
                    formatter.write(f"  {line}".rstrip() + "\n")


class Command(_Helpful):
    """A command with its options in groups.

    Args:
        examples: shell commands, printed as they are; lines that begin with `#` explain them.
    """


class CommandGroup(_Helpful, click.Group):
    """A command with subcommands, which help shows in sections.

    Args:
        examples: as for `Command`.
    """

    command_class = Command

    def __init__(self, *args: Any, **attributes: Any) -> None:
        super().__init__(*args, **attributes)
        self._sections: dict[str, str] = {}

    def add_section(self, title: str, *commands: click.Command) -> None:
        """Add commands under a title; help keeps the order in which they are given."""
        for command in commands:
            self.add_command(command)
            self._sections[command.name or ""] = title

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands' names in the order of the sections; names without a section come last."""
        return [*self._sections, *(name for name in self.commands if name not in self._sections)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, then the options."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each command with its summary, in full."""
        sections = self.sections(ctx)
        longest = max(len(command.name or "") for commands in sections.values() for command in commands)
        for title, commands in sections.items():
            rows = [(command.name or "", summary(command)) for command in commands]
            _write_section(title, rows, longest, formatter)

    def sections(self, ctx: click.Context) -> dict[str, list[click.Command]]:
        """Return the commands by section; commands without a section are under `Commands`."""
        found: dict[str, list[click.Command]] = {}
        for name in self.list_commands(ctx):
            if not self.commands[name].hidden:
                found.setdefault(self._sections.get(name, "Commands"), []).append(self.commands[name])
        return found


def option_group(title: str, *options: Callable[[F], F]) -> Callable[[F], F]:
    """Combine several options into one decorator; help shows them together under a title."""

    def decorate(command: F) -> F:
        before = len(_parameters(command))
        command = all_of(*options)(command)
        for option in _parameters(command)[before:]:
            if group_of(option) is None:
                option.help_group = title  # type: ignore[attr-defined]  # ours, not click's
        return command

    return decorate


def group_of(option: click.Parameter) -> str | None:
    """Return the title that an option is shown under; None if it is in no group."""
    title: str | None = getattr(option, "help_group", None)
    return title


def summary(command: click.Command) -> str:
    """Return the first paragraph of a command's help, on one line."""
    return " ".join(inspect.cleandoc(command.help or "").partition("\n\n")[0].split())


def groups_of(command: click.Command, ctx: click.Context) -> dict[str, list[click.Option]]:
    """Return the options of a command by the title of their group, in the order of first appearance.

    If there are only a few options, or if none has a group, all are under `Options`. Otherwise options
    without a group come last, under `General`.
    """
    options = [
        option for option in command.get_params(ctx) if isinstance(option, click.Option) and not option.hidden
    ]
    titles = dict.fromkeys(title for option in options if (title := group_of(option)))
    if len(options) <= FEW:
        titles.clear()
    rest = GENERAL if titles else "Options"
    found: dict[str, list[click.Option]] = {title: [] for title in (*titles, rest)}
    for option in options:
        title = group_of(option)
        found[title if title in titles else rest].append(option)
    return {title: members for title, members in found.items() if members}


def explanation(option: click.Option) -> str:
    """Return an option's description for help, with its default, its variable, and whether it is required."""
    extras = []
    if option.show_default and option.default is not None:
        extras.append(f"default: {_default(option)}")
    if option.show_envvar and isinstance(option.envvar, str):
        extras.append(f"or {option.envvar}")
    if option.required:
        extras.append("required")
    return (option.help or "") + (f" [{'; '.join(extras)}]" if extras else "")


def names_of(option: click.Option, ctx: click.Context) -> str:
    """Return an option as it is typed, with the name of its value: `--limit N`."""
    record = option.get_help_record(ctx)
    return record[0] if record else ", ".join(option.opts)


def _default(option: click.Option) -> str:
    value = option.default
    if option.is_flag and option.secondary_opts:
        return (option.opts if value else option.secondary_opts)[0]
    return f"{value:g}" if isinstance(value, float) else str(value)


def _write_section(
    title: str, rows: Iterable[tuple[str, str]], column: int, formatter: click.HelpFormatter
) -> None:
    with formatter.section(title):
        for name, text in rows:
            if len(name) > column:
                formatter.write(f"{'':{formatter.current_indent}}{name}\n")
                name = ""
            _write_wrapped(text, f"{name:<{column}}  ", formatter)


def _write_wrapped(text: str, label: str, formatter: click.HelpFormatter) -> None:
    """Write a label and, to its right, a text in lines; names like `--latency-bound` are not broken."""
    unbroken = _NOTE.sub(lambda note: note.group().replace(" ", "\0"), " ".join(text.split()))
    lines = textwrap.wrap(
        unbroken,
        formatter.width,
        initial_indent=" " * formatter.current_indent + label,
        subsequent_indent=" " * (formatter.current_indent + len(label)),
        break_on_hyphens=False,
        break_long_words=False,
    )
    for line in lines:
        formatter.write(line.replace("\0", " ") + "\n")


def _parameters(command: Any) -> list[click.Parameter]:
    """Return the parameters that earlier decorators have attached to a function, for `click.command`."""
    return list(getattr(command, "__click_params__", ()))
