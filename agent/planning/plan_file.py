"""Reads a plan of runs, whose paths are relative to its folder, and keeps how far it is.

The command checks the values of options: see `agent/commands/run_plan.py`.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Final

import msgspec

from agent.errors import BadInput, StateUnusable
from agent.outbox.damage import move_aside
from commandline.disk import decoded, write_whole
from contract.codec import decode_json, printable
from contract.config import MAX_CONFIG_BYTES
from contract.errors import Malformed
from contract.fields import Count
from contract.orders.plan import NAMES, RunValues, Schedule, Timing, decode_schedule

_CLOCK_STEP: Final = timedelta(minutes=10)
"""A clock that is right does not go back further than this."""


def read_schedule(path: Path, options: Collection[str]) -> Schedule:
    """Read a plan; the bundles, questions and canaries of its runs become whole paths.

    Args:
        path: the file.
        options: keys that a run may have besides its bundles and questions.

    Raises:
        BadInput: it cannot be read, has an unknown key or a value of a wrong kind.
    """
    schedule = decoded(
        path, MAX_CONFIG_BYTES + 1, "plan", lambda data: decode_schedule(data, options), BadInput
    )
    folder = path.absolute().parent
    return Schedule(schedule.timing, tuple(_with_paths(run, folder) for run in schedule.runs))


def _with_paths(run: RunValues, folder: Path) -> RunValues:
    found: RunValues = {}
    for key, value in run.items():
        if key not in NAMES:
            found[key] = value
        elif isinstance(value, tuple):
            found[key] = tuple(str(folder / str(name)) for name in value)
        else:
            found[key] = str(folder / str(value))
    return found


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
