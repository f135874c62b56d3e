"""What one run of another scenario than single-stream found, flat as a `comparison.Row` is.

It is in no row: what a time is differs from scenario to scenario. Fields have the names that a row has where
they mean the same. Every interval covers 95 %, but for bounds, which say so.
"""

from typing import Final

import msgspec

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
"""The number that each other scenario is for, as a field of `ScenarioRun`."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """Questions that arrived at one rate; their times include what they waited."""

    per_second: float
    answers: int
    p50_ms: float
    p99_ms: float
    p99_bound_ms: float | None
    """What p99 is at most, with 99 % confidence; None where the answers are too few."""
    held: bool
    """Whether p99, by its bound where there is one, is within the latency bound of the run."""


class ScenarioRun(msgspec.Struct, frozen=True, kw_only=True):
    """One run of `offline`, `server`, `sustained` or `loadgen`."""

    scenario: str
    hardware_class: str
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
    """None as long as the run's end has not come."""
    answers: int
    """Repeats and errors included."""
    answered: int
    """Questions answered, without errors."""
    selected: int
    """Questions asked for."""
    errors: int
    exact_match: float | None
    """Percent, over the questions answered and those that ended in an error."""
    f1: float | None
    """Percent, the same."""
    p50_ms: float | None
    """`server`: queueing included, at `at_per_second`. `sustained`: of all answers, those of a
    machine that was slowed down too. `loadgen`: by the agent's clock. `offline`: None, since a question's own
    time is its share of a batch."""
    p90_ms: float | None
    """The same; None for `server`."""
    p99_ms: float | None
    """As `p50_ms`."""
    p99_bound_ms: float | None
    """`server`: what p99 is at most at `at_per_second`, with 99 % confidence."""
    batch_size: int | None
    """`offline`: questions that go through the network at once."""
    questions_per_second: float | None
    """`offline`: of the time that the worker spent on them."""
    times_one_by_one: float | None
    """`offline`: that over the questions per second of the row of the same bundle and threads."""
    latency_bound_ms: float | None
    """`server`: what p99 may be."""
    valid_per_second: float | None
    """`server`: the highest rate at which p99 was within that."""
    at_per_second: float | None
    """`server`: the rate whose answers were recorded: that one, or else the last that was tried."""
    rates: tuple[Rate, ...]
    """`server`: in the order tried."""
    first_p50_ms: float | None
    """`sustained`: median of the first tenth of the answers."""
    last_p50_ms: float | None
    """`sustained`: median of the last tenth."""
    slowed_down_after_seconds: float | None
    """`sustained`: when the machine was first seen throttled, capped or short of voltage; None for never."""
    lowest_clock_hz: float | None
    temperature_celsius: float | None
    """The highest that a sample saw."""
    joules_per_question: float | None
    energy_source: str | None
    loadgen_p90_ms: float | None
    """`loadgen`: the 90th percentile that LoadGen reports."""
    loadgen_valid: bool | None
    """`loadgen`: whether it calls its result valid."""
    loadgen: dict[str, str]
    """`loadgen`: the lines of its summary."""
    left_out: int
    """Answers before an interruption, of which `questions_per_second` knows nothing."""
    moments: tuple[Moment, ...]
    """`sustained`: how it went."""
    intervals: dict[str, Interval]
    """By the field's name, where there is one: exact_match, f1."""
    notes: dict[str, tuple[str, ...]]
    """What has to be said about a field, by the field's name: why it is None, or what limits it."""
