"""How a student is trained, and how it stood on the way."""

import math

import msgspec


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
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


def learning_rate(step: int, settings: Settings) -> float:
    """Of a step, counted from 1: a straight line up, then a straight line down to 0 after the last."""
    warm = math.ceil(settings.warm_up * settings.steps)
    if step <= warm:
        return settings.learning_rate * step / warm
    return settings.learning_rate * (settings.steps - step + 1) / (settings.steps - warm + 1)
