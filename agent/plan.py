"""What to measure: a bundle, questions and settings, put together from what the user asked for."""

import hashlib
from pathlib import Path
from typing import Final, NamedTuple

from agent.bundle import Bundle
from agent.device import physical_cores
from agent.errors import BadInput, BundleRefused
from agent.selection import select
from contract.codec import encode, printable
from contract.device import Device
from contract.errors import Malformed
from contract.messages import MAX_MESSAGE_BYTES
from contract.questions import MAX_QUESTION_FILE_BYTES, Question, QuestionFile, decode_questions
from contract.records import QuestionSet, Settings

SCENARIO: Final = "single-stream"
DECODING: Final = "pipeline"
MAX_TOKENS: Final = 384
STRIDE_TOKENS: Final = 128
MAX_ANSWER_TOKENS: Final = 15
WARMUP_QUESTIONS: Final = 10
_NAME_CHARS: Final = 200
_MAX_SENT_MANIFEST_BYTES: Final = MAX_MESSAGE_BYTES - 65_536


class Plan(NamedTuple):
    """One run to come."""

    device: Device
    bundle: Bundle
    settings: Settings
    question_set: QuestionSet
    questions: tuple[Question, ...]
    """The selected ones, in the order in which they are asked."""

    @property
    def identity(self) -> str:
        """Equal for runs that may continue each other: device, software, bundle, questions and settings."""
        device = (self.device.device_id, self.device.hardware_class, self.device.versions)
        parts = (device, self.bundle.sha256, self.question_set, self.settings)
        return hashlib.sha256(encode(parts)).hexdigest()

    @property
    def title(self) -> str:
        """The bundle for people: `minilm-l6 int8`."""
        return printable(f"{self.bundle.manifest.model} {self.bundle.manifest.precision}")


class Questions(NamedTuple):
    """A question file with the name it is known by."""

    name: str
    file: QuestionFile


def read_questions(path: Path) -> Questions:
    """Read a question file, with or without gold answers.

    Raises:
        BadInput: it cannot be read or is not SQuAD v1.1.
    """
    shown = f"'{printable(str(path))}'"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_QUESTION_FILE_BYTES + 1)
    except OSError as error:
        raise BadInput(f"cannot read the questions {shown}: {error.strerror}") from None
    try:
        return Questions(printable(path.name)[:_NAME_CHARS], decode_questions(data))
    except Malformed as error:
        raise BadInput(f"{shown}: {error}") from None


def plan_run(
    device: Device,
    bundle: Bundle,
    questions: Questions,
    settings: Settings,
) -> Plan:
    """Choose the questions and name everything.

    Raises:
        BundleRefused: the manifest, which a run's first record holds, does not fit a message.
    """
    size = len(encode(bundle.manifest))
    if size > _MAX_SENT_MANIFEST_BYTES:
        raise BundleRefused(
            f"the manifest of '{printable(str(bundle.folder))}' has {size} bytes, and at most "
            f"{_MAX_SENT_MANIFEST_BYTES} can be sent with its results: shorten its recipe or verification"
        )
    selected = select(questions.file.questions, settings.limit, settings.seed)
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
    limit: int | None = None,
    seed: int = 0,
    threads: int | None = None,
    warmup: int = WARMUP_QUESTIONS,
) -> Settings:
    """Settings of a run; windows are never longer than the model takes.

    Args:
        bundle: its model's longest sequence bounds the windows.
        limit: questions to ask; None for all.
        seed: chooses them, and their order.
        threads: intra-op threads; None for one a physical core, the fastest for one question at a time.
        warmup: questions to answer before any is recorded.
    """
    max_tokens = min(MAX_TOKENS, bundle.manifest.max_tokens)
    return Settings(
        scenario=SCENARIO,
        decoding=DECODING,
        max_tokens=max_tokens,
        stride_tokens=min(max_tokens // 2, STRIDE_TOKENS),
        max_answer_tokens=MAX_ANSWER_TOKENS,
        threads=threads or physical_cores(),
        warmup_questions=warmup,
        limit=limit,
        seed=seed,
        options={"intra_op.allow_spinning": True},
    )
