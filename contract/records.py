"""What a run is made of. Each record has its place `seq` in the run: 0, 1, 2, … without gaps.

The first record of a run is `RunStarted`, the last is `RunFinished`. Between them stand one `Answer` a
question and any number of `Sample`s. A record is written once and never changed.
"""

from typing import Literal

import msgspec

from contract.bundle import Manifest
from contract.device import Device
from contract.fields import Bytes, Count, Name, Nanoseconds, Probability, Rate, Seconds, Sha256, Text, UtcTime

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
    """What every record has, besides its `type`: run_started, answer, sample or run_finished."""

    seq: Count


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What was chosen for a run; equal settings make runs comparable."""

    scenario: Name
    """`single-stream`: one question after the other; `offline`: in batches; `server`: at random moments, as
    users ask; `sustained`: single-stream for minutes; `loadgen`: single-stream, asked by MLPerf's LoadGen."""
    decoding: Name
    """`pipeline`: Hugging Face's question-answering defaults; `squad`: those of the official scripts."""
    max_tokens: Count
    """Longest window in tokens, question and special tokens included."""
    stride_tokens: Count
    """Tokens of context that consecutive windows share."""
    max_answer_tokens: Count
    threads: Count
    """Intra-op threads of the session."""
    warmup_questions: Count
    limit: Count | None = None
    """Questions asked for; None for all."""
    seed: Count
    """Chooses the questions under a limit, and their order."""
    options: dict[str, str | int | float | bool] = {}
    """Further settings of the runtime, by their own names."""
    min_queries: Count = 0
    """Questions are asked again until they are so many."""
    min_seconds: Seconds = 0.0
    """The same, for the time since the run began."""
    max_seconds: Seconds | None = None
    """The run ends then, whatever was asked."""
    percentile: Count | None = None
    """Questions are asked again until this percentile, 90 or 99, has an upper bound."""
    batch_size: Count = 1
    """Questions that go through the network at once: `offline`."""
    qps: Rate | None = None
    """Questions that arrive in a second, on average: `server`; None to search the highest rate."""
    latency_bound_ns: Nanoseconds | None = None
    """What p99 may be, queueing included: `server`."""


class QuestionSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which questions a run asks."""

    name: Name
    sha256: Sha256
    """`questions.QuestionFile.sha256` of the whole file."""
    total: Count
    """Questions in the file."""
    selected: Count
    """Questions this run asks."""


class ThreadTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How fast a number of threads was, where the fastest was looked for."""

    threads: Count
    p50_ns: Nanoseconds


class RunStarted(_Record, tag="run_started", frozen=True, kw_only=True):
    """Who measures what, with which settings."""

    device: Device
    bundle_sha256: Sha256
    """SHA-256 of the bundle's manifest, which in turn holds that of every file."""
    bundle: Manifest
    questions: QuestionSet
    settings: Settings
    started_at: UtcTime
    clock_synchronised: bool | None = None
    """Whether the operating system vouches for the wall clock; None where it does not say."""
    remarks: tuple[Text, ...] = ()
    """What spoke against measuring at that moment, a sentence each: a busy, hot or slowed machine."""
    thread_trials: tuple[ThreadTrial, ...] = ()
    """What `settings.threads` was chosen from; empty where it was not tried out."""


class Answer(_Record, tag="answer", frozen=True, kw_only=True):
    """One question answered once. Its time is `tokenize_ns + infer_ns + decode_ns`."""

    at_ns: Nanoseconds
    """When it was asked, since the run started."""
    question_id: Name
    text: Text
    """The predicted span as it stands in the context; empty with an `error`."""
    start_char: Count
    end_char: Count
    """The span in characters (code points) of the context, end exclusive."""
    confidence: Probability
    tokenize_ns: Nanoseconds
    infer_ns: Nanoseconds
    decode_ns: Nanoseconds
    windows: Count
    tokens: Count
    """Tokens over all windows."""
    repeat: Count = 0
    """0 the first time a question is asked in a run, then 1, 2, …"""
    waited_ns: Nanoseconds = 0
    """From its arrival until its turn came: `server`. Not part of its time."""
    marks: tuple[Mark, ...] = ()
    error: Text | None = None


class Sample(_Record, tag="sample", frozen=True, kw_only=True):
    """The state of the machine at a moment; None where it cannot be read.

    Between two questions, and now and then while `server` and `loadgen` ask without a pause.
    """

    at_ns: Nanoseconds
    temperature_celsius: float | None = None
    clock_hz: Count | None = None
    throttle: tuple[Mark, ...] = ()
    worker_rss_bytes: Bytes | None = None
    energy_joules: float | None = None
    """Since the run started, from the run's energy source."""


class PercentileBound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An upper bound of a percentile that holds with 99 % confidence, as MLPerf's early stopping has it."""

    percent: Count
    queries: Count
    """Times that it rests on: answered, and undisturbed."""
    needed: Count
    """The fewest that give one."""
    value_ns: Nanoseconds | None = None
    """None where they are too few."""


class RateTrial(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Questions that arrived at one rate."""

    qps: Rate
    queries: Count
    p50_ns: Nanoseconds
    """Queueing included, as in the others."""
    p99_ns: Nanoseconds
    bound_ns: Nanoseconds | None = None
    """Upper bound of p99."""
    held: bool
    """Whether p99, by its upper bound where there is one, is within `Settings.latency_bound_ns`."""


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a scenario is for, as far as the run got."""

    bounds: tuple[PercentileBound, ...] = ()
    questions_per_second: Rate | None = None
    """`offline`: questions over the time that the worker spent on them."""
    rates: tuple[RateTrial, ...] = ()
    """`server`: in the order tried. The answers recorded are of the highest that held, or of the last."""
    valid_qps: Rate | None = None
    """`server`: the highest rate that held."""
    throttled_after_ns: Nanoseconds | None = None
    """`sustained`: when a sample first saw the machine slowed down, since the run began."""
    loadgen: dict[str, Text] = {}
    """`loadgen`: the lines of its summary."""
    left_out: Count = 0
    """Questions that were answered before an interruption: bounds and questions a second are of the later."""


class RunFinished(_Record, tag="run_finished", frozen=True, kw_only=True):
    """How a run ended, and what is measured once a run."""

    status: RunStatus
    reason: Text = ""
    """Why it is not complete: one sentence."""
    answered: Count
    errors: Count
    elapsed_ns: Nanoseconds
    load_ns: Nanoseconds | None = None
    """Hashing and loading the bundle until the session is ready."""
    first_ns: Nanoseconds | None = None
    """The first question of the worker, cold; it is asked again later, and only then counts."""
    peak_rss_bytes: Bytes | None = None
    """Highest resident memory of the worker process."""
    energy_source: Name | None = None
    outcome: Outcome | None = None
    finished_at: UtcTime


Record = RunStarted | Answer | Sample | RunFinished
