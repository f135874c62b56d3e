"""The records of a run. The field `seq` numbers them 0, 1, 2, … without gaps.

The first record of a run is `RunStarted`, the last is `RunFinished`. Between them a run has one or several
rounds, numbered from 0: `RoundStarted`, then one `Answer` per question asked and any number of `Sample`s,
then `RoundFinished`. Every `Canary` follows a start of round 0. A process that resumes a run adds
`RunResumed` first. The round that was interrupted then starts a second time, with the same number, and
continues after the questions that are recorded. A record is written once and never changed.

Every `at_ns` counts from the start of the run, on a clock that stands still between two rounds or turns of
the run, while other runs have their turn, and between two processes. Runs of version 1 have neither rounds
nor epochs: the whole run is one round.
"""

from typing import Literal

import msgspec

from contract.bundle import Manifest
from contract.device import Device
from contract.fields import (
    Bytes,
    Count,
    Epoch,
    Name,
    Nanoseconds,
    Probability,
    Rate,
    Ratio,
    RunId,
    Seconds,
    Sha256,
    Text,
    UtcTime,
)

Mark = Literal[
    "agent_busy",
    "throttled",
    "under_voltage",
    "frequency_capped",
    "soft_temperature_limit",
]
"""Why a question's time is left out of latency statistics."""

RunStatus = Literal["complete", "inconclusive", "interrupted", "failed"]


class _Record(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    tag_field="type",
    omit_defaults=True,
):
    """The fields of every record, in addition to its `type`.

    The types are run_started, run_resumed, round_started, canary, answer, sample, round_finished and
    run_finished.
    """

    seq: Count
    """Number of the record in its run, from 0."""


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The settings of a run. Runs with equal settings can be compared."""

    scenario: Name
    """How questions arrive. `single-stream`: one after the other; `offline`: in batches; `server`: at random
    moments, like users' questions; `sustained`: single-stream for minutes; `loadgen`: single-stream, driven
    by MLPerf's LoadGen."""
    decoding: Name
    """How the answer is chosen. `pipeline`: with the defaults of Hugging Face's question-answering pipeline;
    `squad`: with those of the official scripts."""
    max_tokens: Count
    """Longest window in tokens, question and special tokens included."""
    stride_tokens: Count
    """Tokens of context that consecutive windows share."""
    max_answer_tokens: Count
    threads: Count
    """Intra-op threads of the session."""
    warmup_questions: Count
    limit: Count | None = None
    """How many questions of the file to ask; None for all."""
    seed: Count
    """Seed of the random choice of questions, if there is a limit, and of their order."""
    options: dict[str, str | int | float | bool] = {}
    """Other settings of the runtime, by the names that the runtime gives them."""
    min_queries: Count = 0
    """The questions are repeated until at least this many have been asked."""
    min_seconds: Seconds = 0.0
    """The questions are repeated until at least this many seconds have passed since the run began."""
    max_seconds: Seconds | None = None
    """The run ends after this many seconds, however many questions were asked; None for no limit."""
    percentile: Count | None = None
    """The questions are repeated until this percentile, 90 or 99, has an upper bound, unless there are too
    few different questions for one; None to need no bound."""
    batch_size: Count = 1
    """`offline`: how many questions the network processes at once."""
    qps: Rate | None = None
    """`server`: how many questions arrive per second, on average; None to search for the highest rate."""
    latency_bound_ns: Nanoseconds | None = None
    """`server`: the highest p99 allowed, queueing included."""
    rounds: Count = 1
    """How many rounds the selected questions are shared out over. Each round has a fresh worker."""
    turns: Count = 1
    """How many turns the bundle has in each round. With more than one, the workers of all bundles of the
    command are loaded together if they fit into memory, and energy is not measured."""


class QuestionSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The questions that a run asks."""

    name: Name
    sha256: Sha256
    """`questions.QuestionFile.sha256` of the whole file."""
    total: Count
    """How many questions are in the file."""
    selected: Count
    """How many of them this run asks."""


class ThreadTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The median time with one number of threads, measured to find the fastest number."""

    threads: Count
    p50_ns: Nanoseconds


class RunStarted(_Record, tag="run_started", frozen=True, kw_only=True):
    """The start of a run: which device measures which bundle, with which questions and settings."""

    device: Device
    bundle_sha256: Sha256
    """SHA-256 of the bundle's manifest, which lists the SHA-256 of every file."""
    bundle: Manifest
    questions: QuestionSet
    settings: Settings
    started_at: UtcTime
    clock_synchronised: bool | None = None
    """Whether the operating system reports that the wall clock is synchronised; None if it does not report
    this."""
    remarks: tuple[Text, ...] = ()
    """Reasons against measuring at that moment, one sentence each: a busy, hot or throttled machine."""
    thread_trials: tuple[ThreadTrial, ...] = ()
    """The trials that `settings.threads` was chosen from; empty if there were none."""
    epoch: Epoch | None = None
    """Identifies the command that started the run; None in version 1. Runs with equal epochs took turns, so
    their rounds with equal numbers were measured side by side."""
    order: RunId | None = None
    """The order that the run belongs to; None for a run that somebody started on the device."""


class RunResumed(_Record, tag="run_resumed", frozen=True, kw_only=True):
    """A further process continues the run: the first record that it adds."""

    epoch: Epoch
    """Identifies the command that the process belongs to, as in `RunStarted`."""
    resumed_at: UtcTime


class RoundStarted(_Record, tag="round_started", frozen=True, kw_only=True):
    """A fresh worker is loaded and warm. What follows, up to `RoundFinished`, belongs to this round."""

    round: Count
    """Number of the round in its run, from 0."""
    at_ns: Nanoseconds
    load_ns: Nanoseconds
    """Time to hash and load the bundle, until the session is ready."""
    first_ns: Nanoseconds | None = None
    """Time of the worker's first question, cold; None if it could not be answered. The question is asked
    again later, and only then counts."""
    remarks: tuple[Text, ...] = ()
    """Reasons against measuring at that moment, one sentence each."""


class RoundFinished(_Record, tag="round_finished", frozen=True, kw_only=True):
    """All questions of the round are answered. A round without it was interrupted, or its worker failed."""

    round: Count
    at_ns: Nanoseconds
    peak_rss_bytes: Bytes | None = None
    """Highest resident memory of the round's worker process."""


class Canary(_Record, tag="canary", frozen=True, kw_only=True):
    """The answer to a question on which machines are likeliest to differ: an alarm for a broken kernel.

    It is asked before the first round begins, and counts in no number of the run: neither in a time nor in
    the accuracy, nor as a question that was asked. If the round is interrupted before its first answers, all
    canaries are recorded again.
    """

    question_id: Name
    text: Text
    """As in `Answer`."""
    confidence: Probability
    error: Text | None = None


class Answer(_Record, tag="answer", frozen=True, kw_only=True):
    """One question answered once. Its time is `tokenize_ns + infer_ns + decode_ns`."""

    at_ns: Nanoseconds
    """When the question was asked, counted from the start of the run."""
    question_id: Name
    text: Text
    """The predicted span, copied from the context; empty if there is an `error`."""
    start_char: Count
    """Start of the span in the context, in characters (code points)."""
    end_char: Count
    """End of the span in the context, in characters (code points), exclusive."""
    confidence: Probability
    tokenize_ns: Nanoseconds
    infer_ns: Nanoseconds
    decode_ns: Nanoseconds
    windows: Count
    tokens: Count
    """Tokens in all windows together."""
    repeat: Count = 0
    """0 the first time a question is asked in a run, then 1, 2, …"""
    waited_ns: Nanoseconds = 0
    """`server`: the time from the question's arrival until its turn came. It is not part of the question's
    time."""
    marks: tuple[Mark, ...] = ()
    error: Text | None = None


class Sample(_Record, tag="sample", frozen=True, kw_only=True):
    """The state of the machine at one moment. A value is None if it cannot be read.

    Samples are taken between two questions, and now and then while `server` and `loadgen` ask without pause.
    """

    at_ns: Nanoseconds
    temperature_celsius: float | None = None
    clock_hz: Count | None = None
    throttle: tuple[Mark, ...] = ()
    worker_rss_bytes: Bytes | None = None
    energy_joules: float | None = None
    """Energy used since the first recorded question of the round, as measured by the run's energy source; in
    version 1, since the run started."""


class PercentileBound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An upper bound of a percentile with 99 % confidence, computed like MLPerf's early stopping."""

    percent: Count
    queries: Count
    """How many different questions the bound is computed from, each with its newest time without marks."""
    needed: Count
    """The smallest number of questions that gives a bound."""
    value_ns: Nanoseconds | None = None
    """The bound; None if there are too few questions."""


class RateTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was measured while questions arrived at one rate."""

    qps: Rate
    queries: Count
    """How many questions the times are of: those after the dropped ones that were answered or given up."""
    dropped: Count = 0
    """How many questions at the start are not counted, because the queue was still filling."""
    p50_ns: Nanoseconds
    """Median latency, queueing included."""
    p99_ns: Nanoseconds
    """99th percentile of the latency, queueing included."""
    bound_ns: Nanoseconds | None = None
    """Upper bound of p99 in a queue that never ends, with 99 % confidence; None if the trial is too short for
    one, or if the queue may grow for ever."""
    load: Ratio | None = None
    """Share of the time in which the reader would be busy at this rate: from 1 on, the queue grows for ever.
    None if too few questions were answered to know it."""
    held: bool
    """Whether `bound_ns` and `p99_ns` are within `Settings.latency_bound_ns`."""
    undecided: Text = ""
    """Why it is not known whether the rate holds; empty if it is known."""


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """The results that a scenario measures, as far as the run got."""

    bounds: tuple[PercentileBound, ...] = ()
    questions_per_second: Rate | None = None
    """`offline`: the number of questions divided by the time that the worker spent on them."""
    rates: tuple[RateTrial, ...] = ()
    """`server`: the rates, in the order tried. The recorded answers are those of the highest rate that held,
    or else of the last rate."""
    valid_qps: Rate | None = None
    """`server`: the highest rate that held."""
    throttled_after_ns: Nanoseconds | None = None
    """`sustained`: the time from the start of the run to the first sample that shows throttling."""
    loadgen: dict[str, Text] = {}
    """`loadgen`: the lines of LoadGen's summary."""
    left_out: Count = 0
    """How many questions were answered before an interruption. Bounds and questions per second cover only the
    later ones."""


class RunFinished(_Record, tag="run_finished", frozen=True, kw_only=True):
    """How a run ended, and what is measured once per run."""

    status: RunStatus
    reason: Text = ""
    """Why the run is not complete: one sentence."""
    answered: Count
    errors: Count
    elapsed_ns: Nanoseconds
    load_ns: Nanoseconds | None = None
    """Time to hash and load the bundle, until the session is ready: the median over the last process's
    rounds."""
    first_ns: Nanoseconds | None = None
    """Time of the worker's first question, cold: the median over the last process's rounds."""
    peak_rss_bytes: Bytes | None = None
    """Highest resident memory of any worker of the last process."""
    energy_source: Name | None = None
    outcome: Outcome | None = None
    finished_at: UtcTime


Record = RunStarted | RunResumed | RoundStarted | Canary | Answer | Sample | RoundFinished | RunFinished
