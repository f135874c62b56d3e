import json
import logging
from collections.abc import Iterator
from datetime import datetime

import click
import pytest
from click.testing import CliRunner, Result

from commandline.program import messages
from commandline.program.messages import Problem, message_options, say

SAID = ("a detail", "a step", "a problem")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    messages.configure()


@click.command()
@message_options
@click.option("--name")
def talk(name: str | None) -> None:
    logging.getLogger("distilbench.agent").debug(SAID[0])
    say(SAID[1])
    say(Problem(SAID[2]))


def ran(*options: str) -> Result:
    return CliRunner().invoke(talk, options)


@pytest.mark.parametrize(
    ("option", "heard"),
    [((), SAID[1:]), (("-v",), SAID), (("--verbose",), SAID), (("-q",), SAID[2:]), (("--quiet",), SAID[2:])],
)
def test_options_choose_what_is_said_on_standard_error(
    option: tuple[str, ...], heard: tuple[str, ...]
) -> None:
    done = ran(*option)
    assert (done.stdout, done.stderr.splitlines()) == ("", list(heard))


def test_json_has_one_object_per_line() -> None:
    done = ran("--log-format", "json", "-v")
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(one["level"], one["message"]) for one in found] == list(
        zip(("debug", "info", "warning"), SAID, strict=True)
    )
    assert all(datetime.fromisoformat(one["time"]).utcoffset() is not None for one in found)


def test_json_has_nothing_that_a_terminal_acts_on() -> None:
    @click.command()
    @message_options
    def odd() -> None:
        say("ü \u202eb\x9b")

    (line,) = CliRunner().invoke(odd, ["--log-format", "json"]).stderr.splitlines()
    assert line.endswith(r'"message": "ü \u202eb\u009b"}')
    assert json.loads(line)["message"] == "ü \u202eb\x9b"


def test_a_percent_sign_is_said_as_it_is() -> None:
    @click.command()
    @message_options
    def percent() -> None:
        say("100 %s done")

    assert CliRunner().invoke(percent).stderr == "100 %s done\n"


def test_more_and_less_at_once_is_wrong_usage() -> None:
    done = ran("-q", "-v")
    assert done.exit_code == 2
    assert "--verbose and --quiet cannot be used together" in done.stderr


def test_nothing_is_drawn_between_messages_that_a_program_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    drawn = []
    for options in ({}, {"quiet": True}, {"verbose": True}, {"as_json": True}):
        messages.configure(**options)
        drawn.append(messages.may_draw())
    assert drawn == [True, False, False, False]
