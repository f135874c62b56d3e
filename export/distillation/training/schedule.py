"""Computes the learning rate of each step."""

import math

from export.models.training_record import TrainingSettings


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """The learning rate of a step, counted from 1: it rises linearly, then falls linearly towards 0."""
    warm = math.ceil(settings.warm_up * settings.steps)
    if step <= warm:
        return settings.learning_rate * step / warm
    return settings.learning_rate * (settings.steps - step + 1) / (settings.steps - warm + 1)
