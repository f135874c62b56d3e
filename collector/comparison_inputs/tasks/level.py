"""How the level of times changed from one run to a later one on the same device."""

from functools import partial

import msgspec
import numpy as np

from collector.comparison_inputs.answers import Answers, RunSet
from collector.comparison_inputs.tasks.task import Task
from collector.summaries.columns import shared


class LevelChange(msgspec.Struct, frozen=True, kw_only=True):
    """The change of the times of the questions that two runs share."""

    questions: int
    log_ratio: float
    """Logarithm of the later time over the earlier one, the median over the questions."""


def level_change(earlier: RunSet, later: RunSet) -> Task[LevelChange]:
    """Compare the times of two runs of one bundle on one device."""
    of = (*earlier.digests, "before", *later.digests)
    return Task("level change", of, LevelChange, partial(_level_change, earlier, later))


def _level_change(earlier: RunSet, later: RunSet, answers: Answers) -> LevelChange:
    before, after = shared(answers.question_ns(earlier), answers.question_ns(later))
    logs = np.log(np.maximum(after, 1)) - np.log(np.maximum(before, 1))
    return LevelChange(questions=len(logs), log_ratio=float(np.median(logs)) if len(logs) else 0.0)
