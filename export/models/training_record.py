"""What a student's folder says of how it was made: `distillation.json`, read again when bundles are built."""

from pathlib import Path
from typing import Any, Final

import msgspec

from contract.bundle import Architecture, Weights
from contract.codec import decode_json
from export.errors import BadInput


class TrainingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to train. A batch is what a step learns from, in `accumulate` parts."""

    steps: int
    batch: int = 16
    accumulate: int = 1
    learning_rate: float = 3e-4
    warm_up: float = 0.1
    """Share of the steps in which the learning rate grows from 0; then it shrinks to 0."""
    weight_decay: float = 0.01
    seed: int = 0
    evaluate_every: int
    """Steps between two evaluations, each followed by a checkpoint."""
    patience: int = 0
    """Evaluations without a better F1 after which to stop; 0 for never."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The student on the held-out questions after a step."""

    step: int
    exact_match: float
    f1: float
    loss: float | None
    """Mean of the steps since the evaluation before."""
    seconds: float
    """Of training so far, evaluations included."""


FILE: Final = "distillation.json"


class TrainingQuestions(msgspec.Struct, frozen=True, kw_only=True):
    """Questions of the training."""

    files: tuple[str, ...]
    questions: int
    questions_sha256: str
    articles: tuple[str, ...] = ()
    """Titles of those that were learned from."""
    answered: int
    """With a gold answer."""
    windows: int
    held_out: str
    """A file's name, or how they were split off."""
    held_out_questions: int
    held_out_sha256: str
    held_out_articles: tuple[str, ...]


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One training, from its teacher to its outcome."""

    name: str
    """Short name that results are grouped by."""
    title: str
    distillation: str
    """One line for manifests and reports."""
    teacher: Weights
    teacher_architecture: Architecture
    teacher_exact_match: float
    """On the held-out questions, percent."""
    teacher_f1: float
    architecture: Architecture
    parameters: int
    begun_from: str
    copied_parameters: int
    losses: dict[str, float]
    temperature: float
    layers: tuple[int, ...]
    """The teacher's layer for each of the student's."""
    settings: TrainingSettings
    data: TrainingQuestions
    best: Evaluation
    evaluations: tuple[Evaluation, ...]
    stopped_early: bool
    precision: str
    device: str
    threads: int
    tools: dict[str, str]
    created_at: str

    @property
    def teacher_scores(self) -> str:
        """What the teacher reaches on the held-out questions, for people, and what is to be thought of it."""
        held = set(self.data.held_out_articles)
        known = held.intersection(self.teacher.training_articles)
        said = f"EM {self.teacher_exact_match:.1f}, F1 {self.teacher_f1:.1f}"
        if known:
            said += f", but it was trained on {len(known)} of these {len(held)} articles"
        return said


_DECODER: Final = msgspec.json.Decoder(TrainingRecord)


def read(folder: Path) -> TrainingRecord | None:
    """The record of a student's folder; None in any other folder.

    Raises:
        BadInput: it cannot be read.
        ContractError: it is no such record.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        return decode_json(path.read_bytes(), _DECODER, f"'{path}'")
    except OSError as error:
        raise BadInput(f"cannot read '{path}': {error.strerror or error}") from None


def write(record: TrainingRecord, folder: Path) -> None:
    """Put the record into a student's folder."""
    text: Any = msgspec.json.format(msgspec.json.encode(record), indent=2)
    (folder / FILE).write_bytes(text + b"\n")
