"""Parameters of a command from values: the same types, limits and ranks as from arguments."""

from pathlib import Path
from typing import Any

import click
import pytest
from click.core import ParameterSource
from click.testing import CliRunner

from commandline.options import arguments_of, context_of


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(min=1), envvar="LIMIT")
@click.option("--seed", type=int, default=7, envvar="SEED")
@click.option("--rate", type=float)
@click.option("--spinning/--no-spinning", default=True)
@click.option("--force", is_flag=True)
@click.option("--broker")
def inner(**_: Any) -> None:
    pass


def entered(
    given: dict[str, Any], *arguments: str, file: dict[str, Any] | None = None, **variables: str
) -> dict[str, tuple[Any, ParameterSource | None]]:
    """The parameters of `inner`, and where each comes from, under a command that has `--broker` too."""
    found = {}

    @click.command()
    @click.option("--broker", envvar="BROKER")
    @click.pass_context
    def outer(context: click.Context, /, broker: str | None) -> None:
        made = context_of(inner, {"bundles": "b", **given}, context)
        found.update({name: (value, made.get_parameter_source(name)) for name, value in made.params.items()})

    CliRunner(env=variables).invoke(
        outer, arguments, default_map=file, catch_exceptions=False, standalone_mode=False
    )
    return found


def test_values_have_the_types_of_their_parameters() -> None:
    found = entered({"limit": 3, "rate": 2, "spinning": False, "force": True})
    assert {name: value for name, (value, _) in found.items()} == {
        "bundles": (Path("b"),),
        "limit": 3,
        "seed": 7,
        "rate": 2.0,
        "spinning": False,
        "force": True,
        "broker": None,
    }


def test_a_value_outranks_a_variable_a_variable_the_file_and_the_file_a_default() -> None:
    file = {"limit": 1, "seed": 2, "rate": 0.5}
    found = entered({"limit": 3}, file=file, LIMIT="4", SEED="5")
    assert found["limit"] == (3, ParameterSource.COMMANDLINE)
    assert found["seed"] == (5, ParameterSource.ENVIRONMENT)
    assert found["rate"] == (0.5, ParameterSource.DEFAULT_MAP)
    assert found["spinning"] == (True, ParameterSource.DEFAULT)


def test_what_the_running_command_has_keeps_its_value_and_source() -> None:
    assert entered({}, "--broker", "x")["broker"] == ("x", ParameterSource.COMMANDLINE)
    assert entered({}, BROKER="y")["broker"] == ("y", ParameterSource.ENVIRONMENT)
    assert entered({})["broker"] == (None, ParameterSource.DEFAULT)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"limit": 0}, "'--limit': 0 is not in the range x>=1"),
        ({"limit": 2.5}, "'--limit': '2.5' is not a valid integer"),
        ({"limit": "few"}, "'--limit': 'few' is not a valid integer"),
        ({"limit": True}, "'--limit': it takes a value, not true or false"),
        ({"rate": False}, "'--rate': it takes a value, not true or false"),
        ({"spinning": 3}, "it takes true or false, not 3"),
        ({"force": "yes"}, "it takes true or false, not 'yes'"),
        ({"bundles": True}, "it takes a value, not true or false"),
    ],
)
def test_a_value_that_its_parameter_does_not_take_is_refused(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        entered(given)
    assert complaint in caught.value.format_message()


def test_a_required_value_is_missed() -> None:
    @click.command()
    @click.pass_context
    def outer(context: click.Context, /) -> None:
        context_of(inner, {}, context)

    with pytest.raises(click.MissingParameter):
        CliRunner().invoke(outer, catch_exceptions=False, standalone_mode=False)


def test_values_are_shown_as_the_arguments_that_stand_for_them() -> None:
    given = {"bundles": "b", "spinning": False, "limit": 3, "force": True}
    assert arguments_of(inner, given) == ("b", "--no-spinning", "--limit", "3", "--force")
    assert arguments_of(inner, {"spinning": True, "force": False}) == ("--spinning",)
