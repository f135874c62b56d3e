"""What `--help` of every command says, at the width of the narrowest usual terminal."""

import re
import shlex
from typing import NamedTuple

import click
import pytest

from agent.cli import cli as agent
from collector.cli import cli as collector
from commandline.help import (
    CONTEXT,
    FEW,
    Command,
    CommandGroup,
    explanation,
    group_of,
    groups_of,
    option_group,
    summary,
)
from contract.config import Key, explain_config
from export.cli import cli as export_models

PROGRAMS = {"agent": agent, "collector": collector, "export-models": export_models}
WITH_EXAMPLES = {
    "agent": ("run", "run-plan", "flush", "doctor", "fetch", "answer"),
    "collector": (
        *("serve", "ingest", "questions add", "score", "report", "compare", "doctor", "provision"),
        *("watch", "evaluate", "query", "merge", "prune"),
    ),
    "export-models": ("build", "verify", "distill", "suggest", "questions squad", "list"),
}
GENERAL = {"--config", "--help", "--version"}
COUNTED = re.compile(r"\bN\b|^Seed for |^Number of |^TCP port |^Temperature ")


class Named(NamedTuple):
    name: str
    command: click.Command
    context: click.Context


def named(name: str, command: click.Command, parent: click.Context | None = None) -> list[Named]:
    """A command and all below it."""
    context = click.Context(
        command, info_name=name, parent=parent, **(CONTEXT if parent is None else {}), terminal_width=78
    )
    found = [Named(context.command_path, command, context)]
    if isinstance(command, click.Group):
        for own_name, inner in command.commands.items():
            found += named(own_name, inner, context)
    return found


COMMANDS = {each.name: each for name, program in PROGRAMS.items() for each in named(name, program)}
OPTIONS = {
    f"{each.name} {option.opts[0]}": option
    for each in COMMANDS.values()
    for option in each.command.params
    if isinstance(option, click.Option)
}
each_command = pytest.mark.parametrize("name", COMMANDS)
each_option = pytest.mark.parametrize("name", OPTIONS)


@each_command
def test_the_summary_is_a_sentence_on_one_line_of_its_list(name: str) -> None:
    command, context = COMMANDS[name].command, COMMANDS[name].context
    said = summary(command)
    assert said.endswith(".")
    assert said[0].isupper()
    if context.parent is not None:
        listed = context.parent.command.get_help(context.parent).split("\n")
        (line,) = [line for line in listed if line.startswith(f"  {context.info_name} ")]
        assert line.endswith(said)
        assert len(line) <= 80


@each_command
def test_help_fits_80_columns(name: str) -> None:
    text = COMMANDS[name].command.get_help(COMMANDS[name].context)
    assert not [line for line in text.split("\n") if len(line) > 80]


@each_command
def test_every_option_is_in_a_named_group(name: str) -> None:
    command, context = COMMANDS[name].command, COMMANDS[name].context
    assert isinstance(command, Command | CommandGroup)
    groups = groups_of(command, context)
    if sum(len(options) for options in groups.values()) <= FEW:
        assert list(groups) == ["Options"]
    else:
        *titled, last = groups
        assert titled
        assert last == "General"
        assert {option.opts[-1] for option in groups[last]} <= GENERAL


@each_option
def test_every_option_is_explained(name: str) -> None:
    said = explanation(OPTIONS[name])
    assert re.search(r"\w+.*[.\]]$", said)
    assert said[0].isupper() or said.split()[0] in {
        "offline:",
        "server:",
        "sustained:",
        "table:",
        "tokenizer.json,",
    }


@each_option
def test_a_number_has_a_unit_and_a_default(name: str) -> None:
    option = OPTIONS[name]
    if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType):
        said = explanation(option)
        assert option.metavar
        assert option.metavar != "N" or COUNTED.search(re.sub(r"^\w+: |^With --\w+: ", "", said))
        assert re.search(r"default: |required|instead of --", said)


@pytest.mark.parametrize(
    "name", [f"{program} {name}" for program, names in WITH_EXAMPLES.items() for name in names]
)
def test_a_main_command_has_an_example(name: str) -> None:
    command = COMMANDS[name].command
    assert isinstance(command, Command)
    assert f"{name} " in f"{command.examples} ".replace("\n", " ")


@each_command
def test_examples_name_commands_and_options_that_exist(name: str) -> None:
    command = COMMANDS[name].command
    assert isinstance(command, Command | CommandGroup)
    for line in command.examples.replace("\\\n", " ").split("\n"):
        words = shlex.split(line, comments=True)
        if not words or words[0] == "export":
            continue
        if words[0] == "sudo":
            del words[0]
        own = " ".join(words[:1])
        while f"{own} {' '.join(words[len(own.split()) :][:1])}" in COMMANDS:
            own = " ".join(words[: len(own.split()) + 1])
        if own == "collector predictions":
            own = "collector predictions write"
        known = {opt for option in COMMANDS[own].command.params for opt in option.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_the_list_is_in_the_order_of_use() -> None:
    text = agent.get_help(COMMANDS["agent"].context)
    places = [text.index(f"\n  {name} ") for name in ("doctor", "run", "status", "flush")]
    assert places == sorted(places)
    assert text.index("Prepare this device:") < places[0]


def test_names_of_options_are_not_cut_at_their_hyphens() -> None:
    text = COMMANDS["agent run"].command.get_help(COMMANDS["agent run"].context)
    assert not [line for line in text.split("\n") if line.endswith("-")]


def test_groups_keep_the_order_of_first_appearance_and_the_innermost_title() -> None:
    @click.command(cls=Command)
    @option_group("Second", *(click.option(f"--b{number}") for number in range(3)))
    @option_group("First", click.option("--a1"), option_group("Second", click.option("--a2")))
    @click.option("--plain", "plain")
    @click.option("--more", "more")
    def command() -> None:
        pass

    found = groups_of(command, click.Context(command))
    assert {title: [option.opts[0] for option in options] for title, options in found.items()} == {
        "Second": ["--b0", "--b1", "--b2", "--a2"],
        "First": ["--a1"],
        "General": ["--plain", "--more", "--help"],
    }
    assert group_of(found["General"][0]) is None


def test_a_command_without_a_section_is_listed_last() -> None:
    program = CommandGroup("program")
    program.add_command(Command("late", help="Late."))
    program.add_section("Early", Command("early", help="Early."))
    text = program.get_help(click.Context(program))
    assert text.index("Early:\n  early  Early.") < text.index("Commands:\n  late   Late.")


def test_a_wide_terminal_is_used_up_to_100_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with agent.make_context("agent", [], resilient_parsing=True) as context:
        command = agent.commands["run"]
        text = command.get_help(click.Context(command, parent=context, info_name="run"))
    assert 90 < max(len(line) for line in text.split("\n")) <= 100


def test_a_new_configuration_file_explains_each_key_in_lines_that_fit_a_screen() -> None:
    keys = [Key("limit", "Ask at most N questions, " * 10 + "chosen by --seed.", "DISTILBENCH_LIMIT", 5)]
    *comments, value = explain_config(keys, {}).strip().split("\n")
    assert value == "#limit = 5"
    assert len(comments) == 3
    assert all(line.startswith("# ") and len(line) <= 100 for line in comments)
    assert comments[-1].endswith("--seed. DISTILBENCH_LIMIT")


def test_a_missing_database_names_its_variable() -> None:
    command = collector.commands["runs"]
    with pytest.raises(click.MissingParameter) as missing:
        command.make_context("runs", [])
    assert "DISTILBENCH_DB" in str(missing.value.format_message())
