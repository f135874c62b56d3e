"""What to measure: a bundle, questions and settings, put together from the user's options."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, NamedTuple

from agent.bundles.bundle import Bundle
from agent.errors import BadInput, BundleRefused
from agent.machine.device import cores_of, physical_cores
from agent.machine.huge_pages import TUNABLE
from agent.planning.selection import by_length, select
from contract.codec import encode, printable
from contract.device import Device
from contract.errors import Malformed
from contract.messages import MAX_MESSAGE_BYTES
from contract.questions import MAX_QUESTION_FILE_BYTES, Question, QuestionFile, decode_questions
from contract.records import QuestionSet, Settings, ThreadTrial
from contract.scenarios import OFFLINE, SINGLE_STREAM

PIPELINE: Final = "pipeline"
MAX_TOKENS: Final = 384
STRIDE_TOKENS: Final = 128
MAX_ANSWER_TOKENS: Final = {PIPELINE: 15, "squad": 30}
"""The decodings, and the longest answer that each one's own source allows."""
WARMUP_QUESTIONS: Final = 10
_PART_BYTES: Final = 1_048_576
_NAME_CHARS: Final = 200
_MAX_SENT_MANIFEST_BYTES: Final = MAX_MESSAGE_BYTES - 65_536


class RuntimeOptions(NamedTuple):
    """How onnxruntime runs a bundle. The defaults are the fastest for one question at a time."""

    spinning: bool = True
    """Whether threads wait for the next operator in a loop: faster, but uses more energy."""
    arena: bool = True
    """Whether memory that was used once is kept for the next question."""
    affinity: str | None = None
    """Cores to compute on, such as `0,2-3`; None for the system's choice."""
    provider: str = "CPUExecutionProvider"
    """The execution provider, by onnxruntime's name."""
    huge_pages: bool = True
    """Whether to use memory in large pages, if the system has them."""

    def recorded(self) -> dict[str, str | int | float | bool]:
        """The options as a run's settings record them, by their names in onnxruntime or glibc, if any."""
        return {
            "provider": self.provider,
            "intra_op.allow_spinning": self.spinning,
            "enable_cpu_mem_arena": self.arena,
            TUNABLE: self.huge_pages,
            **({"affinity": self.affinity} if self.affinity else {}),
        }


def default_threads(options: RuntimeOptions) -> int:
    """One thread per physical core that may be used: the same number each time, and seldom beaten."""
    cores = physical_cores()
    return min(cores, len(cores_of(options.affinity))) if options.affinity else cores


class Load(NamedTuple):
    """How questions are asked: in which way, how many and how long; see `contract.records.Settings`."""

    scenario: str = SINGLE_STREAM
    min_queries: int = 0
    min_seconds: float = 0.0
    max_seconds: float | None = None
    percentile: int | None = None
    batch_size: int = 1
    qps: float | None = None
    latency_bound_ns: int | None = None
    rounds: int = 1
    turns: int = 1


class OrderStep(NamedTuple):
    """The place of a run in an order of the collector."""

    order: str
    """The order's id."""
    number: int
    """Counts the order's steps, over all its rounds. The same run in another round is another run."""


class Plan(NamedTuple):
    """What one run measures, and how."""

    device: Device
    bundle: Bundle
    settings: Settings
    question_set: QuestionSet
    questions: tuple[Question, ...]
    """The selected questions, in the order in which they are asked."""
    remarks: tuple[str, ...] = ()
    """Reasons not to measure now."""
    thread_trials: tuple[ThreadTrial, ...] = ()
    """The measured numbers of threads from which one was chosen."""
    ignore_memory: bool = False
    """Load the bundle even if it is estimated not to fit."""
    canaries: tuple[Question, ...] = ()
    """Questions that are asked before the first round and count in no number."""
    step: OrderStep | None = None
    """Which step of which order the run is; None for a run that somebody started on the device."""
    nested: bool = False
    """Whether the questions are in the order of `agent.planning.rounds.nested`."""

    @property
    def identity(self) -> str:
        """A hash of all that decides a run, and of the order it belongs to; only an equal one is resumed."""
        device = (self.device.device_id, self.device.hardware_class, self.device.versions)
        parts: tuple[object, ...] = (device, self.bundle.sha256, self.question_set, self.settings)
        if self.nested:
            parts = (*parts, "nested")
        if self.step is not None:
            parts = (*parts, self.step)
        return hashlib.sha256(encode(parts)).hexdigest()

    @property
    def title(self) -> str:
        """The bundle's name for people: `minilm-l6 int8`."""
        return self.bundle.title


class Questions(NamedTuple):
    """A question file and its name."""

    name: str
    file: QuestionFile


def read_questions(
    path: Path, *, answerable_only: bool = False, say: Callable[[str], None] = lambda sentence: None
) -> Questions:
    """Read a question file, with or without gold answers.

    Args:
        path: the file.
        answerable_only: leave out questions without an answer.
        say: is called with how many were left out, if any were.

    Raises:
        BadInput: it cannot be read or is not SQuAD v1.1.
    """
    shown = f"'{printable(str(path))}'"
    try:
        with path.open("rb") as opened:
            data = _read(opened, MAX_QUESTION_FILE_BYTES + 1)
    except OSError as error:
        raise BadInput(f"cannot read the questions {shown}: {error.strerror}") from None
    try:
        file = decode_questions(data, answerable_only=answerable_only)
    except Malformed as error:
        raise BadInput(f"{shown}: {error}") from None
    if file.left_out:  # Gold answers, of which the other remarks are, do not concern a device.
        say(file.remarks()[0])
    return Questions(printable(path.name)[:_NAME_CHARS], file)


def _read(file: IO[bytes], most: int) -> bytes:
    """Read at most `most` bytes, without reserving memory for all of them as `read(most)` does."""
    parts = []
    while most > 0 and (part := file.read(min(most, _PART_BYTES))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def plan_run(
    device: Device,
    bundle: Bundle,
    questions: Questions,
    settings: Settings,
) -> Plan:
    """Select the questions and put together the plan of a run.

    Raises:
        BundleRefused: the manifest, which a run's first record holds, does not fit into a message.
    """
    size = len(encode(bundle.manifest))
    if size > _MAX_SENT_MANIFEST_BYTES:
        raise BundleRefused(
            f"the manifest of '{printable(str(bundle.folder))}' has {size} bytes, but at most "
            f"{_MAX_SENT_MANIFEST_BYTES} can be sent with its results: shorten its recipe or verification"
        )
    selected = select(questions.file.questions, settings.limit, settings.seed)
    if settings.scenario == OFFLINE:
        selected = by_length(selected)
    question_set = QuestionSet(
        name=questions.name,
        sha256=questions.file.sha256,
        total=len(questions.file.questions),
        selected=len(selected),
    )
    return Plan(device, bundle, settings, question_set, selected)


def settings_for(
    bundle: Bundle,
    *,
    decoding: str = PIPELINE,
    limit: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    warmup: int = WARMUP_QUESTIONS,
    options: RuntimeOptions | None = None,
    load: Load | None = None,
) -> Settings:
    """Settings of a run, with windows no longer than the model accepts.

    Args:
        bundle: its model's longest sequence limits the windows.
        decoding: one of `MAX_ANSWER_TOKENS`.
        limit: number of questions to ask; None for all.
        seed: chooses the questions and their order.
        threads: intra-op threads; None for one per physical core, the fastest for one question at a time.
        warmup: number of questions to answer before any is recorded.
        options: of the runtime; None for the defaults.
        load: how to ask; None for each question once, one at a time.
    """
    options = options or RuntimeOptions()
    max_tokens = min(MAX_TOKENS, bundle.manifest.max_tokens)
    return Settings(
        decoding=decoding,
        max_tokens=max_tokens,
        stride_tokens=min(max_tokens // 2, STRIDE_TOKENS),
        max_answer_tokens=MAX_ANSWER_TOKENS[decoding],
        threads=threads or default_threads(options),
        warmup_questions=warmup,
        limit=limit,
        seed=seed,
        options=options.recorded(),
        **(load or Load())._asdict(),
    )
