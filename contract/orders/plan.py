"""A plan: TOML that names the runs to measure, how often, and how cool the machine has to be in between.

    every-hours = 168
    rounds = 3

    [[run]]
    bundles = ["bundles/minilm-l6-fp32", "bundles/minilm-l6-int8"]
    questions = "dev-v1.1.json"
    threads = [1, 4]

A key of `[[run]]` is an option of `agent run` without its dashes; a list means one run with each of its
values. A list of bundles is one run that measures all of them, as `agent run A B` does. The plan's own rounds
are interleaved: every run once, then every run again. Who reads a plan decides what its names stand for:
`agent run-plan` takes them as paths, and `collector dispatch` as names of what the hub has.
"""

import itertools
from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec

from contract.config import Value, check_key, decode_toml
from contract.errors import Malformed

MAX_RUNS: Final = 10_000
BUNDLES: Final = "bundles"
QUESTIONS: Final = "questions"
CANARY: Final = "canary"
NAMES: Final = (BUNDLES, QUESTIONS, CANARY)
"""The keys of a run whose values name files or folders."""
_NEEDED: Final = (BUNDLES, QUESTIONS)

RunValues = dict[str, Value | tuple[Value, ...]]
"""The values of one run by key; several bundles are a tuple."""


class Timing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The keys of a plan besides its runs."""

    every_hours: float | None = None
    """Hours from one start of the plan to the next; None to work through it once."""
    rounds: int = 1
    cool_down_minutes: float = 15.0
    """The longest wait between two runs; 0 for none."""
    cool_down_celsius: float = 3.0
    """The next run starts when the machine is at most this much warmer than idle."""
    idle_celsius: float | None = None
    """Temperature of the idle machine; None for the temperature when the plan starts."""


class Schedule(msgspec.Struct, frozen=True):
    """What a plan asks for."""

    timing: Timing
    runs: tuple[RunValues, ...]
    """The values of each run by key, in the order of one round."""


def decode_schedule(data: bytes, options: Collection[str]) -> Schedule:
    """Decode a plan's file; the names in it are as they are written.

    Args:
        data: the bytes of the file, of which no more than one after `MAX_CONFIG_BYTES` need be read.
        options: keys that a run may have besides its bundles and questions.

    Raises:
        Malformed: it is no TOML, has an unknown key or a value of a wrong kind.
    """
    tables = decode_toml(data, "plan")
    runs = tables.pop("run", None)
    timing = _timing(tables)
    return Schedule(timing, _single_runs(runs, options, timing.rounds))


def _timing(tables: dict[str, Any]) -> Timing:
    names = {field.encode_name for field in msgspec.structs.fields(Timing)}
    for key in tables:
        check_key(key, {*names, "run"}, "plan")
    try:
        timing = msgspec.convert(tables, Timing)
    except msgspec.ValidationError as error:
        raise Malformed(f"plan: {error}") from None
    if timing.rounds < 1 or timing.cool_down_minutes < 0 or (timing.every_hours or 1) <= 0:
        raise Malformed("plan: rounds must be at least 1, every-hours above 0, cool-down-minutes at least 0")
    return timing


def _single_runs(runs: object, options: Collection[str], rounds: int) -> tuple[RunValues, ...]:
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs) or not runs:
        raise Malformed("plan: it has no [[run]] with bundles and questions")
    single = tuple(one for run in runs for one in _runs(run, options))
    if len(single) * rounds > MAX_RUNS:
        raise Malformed(f"plan: it has {len(single) * rounds} runs, but at most {MAX_RUNS} are allowed")
    return single


def _runs(run: dict[str, Any], options: Collection[str]) -> list[RunValues]:
    """The runs of a table, one for each combination of its lists' values; the bundles stay together."""
    for key in run:
        check_key(key, {*_NEEDED, *options}, "plan: [[run]]")
    for key in _NEEDED:
        if not run.get(key):
            raise Malformed(f"plan: a [[run]] has no {key!r}")
    choices = [_choices(key, value) for key, value in run.items()]
    return [dict(zip(run, picked, strict=True)) for picked in itertools.product(*choices)]


def _choices(key: str, value: Any) -> Sequence[Value | tuple[Value, ...]]:
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    if not values:
        raise Malformed(f"plan: {key!r} is an empty list")
    for one in values:
        if not isinstance(one, str | int | float | bool):
            raise Malformed(f"plan: {key!r} must be a text, a number, true or false, or a list of those")
        if key in NAMES and isinstance(one, bool):
            raise Malformed(f"plan: {key!r} must be a path or a list of paths")
    if key not in NAMES:
        return values
    names = tuple(map(str, values))
    return [names] if key == BUNDLES else names
