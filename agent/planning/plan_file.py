"""A plan: TOML that names the runs to measure, how often, and how cool the machine has to be in between.

    every-hours = 168
    rounds = 3

    [[run]]
    bundles = ["bundles/minilm-l6-fp32", "bundles/minilm-l6-int8"]
    questions = "dev-v1.1.json"
    threads = [1, 4]

A key of `[[run]]` is an option of `agent run` without its dashes; a list means one run with each of its
values. A list of bundles is one run that measures all of them, as `agent run A B` does. The plan's own rounds
are interleaved: every run once, then every run again. Paths are relative to the plan's folder. The command
checks the values of options: see `agent/commands/run_plan.py`.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from agent.errors import BadInput, StateUnusable
from agent.outbox.damage import move_aside
from commandline.disk import write_whole
from contract.codec import decode_json, printable
from contract.config import MAX_CONFIG_BYTES, Value, check_key, decode_toml
from contract.errors import Malformed
from contract.fields import Count

MAX_RUNS: Final = 10_000
BUNDLES: Final = "bundles"
_NEEDED: Final = (BUNDLES, "questions")
_PATHS: Final = (*_NEEDED, "canary")
_CLOCK_STEP: Final = timedelta(minutes=10)
"""A clock that is right does not go back further than this."""

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
    """The values of each run by key, in the order of one round; `bundles` and `questions` are whole paths."""


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
        raise Malformed("plan: rounds must be at least 1, every-hours above 0, cool-down-minutes at least 0")
    if not isinstance(runs, list) or not all(isinstance(run, dict) for run in runs) or not runs:
        raise Malformed("plan: it has no [[run]] with bundles and questions")
    single = tuple(one for run in runs for one in _runs(run, folder, options))
    if len(single) * timing.rounds > MAX_RUNS:
        raise Malformed(
            f"plan: it has {len(single) * timing.rounds} runs, but at most {MAX_RUNS} are allowed"
        )
    return Schedule(timing, single)


def _runs(run: dict[str, Any], folder: Path, options: Collection[str]) -> list[RunValues]:
    """The runs of a table, one for each combination of its lists' values; the bundles stay together."""
    for key in run:
        check_key(key, {*_NEEDED, *options}, "plan: [[run]]")
    for key in _NEEDED:
        if not run.get(key):
            raise Malformed(f"plan: a [[run]] has no {key!r}")
    choices = [_choices(key, value, folder) for key, value in run.items()]
    return [dict(zip(run, picked, strict=True)) for picked in itertools.product(*choices)]


def _choices(key: str, value: Any, folder: Path) -> Sequence[Value | tuple[Value, ...]]:
    values: Sequence[Any] = value if isinstance(value, list) else [value]
    if not values:
        raise Malformed(f"plan: {key!r} is an empty list")
    for one in values:
        if not isinstance(one, str | int | float | bool):
            raise Malformed(f"plan: {key!r} must be a text, a number, true or false, or a list of those")
        if key in _PATHS and isinstance(one, bool):
            raise Malformed(f"plan: {key!r} must be a path or a list of paths")
    if key not in _PATHS:
        return values
    paths = tuple(str(folder / str(one)) for one in values)
    return [paths] if key == BUNDLES else paths


class Position(msgspec.Struct, frozen=True):
    """How far a plan is; saved in the state folder, so that no run is repeated after a reboot."""

    identity: str
    """A hash that is equal as long as the plan asks for the same."""
    began_at: Annotated[datetime, msgspec.Meta(tz=True)]
    done: Count = 0
    """Number of runs that have ended, in the plan's order over all rounds."""
    failed: Count = 0
    idle_celsius: float | None = None
    seconds: dict[int, float] = {}
    """How long each run of a round took, with the wait before the next one, by its place in the round; those
    that were not interrupted."""

    def due(self, timing: Timing, now: datetime, *, clock_is_right: bool = True) -> bool:
        """Whether a finished plan has to start again.

        Args:
            timing: how often it starts.
            now: the time.
            clock_is_right: False if the clock may be slow. If it is right, a plan that began in the future
                began while it was fast, and is due.
        """
        if timing.every_hours is None:
            return False
        since = now - self.began_at
        return since >= timedelta(hours=timing.every_hours) or (clock_is_right and since < -_CLOCK_STEP)


def identity_of(commands: Sequence[Sequence[str]], rounds: int, inputs: Sequence[str]) -> str:
    """A hash that is equal for plans of the same runs on the same bundles and questions.

    Args:
        commands: the arguments of `agent run` for each run of one round.
        rounds: how often the plan repeats them.
        inputs: SHA-256 of each bundle and question file, in the order of their first use.
    """
    # The position files of earlier versions hold this hash: keep what goes into it.
    return hashlib.sha256(json.dumps((commands, rounds, inputs)).encode()).hexdigest()


_POSITION: Final = msgspec.json.Decoder(Position)


class PositionFile:
    """The file that holds a plan's position.

    Args:
        folder: the state folder.
        plan: the plan's file; each plan has a position of its own.
    """

    def __init__(self, folder: Path, plan: Path) -> None:
        name = hashlib.sha256(str(plan.resolve()).encode()).hexdigest()[:16]
        self._path = folder / f"plan-{name}.json"

    def read(self, say: Callable[[str], None]) -> Position | None:
        """The position; None if there is none, or a damaged one, which is moved aside.

        If it is lost, the plan starts over, which costs time and no result.

        Args:
            say: prints a warning about damage.

        Raises:
            StateUnusable: it cannot be read, or not be moved aside.
        """
        try:
            return decode_json(self._path.read_bytes(), _POSITION, "position")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StateUnusable(f"cannot read the position in the plan: {error.strerror}") from None
        except Malformed:
            aside = move_aside(self._path)
            say(f"the position in the plan was damaged and moved to '{printable(str(aside))}': starting over")
            return None

    def write(self, position: Position) -> None:
        """Save the position.

        Raises:
            StateUnusable: it cannot be written.
        """
        try:
            write_whole(self._path, msgspec.json.encode(position))
        except OSError as error:
            raise StateUnusable(f"cannot save the position in the plan: {error.strerror}") from None


def utc_time() -> datetime:
    """The time now."""
    return datetime.now(UTC)
