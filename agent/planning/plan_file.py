"""A plan: TOML that says which `agent run` commands to give, how often, and how cool to be in between.

    every-hours = 168
    rounds = 3

    [[run]]
    bundles = ["bundles/minilm-l6-fp32", "bundles/minilm-l6-int8"]
    questions = "dev-v1.1.json"
    threads = [1, 4]

A key of `[[run]]` is an option of `agent run` without its dashes; a list stands for one run with each of its
values. Rounds are interleaved: every run once, then every run again. Paths begin at the plan's folder.
"""

import hashlib
import itertools
import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from agent.errors import BadInput, StateUnusable
from agent.outbox.state_folder import write_whole
from contract.codec import printable
from contract.config import MAX_CONFIG_BYTES, check_key, decode_toml
from contract.errors import Malformed

MAX_RUNS: Final = 10_000
_PATHS: Final = ("bundles", "questions")


class Timing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """The keys of a plan besides its runs."""

    every_hours: float | None = None
    """Begin again so long after the last beginning; None for once."""
    rounds: int = 1
    cool_down_minutes: float = 15.0
    """How long to wait at most between runs; 0 for not at all."""
    cool_down_celsius: float = 3.0
    """So much warmer than idle is cool enough."""
    idle_celsius: float | None = None
    """None for the temperature when the plan begins."""


class Schedule(msgspec.Struct, frozen=True):
    """A plan, taken apart."""

    timing: Timing
    commands: tuple[tuple[str, ...], ...]
    """Arguments of `agent run`, in the order of one round."""


def read_schedule(path: Path, options: Collection[str]) -> Schedule:
    """Read a plan.

    Args:
        path: the file.
        options: keys that a run may have besides its bundles and questions.

    Raises:
        BadInput: it cannot be read, has an unknown key or a value of a wrong kind.
    """
    shown = f"'{printable(str(path))}'"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise BadInput(f"cannot read the plan {shown}: {error.strerror}") from None
    try:
        return _schedule(decode_toml(data, "plan"), path.absolute().parent, options)
    except Malformed as error:
        raise BadInput(f"{shown}: {error}") from None


def _schedule(tables: dict[str, Any], folder: Path, options: Collection[str]) -> Schedule:
    runs = tables.pop("run", None)
    names = {field.encode_name for field in msgspec.structs.fields(Timing)}
    for key in tables:
        check_key(key, {*names, "run"}, "plan")
    try:
        timing = msgspec.convert(tables, Timing)
    except msgspec.ValidationError as error:
        raise Malformed(f"plan: {error}") from None
    if timing.rounds < 1 or timing.cool_down_minutes < 0 or (timing.every_hours or 1) <= 0:
        raise Malformed("plan: rounds begin at 1, every-hours above 0, and cool-down-minutes at 0")
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs) or not runs:
        raise Malformed("plan: it has no [[run]] with bundles and questions")
    commands = tuple(command for run in runs for command in _commands(run, folder, options))
    if len(commands) * timing.rounds > MAX_RUNS:
        raise Malformed(
            f"plan: it has {len(commands) * timing.rounds} runs, and at most {MAX_RUNS} are allowed"
        )
    return Schedule(timing, commands)


def _commands(run: dict[str, Any], folder: Path, options: Collection[str]) -> list[tuple[str, ...]]:
    for key in run:
        check_key(key, {*_PATHS, *options}, "plan: [[run]]")
    for key in _PATHS:
        if not run.get(key):
            raise Malformed(f"plan: a [[run]] has no {key!r}")
    choices = [_choices(key, value, folder) for key, value in run.items()]
    return [tuple(itertools.chain.from_iterable(picked)) for picked in itertools.product(*choices)]


def _choices(key: str, value: Any, folder: Path) -> list[tuple[str, ...]]:
    """The arguments that each value of a key stands for."""
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    if not values:
        raise Malformed(f"plan: {key!r} is an empty list")
    found: list[tuple[str, ...]] = []
    for one in values:
        if isinstance(one, bool):
            found.append((f"--{key}",) if one else (f"--no-{key}",))
        elif not isinstance(one, str | int | float):
            raise Malformed(f"plan: {key!r} must be a text, a number, true or false, or a list of those")
        elif key == "bundles":
            found.append((str(folder / str(one)),))
        else:
            found.append((f"--{key}", str(folder / str(one)) if key in _PATHS else str(one)))
    return found


class Course(msgspec.Struct, frozen=True):
    """How far a plan is; kept in the state folder, so that it goes on after a reboot."""

    identity: str
    """Equal as long as the plan asks for the same."""
    began_at: datetime
    done: int = 0
    """Runs that have ended, in the plan's order over all rounds."""
    failed: int = 0
    idle_celsius: float | None = None

    def due(self, timing: Timing, now: datetime) -> bool:
        """Whether a plan that is through shall begin again."""
        return timing.every_hours is not None and now - self.began_at >= timedelta(hours=timing.every_hours)


def identity_of(schedule: Schedule, inputs: Sequence[str]) -> str:
    """Equal for plans with the same commands on the same bundles and questions."""
    parts = (schedule.commands, schedule.timing.rounds, tuple(inputs))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


class CourseFile:
    """Where a course is kept.

    Args:
        folder: the state folder.
        plan: the plan's file; each has a course of its own.
    """

    def __init__(self, folder: Path, plan: Path) -> None:
        name = hashlib.sha256(str(plan.resolve()).encode()).hexdigest()[:16]
        self._path = folder / f"plan-{name}.json"

    def read(self) -> Course | None:
        """The course, if there is one that can be read."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Course)
        except (OSError, msgspec.DecodeError):
            # Lost or damaged: the plan begins anew, which costs time and no result.
            return None

    def write(self, course: Course) -> None:
        """Keep the course.

        Raises:
            StateUnusable: it cannot be written.
        """
        try:
            write_whole(self._path, msgspec.json.encode(course))
        except OSError as error:
            raise StateUnusable(f"cannot keep how far the plan is: {error.strerror}") from None


def utc_time() -> datetime:
    """The time now."""
    return datetime.now(UTC)
