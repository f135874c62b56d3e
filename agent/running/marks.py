"""Watches the machine while the worker computes, and decides which questions were disturbed.

During work that takes minutes without a pause, it looks every few seconds, so that a mark is about some
seconds and not about all of the work. A look reads some files, which counts as work of this process.
"""

import time
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final, NamedTuple

from agent.machine.energy import Meter
from agent.machine.telemetry import MachineState, Telemetry
from agent.worker.own_work import OwnWork
from agent.worker.protocol import QuestionOutcome, time_ns
from contract.records import Mark

LOOK_SECONDS: Final = 5.0


class Stretch(NamedTuple):
    """What is known about the time from the previous look until `end_ns`."""

    end_ns: int
    """When the stretch ends, by `time.monotonic_ns()`."""
    marks: frozenset[Mark]
    """What throttled the machine at the start, at the end or in between, or whether this process was busy."""
    after: MachineState
    energy_joules: float | None


class MachineWatch:
    """Watches the machine during one wait for the worker; made before the wait begins.

    Args:
        telemetry: reads the state of the machine.
        meter: measures its energy; None without a meter.
        own_work: measures the work of this process during the wait.
        look_seconds: time between two looks.
    """

    def __init__(
        self,
        telemetry: Telemetry,
        meter: Meter | None,
        own_work: OwnWork,
        look_seconds: float,
    ) -> None:
        self._telemetry = telemetry
        self._meter = meter
        self._own_work = own_work
        self._look_seconds = look_seconds
        self._before = telemetry.read().throttle or ()
        self._due_at = time.monotonic() + look_seconds
        self._stretches: list[Stretch] = []

    def look(self) -> None:
        """Look at the machine, if it is time; called again and again while the worker computes."""
        if self._meter is not None and self._meter.samples_power:
            self._meter.look()
        if time.monotonic() >= self._due_at:
            self._end_stretch()
            self._due_at = time.monotonic() + self._look_seconds

    def end(self) -> tuple[Stretch, ...]:
        """Look a last time; return all stretches, in order and without gaps."""
        self._end_stretch()
        return tuple(self._stretches)

    def _end_stretch(self) -> None:
        busy = self._own_work.was_too_much()
        after = self._telemetry.read()
        throttle = after.throttle or ()
        marks: set[Mark] = {*self._before, *throttle}
        if busy:
            marks.add("agent_busy")
        joules = self._meter.joules() if self._meter else None
        self._stretches.append(Stretch(time.monotonic_ns(), frozenset(marks), after, joules))
        self._before = throttle


def marks_of(outcome: QuestionOutcome, stretches: Sequence[Stretch]) -> frozenset[Mark]:
    """What disturbed a question between its arrival and its answer.

    Args:
        outcome: the outcome of the question.
        stretches: the stretches of the wait in which it was answered.
    """
    arrived_ns = outcome.asked_at_ns - outcome.waited_ns
    ended_ns = outcome.asked_at_ns + time_ns(outcome)
    at = bisect_left(stretches, arrived_ns, key=lambda stretch: stretch.end_ns)
    marks = stretches[at].marks
    while stretches[at].end_ns < ended_ns:
        at += 1
        marks |= stretches[at].marks
    return marks
