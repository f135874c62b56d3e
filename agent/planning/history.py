"""What earlier commands have measured on this device: how long bundles take, and how much rounds differ.

It is kept in a file of the state folder, to say before a run how long the run will take and what it can
detect. No result depends on it, so a file that is lost or damaged is started over.
"""

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from agent.planning.plan import Plan
from commandline.disk import write_whole
from contract.codec import encode

HISTORY_FILE: Final = "history.json"
_MOST_PACES: Final = 500
_MOST_SPREADS: Final = 20


class Pace(msgspec.Struct, frozen=True):
    """How long the parts of a run take, pauses included."""

    start_ns: int
    """Start of the worker, load and first question."""
    question_ns: int
    """Mean over the questions."""


class _Content(msgspec.Struct, frozen=True):
    paces: dict[str, Pace] = {}
    """By `_key`, the newest last."""
    spreads: dict[int, tuple[float, ...]] = {}
    """By the number of turns in a round: of each command, the standard deviation between rounds; the newest
    last."""


class History:
    """Reads and extends the file.

    Args:
        folder: the state folder.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / HISTORY_FILE
        try:
            self._content = msgspec.json.decode(self._file.read_bytes(), type=_Content)
        except (OSError, ValueError, RecursionError):  # damaged: no JSON of this shape, or no UTF-8
            self._content = _Content()

    def pace(self, plan: Plan) -> Pace | None:
        """The pace of an earlier run of the same bundle, questions and way of asking; None without one."""
        return self._content.paces.get(_key(plan))

    def spread(self, turns: int) -> float | None:
        """Standard deviation between rounds: the median over the latest commands; None if none is known.

        It is that of the logarithm of the ratio of two bundles' times. A command on a busy machine does not
        move the median far.

        Args:
            turns: how many turns a bundle had in a round.
        """
        known = self._content.spreads.get(turns)
        return median(known) if known else None

    def add(self, paces: Iterable[tuple[Plan, Pace]], spread: float | None, turns: int) -> None:
        """Keep what a command has measured.

        Args:
            paces: of its runs.
            spread: how much rounds differed; None if that is not known.
            turns: how many turns a bundle had in a round.
        """
        new = {_key(plan): pace for plan, pace in paces}
        old = {key: pace for key, pace in self._content.paces.items() if key not in new}
        spreads = dict(self._content.spreads)
        if spread is not None:
            spreads[turns] = (*spreads.get(turns, ()), spread)[-_MOST_SPREADS:]
        self._content = _Content(paces=dict([*old.items(), *new.items()][-_MOST_PACES:]), spreads=spreads)
        with suppress(OSError):  # the disk is full: the next command knows less
            write_whole(self._file, msgspec.json.encode(self._content))


def _key(plan: Plan) -> str:
    """A hash of all that decides the pace: machine, software, bundle, question file and settings."""
    device = plan.device
    machine = (device.cpu_model, device.cpu_flags, device.cores, device.memory_bytes, device.versions)
    way = plan.settings
    settings = (
        way.scenario,
        way.decoding,
        way.max_tokens,
        way.threads,
        way.batch_size,
        way.turns,
        way.options,
    )
    parts = (plan.bundle.sha256, plan.question_set.sha256, machine, settings)
    return hashlib.sha256(encode(parts)).hexdigest()
