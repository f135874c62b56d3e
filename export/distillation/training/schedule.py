"""How a student is trained, and how it stood on the way."""

import math

from export.models.training_record import TrainingSettings


def learning_rate(step: int, settings: TrainingSettings) -> float:
    """Of a step, counted from 1: a straight line up, then a straight line down to 0 after the last."""
    warm = math.ceil(settings.warm_up * settings.steps)
    if step <= warm:
        return settings.learning_rate * step / warm
    return settings.learning_rate * (settings.steps - step + 1) / (settings.steps - warm + 1)
