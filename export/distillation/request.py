"""The request of a distillation: the options that a user gives."""

from pathlib import Path

import msgspec


class DistilRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a distillation; see `export-models distill --help`."""

    teacher: str
    base: Path | None = None
    student: str
    questions: tuple[Path, ...]
    held_out: str = "0.2"
    """A question file, or the share of the questions, between 0 and 1, to split off by article."""
    split_seed: int = 0
    losses: str = "minilm"
    temperature: float = 2.0
    layers_from: str | None = None
    begin: str | None = None
    """Source of the first weights of a catalog's shape: `teacher` or `base`; None for the one that fits."""
    adapter: int | None = None
    """Rank of the LoRA adapter that is trained and written; None to train and write all weights."""
    name: str | None = None
    title: str | None = None
    epochs: float = 3.0
    steps: int | None = None
    """Number of steps to train instead of `epochs`."""
    batch: int = 16
    accumulate: int = 1
    learning_rate: float = 3e-4
    warm_up: float = 0.1
    weight_decay: float = 0.01
    seed: int = 0
    evaluate_every: int | None = None
    patience: int = 0
    cache: Path | None = None
    resume: bool = False
