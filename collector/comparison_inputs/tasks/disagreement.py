"""Counts how often two runs answer a question differently."""

from functools import partial
from typing import Final

import msgspec

from collector.comparison_inputs.answers import Answers
from collector.comparison_inputs.tasks.task import Task
from collector.findings.between_rows import Disagreement
from collector.store.runs import Run
from collector.summaries.columns import first_texts, shared

EXAMPLES: Final = 10


class Disagreements(msgspec.Struct, frozen=True, kw_only=True):
    """How many answers of two runs differ, with the first examples."""

    questions: int
    """How many questions both answered without error."""
    differ: int
    examples: tuple[Disagreement, ...]


def disagreements(left: Run, right: Run, digests: tuple[str, str]) -> Task[Disagreements]:
    """Compare the texts of two runs.

    Args:
        left: one run.
        right: the other run.
        digests: those of the two runs.
    """
    return Task("divergence", digests, Disagreements, partial(_disagreements, left, right))


def _disagreements(left: Run, right: Run, answers: Answers) -> Disagreements:
    ours, theirs = answers.of_run(left), answers.of_run(right)
    at_left, at_right = shared(first_texts(ours), first_texts(theirs))
    differ = ours.text[at_left] != theirs.text[at_right]
    examples = []
    for i, j in zip(at_left[differ][:EXAMPLES], at_right[differ][:EXAMPLES], strict=True):
        question_id, text = answers.text(left, int(ours.seq[i]))
        other = answers.text(right, int(theirs.seq[j]))[1]
        examples.append(Disagreement(question_id=question_id, left=text, right=other))
    return Disagreements(questions=len(at_left), differ=int(differ.sum()), examples=tuple(examples))
