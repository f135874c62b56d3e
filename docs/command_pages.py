"""The pages of `docs/` about commands: one per program, and the generated parts of `commands.md`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import click

from agent.cli import cli as agent
from agent.commands.config import CONFIG as AGENT_CONFIG
from collector.cli import cli as collector
from collector.commands.changes import REGRESSED
from collector.commands.config import CONFIG as COLLECTOR_CONFIG
from commandline.config import PREFIX, variable
from commandline.help import Command, CommandGroup, explanation, groups_of, names_of, summary
from export.cli import cli as export_models

FOLDER: Final = Path(__file__).parent
PROGRAMS: Final[dict[str, CommandGroup]] = {
    "agent": agent,
    "collector": collector,
    "export-models": export_models,
}
STATUSES: Final = (
    (
        "0",
        "The command did what it was asked. `collector serve`, `hub`: also after Ctrl-C or SIGTERM, once "
        "they serve. All commands: also if the program that reads their output has ended, such as `head`.",
    ),
    (
        "1",
        "Something is wrong; the last line on standard error says what. `agent run`, `run-plan`: a run "
        "failed. `agent flush`: results remain in the outbox. `agent doctor`, `collector doctor`: a check "
        "failed. `agent audit`: repeated questions were answered faster. `export-models build`, `verify`: "
        "answers differ too much.",
    ),
    ("2", "Wrong usage: an unknown command or option, a missing one, or an invalid value."),
    (
        str(REGRESSED),
        "`collector compare --fail-if`: a limit is broken, or not decided with `--fail-if-undecided`.",
    ),
    ("130", "Ctrl-C (SIGINT). `collector prune`: also if the question was answered with no."),
    ("143", "SIGTERM, for all commands but `collector serve` and `hub`."),
)
VARIABLES: Final = {
    f"{PREFIX}CONFIG": "`agent`, `collector`: the configuration file, as `--config`.",
    "XDG_CONFIG_HOME": "`agent`, `collector`: the user's configuration files are in the folder `distilbench` "
    "in this folder. Default: `~/.config`.",
    f"{PREFIX}HUB_DIR": "`collector hub`, `invite`, `remove`: the hub's folder, as `--dir`.",
    "XDG_DATA_HOME": "`collector hub`, `invite`, `remove`: the hub is in `distilbench/hub` in this folder. "
    "Default: `~/.local/share`.",
    "XDG_STATE_HOME": "`agent`: the state folder is `distilbench` in this folder. `collector serve` with "
    "PostgreSQL: the names of its sessions at the broker are there, too. Default: `~/.local/state`.",
    "GLIBC_TUNABLES": "`agent`: `--huge-pages` adds `glibc.malloc.hugetlb` to it for the measured process.",
    "NOTIFY_SOCKET": "`agent run`, `run-plan`: set by systemd; the agent reports there that it works.",
    "ORT_DISABLE_TELEMETRY": "`agent`: always set to 1, so that onnxruntime sends nothing.",
    "NO_COLOR": "All programs: if it is not empty, output has no colour.",
    "COLUMNS": "All programs: the width of help and tables, in columns. Default: that of the terminal.",
    "HF_HOME, HF_TOKEN, HF_HUB_OFFLINE": "`export-models`, `collector score`: cache, login and offline mode "
    "of the Hugging Face hub.",
}
"""Variables that are no option of their own, and what they do."""


class Place(NamedTuple):
    """A command, and how it is entered."""

    name: str
    command: click.Command
    context: click.Context


def pages() -> dict[Path, str]:
    """Every page about commands: its path and its text."""
    overview = FOLDER / "commands.md"
    parts = {"commands": _overview(), "statuses": _statuses(), "variables": _variables()}
    return {
        overview: with_parts(overview.read_text(), parts),
        **{FOLDER / "commands" / f"{name}.md": _page(name, program) for name, program in PROGRAMS.items()},
    }


def with_parts(page: str, parts: dict[str, str]) -> str:
    """A page with its generated parts replaced, each between `<!-- generated: NAME -->` and `<!-- end -->`.

    Raises:
        ValueError: the page does not have each part exactly once.
    """
    for name, text in parts.items():
        begin, end = f"<!-- generated: {name} -->\n", "<!-- end -->\n"
        if page.count(begin) != 1:
            raise ValueError(f"the page has the part {name!r} {page.count(begin)} times")
        before, _, rest = page.partition(begin)
        page = f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"
    return page


def commands_of(name: str, command: click.Command, parent: click.Context | None = None) -> Iterator[Place]:
    """A command and all below it, in the order of help."""
    context = click.Context(command, info_name=name, parent=parent, **command.context_settings)
    yield Place(context.command_path, command, context)
    if isinstance(command, CommandGroup):
        for commands in command.sections(context).values():
            for inner in commands:
                yield from commands_of(inner.name or "", inner, context)


def _overview() -> str:
    parts = []
    for name, program in PROGRAMS.items():
        parts.append(f"### [{name}](commands/{name}.md)\n\n{_prose(summary(program))}\n")
        rows = ["| command | what it does |", "|---|---|"]
        for title, commands in program.sections(click.Context(program)).items():
            rows.append(f"| **{title}** | |")
            for command in commands:
                link = f"commands/{name}.md#{name}-{command.name}"
                rows.append(f"| [`{name} {command.name}`]({link}) | {_prose(summary(command))} |")
        parts.append("\n".join(rows) + "\n")
    return "\n".join(parts)


def _page(name: str, program: CommandGroup) -> str:
    places = list(commands_of(name, program))
    head = (
        f"# Commands of `{name}`\n\nGenerated from the code by `python -m docs.generate`: do not edit. "
        f"`{name} COMMAND --help` prints the same.\n[Exit statuses](../commands.md#exit-statuses) and "
        "[environment variables](../commands.md#environment-variables) are on another page.\n"
    )
    return "\n".join([head, *(_section(place) for place in places)])


def _section(place: Place) -> str:
    name, command, context = place
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    parts = [f"## {name}\n", f"    {usage}\n"]
    parts += [f"{_prose(paragraph)}\n" for paragraph in _paragraphs(command)]
    if isinstance(command, CommandGroup):
        for title, commands in command.sections(context).items():
            rows = [f"| {title} | |", "|---|---|"]
            for inner in commands:
                link = f"#{name} {inner.name}".replace(" ", "-")
                rows.append(f"| [`{inner.name}`]({link}) | {_prose(summary(inner))} |")
            parts.append("\n".join(rows) + "\n")
    for title, options in groups_of(command, context).items():
        rows = [f"| {title} | |", "|---|---|"]
        for option in options:
            rows.append(f"| {_code(names_of(option, context))} | {_prose(explanation(option))} |")
        parts.append("\n".join(rows) + "\n")
    if isinstance(command, Command | CommandGroup) and command.examples:
        lines = "\n".join(f"    {line}".rstrip() for line in command.examples.split("\n"))
        parts.append(f"Examples:\n\n{lines}\n")
    return "\n".join(parts)


def _statuses() -> str:
    rows = [f"| {status} | {meaning} |" for status, meaning in STATUSES]
    return "\n".join(["| status | meaning |", "|---|---|", *rows]) + "\n"


def _variables() -> str:
    options: dict[str, dict[str, str]] = {}
    for program, config in (("agent", AGENT_CONFIG), ("collector", COLLECTOR_CONFIG)):
        for option in config.settings.values():
            options.setdefault(variable(option), {})[program] = f"`{option.opts[0]}`"
    options["DISTILBENCH_DB"]["export-models suggest"] = "`--db`"
    rows = ["| variable | meaning |", "|---|---|"]
    for name, meaning in VARIABLES.items():
        rows.append(f"| {', '.join(_code(one) for one in name.split(', '))} | {meaning} |")
    for name, programs in sorted(options.items()):
        of = ", ".join(f"`{program}`" for program in programs)
        rows.append(f"| {_code(name)} | {of}: as {next(iter(programs.values()))}. |")
    return "\n".join(rows) + "\n"


def _paragraphs(command: click.Command) -> list[str]:
    return [" ".join(paragraph.split()) for paragraph in (command.help or "").split("\n\n")]


def _prose(text: str) -> str:
    """A text of help as Markdown: options as code, nothing else that Markdown would act on."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    parts = re.split(r"((?<![\w-])--[a-z][a-z0-9-]*|\b[A-Z]+_[A-Z_]+\b)", text)
    return "".join(
        f"`{part}`" if number % 2 else re.sub(r"([*_|<])", r"\\\1", part) for number, part in enumerate(parts)
    )


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"
