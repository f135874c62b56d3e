"""The format of an output: what the user names, or the ending of the file."""

from pathlib import Path

import click
import pytest

from collector.commands.changes import trend
from collector.commands.options import chosen_format
from collector.commands.reports import FORMATS, report


@pytest.mark.parametrize(
    ("form", "as_json", "target", "chosen"),
    [
        (None, False, None, "table"),
        (None, True, None, "json"),
        ("csv", False, "x.html", "csv"),
        ("json", True, None, "json"),
        (None, False, "x.HTM", "html"),
        (None, False, "x.md", "markdown"),
        (None, False, "x.tex", "latex"),
        (None, False, "x.unknown", "table"),
        (None, False, "x", "table"),
        (None, True, "x.html", "json"),
    ],
)
def test_a_format_is_named_or_that_of_the_file(
    form: str | None, as_json: bool, target: str | None, chosen: str
) -> None:
    assert chosen_format(form, as_json, FORMATS, Path(target) if target else None) == chosen


def test_a_format_that_a_command_does_not_have_is_not_chosen_by_an_ending() -> None:
    assert chosen_format(None, False, ("table", "json"), Path("x.html")) == "table"


def test_json_and_another_format_are_refused() -> None:
    with pytest.raises(click.UsageError, match="--json and --format cannot be used together"):
        chosen_format("html", True, FORMATS)


@pytest.mark.parametrize("command", [report, trend])
def test_the_help_names_the_endings(command: click.Command) -> None:
    (option,) = (param for param in command.params if param.name == "form")
    assert isinstance(option, click.Option) and "by the ending of --to" in (option.help or "")
