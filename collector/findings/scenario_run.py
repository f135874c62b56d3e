"""The results of one run of a scenario other than single-stream, flat like a `comparison.Row`.

Such a run is in no row, because the meaning of a time differs between scenarios. Fields that mean the same in
a row have the same name. Every interval covers 95 %; bounds of p99 have a confidence of 99 %.
"""

from typing import Final

import msgspec

from collector.findings.accuracy import Drawn
from collector.findings.between_rows import Interval, Moment
from contract.scenarios import LOADGEN, OFFLINE, SERVER, SINGLE_STREAM, SUSTAINED

COMPARED: Final = SINGLE_STREAM
"""The scenario of the comparison's rows."""
FOUND: Final = {
    OFFLINE: "questions_per_second",
    SERVER: "valid_per_second",
    SUSTAINED: "p50_ms",
    LOADGEN: "loadgen_p90_ms",
}
"""The main result of each other scenario, as a field of `ScenarioRun`."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """The results at one rate of arriving questions; times include the wait in the queue."""

    per_second: float
    """How many questions arrived per second."""
    answers: int
    """How many questions the times are of."""
    dropped: int
    """How many questions before these are left out, because the queue was still filling."""
    p50_ms: float
    p99_ms: float
    p99_bound_ms: float | None
    """Upper bound of p99 in a queue that never ends, with 99 % confidence; None if there is none."""
    load: float | None
    """Share of the time in which the device is busy at this rate: from 1 on, the queue grows for ever. None
    if too few questions were answered."""
    held: bool
    """Whether `p99_ms` and `p99_bound_ms` are within the run's latency bound."""
    undecided: str
    """Why it is not known whether the rate holds; empty if it is known."""
    verdict: str
    """`held`, `not held` or `not decided`."""


class ScenarioRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of `offline`, `server`, `sustained` or `loadgen`."""

    scenario: str
    hardware_class: str
    machine: str
    """Type of the machine: devices of one type are units of it."""
    questions: str
    """Name of the question file."""
    questions_sha256: str
    model: str
    title: str
    precision: str
    weights_origin: str
    bundle_sha256: str
    run_id: str
    device_id: str
    started_at: str
    state: str
    threads: int
    elapsed_seconds: float | None
    """Duration of the run; None until the end of the run has arrived."""
    answers: int
    """How many answers the run has, including repeated questions and errors."""
    answered: int
    """How many questions were answered without error."""
    selected: int
    """How many questions were to be asked."""
    errors: int
    """How many answers are errors, which count as wrong."""
    exact_match: float | None
    """Exact Match in percent, over the questions that were answered or ended in an error."""
    f1: float | None
    """Token F1 in percent, over the same questions as `exact_match`."""
    p50_ms: float | None
    """Median time. `server`: at the rate `at_per_second`, including the wait in the queue. `sustained`: of
    all answers, including those of a throttled machine. `loadgen`: by the agent's clock. `offline`: None,
    since a question's own time is its share of a batch."""
    p90_ms: float | None
    """90th percentile of the same times; None for `server`."""
    p99_ms: float | None
    """99th percentile of the same times."""
    p99_bound_ms: float | None
    """`server`: upper bound of p99 at the rate `at_per_second`, with 99 % confidence."""
    batch_size: int | None
    """`offline`: how many questions go through the network at once."""
    questions_per_second: float | None
    """`offline`: questions per second of the worker's time."""
    times_one_by_one: float | None
    """`offline`: mean time of questions asked one by one, divided by that of the same questions in batches,
    on the same device with the same bundle and settings."""
    gain_questions: int
    """`offline`: how many questions `times_one_by_one` is based on."""
    latency_bound_ms: float | None
    """`server`: the limit for p99."""
    valid_per_second: float | None
    """`server`: the highest tried rate at which p99 is within `latency_bound_ms`, with 99 % confidence."""
    at_per_second: float | None
    """`server`: the rate whose answers were recorded: `valid_per_second`, or the last rate tried if that is
    None."""
    rates: tuple[Rate, ...]
    """`server`: the rates in the order in which they were tried."""
    first_p50_ms: float | None
    """`sustained`: median of the first tenth of the answers; None with fewer than 60 answers."""
    last_p50_ms: float | None
    """`sustained`: median of the last tenth of the answers; None with fewer than 60 answers."""
    last_over_first: float | None
    """`sustained`: `last_p50_ms` / `first_p50_ms`."""
    end_answers: int
    """`sustained`: how many answers each of the two tenths has; 0 if they are not compared."""
    slowed_down_after_seconds: float | None
    """`sustained`: when the machine was first seen throttled, capped or short of voltage; None if it never
    was."""
    lowest_clock_hz: float | None
    """Lowest clock of any sample."""
    temperature_celsius: float | None
    """Highest temperature of any sample."""
    joules_per_question: float | None
    """Joules per answer, including idle power."""
    energy_source: str | None
    """The meter that measured the energy."""
    loadgen_p90_ms: float | None
    """`loadgen`: the 90th percentile that LoadGen reports."""
    loadgen_valid: bool | None
    """`loadgen`: whether LoadGen calls its result valid."""
    loadgen: dict[str, str]
    """`loadgen`: the lines of LoadGen's summary."""
    left_out: int
    """How many answers before an interruption `questions_per_second` does not cover."""
    moments: tuple[Moment, ...]
    """`sustained`: the course of the run over its duration."""
    drawn: Drawn | None
    """What the intervals of the run's accuracy take as drawn at random; None without an accuracy."""
    intervals: dict[str, Interval]
    """Intervals by field name, as far as known: exact_match, f1, times_one_by_one, last_over_first."""
    notes: dict[str, tuple[str, ...]]
    """Notes by field name: why the field is None, or what limits it."""
