"""The record in a student's folder of how it was trained: `distillation.json`, which a build reads."""

from pathlib import Path
from typing import Any, Final

import msgspec

from commandline.counted import counted
from contract.bundle import Architecture, Weights
from export.models.json_file import read_json


class TrainingSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to train. Each step learns from one batch, which is computed in `accumulate` parts."""

    steps: int
    batch: int = 16
    accumulate: int = 1
    learning_rate: float = 3e-4
    warm_up: float = 0.1
    """Share of the steps, 0 to 1, over which the learning rate rises from 0; after them it falls to 0."""
    weight_decay: float = 0.01
    seed: int = 0
    evaluate_every: int
    """Steps between two evaluations; a checkpoint follows each evaluation."""
    patience: int = 0
    """Number of evaluations without a better F1 after which to stop; 0 means never."""


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The scores of the student on the held-out questions after a step, in percent."""

    step: int
    exact_match: float
    f1: float
    loss: float | None
    """Mean loss of the steps since the previous evaluation; None before the first step."""
    seconds: float
    """Seconds of training so far, including evaluations."""


FILE: Final = "distillation.json"


class TrainingQuestions(msgspec.Struct, frozen=True, kw_only=True):
    """The questions that a student was trained and scored on."""

    files: tuple[str, ...]
    questions: int
    questions_sha256: str
    articles: tuple[str, ...] = ()
    """Titles of the articles that the student learned from."""
    answered: int
    """How many of the training questions have a gold answer."""
    windows: int
    held_out: str
    """Source of the held-out questions: a file's name, or how they were split off."""
    held_out_questions: int
    held_out_sha256: str
    held_out_articles: tuple[str, ...]


class TrainingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One training: its teacher, settings and data, and its outcome."""

    name: str
    """Short name that results are grouped by."""
    title: str
    distillation: str
    """How the student was distilled, in one line for manifests and reports."""
    teacher: Weights
    teacher_architecture: Architecture
    teacher_exact_match: float
    """Exact match of the teacher on the held-out questions, in percent."""
    teacher_f1: float
    architecture: Architecture
    parameters: int
    begun_from: str
    copied_parameters: int
    adapter_rank: int | None = None
    """Rank of the LoRA adapter that was trained; None if all weights were."""
    adapter_base: str | None = None
    """Name of the adapter's base model."""
    losses: dict[str, float]
    temperature: float
    layers: tuple[int, ...]
    """The teacher's layer for each of the student's layers, counted from 1."""
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
        """The teacher's held-out scores as text, with a warning if it was trained on these articles."""
        held = set(self.data.held_out_articles)
        known = held.intersection(self.teacher.training_articles)
        scores = f"EM {self.teacher_exact_match:.1f}, F1 {self.teacher_f1:.1f}"
        if known:
            scores += f", but it was trained on {len(known)} of these {counted(len(held), 'article')}"
        return scores


_DECODER: Final = msgspec.json.Decoder(TrainingRecord)


def read(folder: Path) -> TrainingRecord | None:
    """The record of a student's folder; None in any other folder.

    Raises:
        BadInput: the file cannot be read.
        ContractError: the file is not such a record.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    return read_json(path, _DECODER)


def write(record: TrainingRecord, folder: Path) -> None:
    """Write the record into a student's folder."""
    text: Any = msgspec.json.format(msgspec.json.encode(record), indent=2)
    (folder / FILE).write_bytes(text + b"\n")
