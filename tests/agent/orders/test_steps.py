"""An order can ask for what a plan can, with the same defaults and bounds, and for nothing else."""

from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from msgspec.structs import replace

from agent.commands.run import request_of as request_of_command
from agent.commands.run import run
from agent.commands.run_plan import _keys_of_a_run, run_plan
from agent.machine.device import usable_core_numbers
from agent.orders.shelf import Shelf
from agent.orders.steps import misfit, request_of, steps_of, timing_of
from commandline.options import context_of
from contract.orders.order import Order, OrderedRun
from contract.orders.plan import Timing
from tests.contract.examples import ORDERS

ORDER = ORDERS.orders[0]
NOT_ORDERED = {"answerable-only"}
"""The hub gives away only what has an answer."""


def keys() -> set[str]:
    return set(_keys_of_a_run(click.Context(run_plan)))


def values(run_: OrderedRun) -> dict[str, Any]:
    """The run as a `[[run]]` of a plan would have it."""
    given = {key.replace("_", "-"): value for key, value in msgspec.structs.asdict(run_).items()}
    return {key: value for key, value in given.items() if value is not None and key != "canary"}


def test_an_order_has_the_keys_of_a_plan() -> None:
    ordered = {field.replace("_", "-") for field in OrderedRun.__struct_fields__} - {"bundles", "questions"}
    assert ordered == keys() - NOT_ORDERED


def test_an_order_has_the_timing_of_a_plan() -> None:
    assert timing_of(replace(ORDER, rounds=1, idle_celsius=None)) == Timing()
    timing = timing_of(ORDER)
    assert (timing.rounds, timing.idle_celsius, timing.every_hours) == (3, 40.5, None)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"limit": 7, "seed": 3, "threads": 2, "decoding": "squad", "warmup": 0},
        {"threads": "auto", "spinning": False, "arena": False, "huge_pages": False, "ignore_memory": True},
        {"scenario": "offline", "batch_size": 4},
        {"scenario": "offline"},
        {"scenario": "server", "latency_bound": 50.0, "qps": 2.5},
        {"scenario": "sustained"},
        {"scenario": "sustained", "minutes": 2.0},
        {"scenario": "loadgen", "max_seconds": 60.0},
        {"min_queries": 100, "min_seconds": 5.0, "until": "p90", "rounds": 3, "turns": 2},
    ],
)
def test_a_run_of_an_order_is_that_of_the_same_plan(changes: dict[str, Any], tmp_path: Path) -> None:
    ordered = OrderedRun(bundles=("a",), questions="q.json", **changes)
    order = Order(
        id="1" * 32,
        created_at="2026-11-24T12:00:00Z",
        bundles={"a": "ab" * 32},
        questions={"q.json": "cd" * 32},
        runs=(ordered,),
    )
    asked = request_of(order, ordered, Shelf(tmp_path, 1))
    given = values(ordered) | {"bundles": (str(tmp_path / "a"),), "questions": str(tmp_path / "q.json")}
    given["broker"] = "mqtt://h"
    same = request_of_command(context_of(run, given, click.Context(click.Command("x"))).params)
    assert asked._replace(bundles=(), question_file=Path()) == same._replace(bundles=(), question_file=Path())
    assert asked.bundles == (tmp_path / "ordered" / "bundles" / ("ab" * 32) / "bundle",)
    assert asked.question_file == tmp_path / "ordered" / "questions" / ("cd" * 32) / "questions.json"


def test_bundles_take_turns_or_are_runs_of_their_own() -> None:
    both, alone = ORDER.runs
    assert steps_of(ORDER) == [both, alone]
    one_round = replace(both, rounds=1)
    assert [step.bundles for step in steps_of(replace(ORDER, runs=(one_round, alone)))] == [
        ("minilm-l6-fp32",),
        ("minilm-l6-int8",),
        ("minilm-l6-int8",),
    ]


def test_cores_that_are_not_here_do_not_fit() -> None:
    first = replace(ORDER.runs[0], affinity=str(min(usable_core_numbers())))
    assert misfit(replace(ORDER, runs=(first,))) is None
    for affinity, sentence in (("4000", "this machine has cores"), ("3-1", "is not a list of cores")):
        said = misfit(replace(ORDER, runs=(replace(first, affinity=affinity),)))
        assert said is not None and sentence in said
