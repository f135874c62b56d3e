"""Compares the answers of a row that asked a part of the questions with those of a run that asked all."""

from functools import partial
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.comparison_inputs.answers import Answers, Remembered, RunSet
from collector.comparison_inputs.tasks.means import means, remembered
from collector.comparison_inputs.tasks.task import Task
from collector.statistics.accuracy.transfer import Correction, correction
from collector.statistics.binomial import highest_share
from collector.store.runs import Run
from collector.summaries.columns import Keys, PerQuestion, first_texts, shared
from contract.questions import place_in_order

_IDS: Final = """
SELECT question_id FROM question_sets JOIN questions USING (question_set) WHERE sha256 = ?
ORDER BY question_id
"""
_CONFIDENCES: Final = """
SELECT question_id, confidence FROM answers WHERE stream = ? AND repeat = 0 AND error IS NULL
ORDER BY seq
"""


class Corrections(NamedTuple):
    """By how much each mean score over all questions is above the source's."""

    exact_match: Correction
    f1: Correction
    bertscore_f1: Correction | None
    """None if an answer has no BERTScore."""


class Transfer(msgspec.Struct, frozen=True, kw_only=True):
    """What the questions that both answered say about all of them."""

    questions: int
    """How many questions the source answered: all of the file."""
    asked: int
    """How many of them the row answered too, errors included."""
    alike: int
    """How many of these both answered with the same text."""
    at_most_differ: int
    """With 95 % confidence, at most so many of all questions have another answer."""
    bit_equal: bool
    """Whether the confidences of all answers are the same number, to the last bit."""
    corrections: Corrections


def transfer(row: RunSet, source: RunSet) -> Task[Transfer]:
    """Estimate by how much a row's mean scores over all questions are above the source's.

    Args:
        row: the runs of the row; they asked the first questions of their orders.
        source: one run that asked all questions.
    """
    of = (*row.digests, "from", *source.digests)
    ours, theirs = means(row), means(source)
    compute = partial(_transfer, row, source, remembered(row, ours), remembered(source, theirs))
    return Task("transfer", of, Transfer, compute, (*ours, *theirs))


def asked_in_order(run: Run, digest: str) -> Task[bool]:
    """Find out whether a run asked the first questions of its seed's order, which is a random choice.

    Args:
        run: the run; its question file was added.
        digest: the digest of its numbers.
    """
    of = (digest, run.questions_sha256, str(run.settings.seed))
    return Task("asked in order", of, bool, partial(_asked_in_order, run))


def _asked_in_order(run: Run, answers: Answers) -> bool:
    ids = [question_id for (question_id,) in answers.store.tuples(_IDS, run.questions_sha256)]
    asked = np.unique(answers.of_run(run).question)
    first = sorted(ids, key=partial(place_in_order, run.settings.seed))[: len(asked)]
    return np.array_equal(asked, np.unique(np.array(Keys().of(first), np.uint64)))


def _transfer(
    row: RunSet, source: RunSet, of_row: Remembered, of_source: Remembered, answers: Answers
) -> Transfer:
    ours, theirs = answers.means(of_row), answers.means(of_source)
    questions = theirs.question
    asked = np.searchsorted(questions, ours.question)

    def corrected(here: NDArray[np.float64], there: NDArray[np.float64]) -> Correction:
        return correction(here, there, asked)

    scored = not (np.isnan(ours.bertscore_f1).any() or np.isnan(theirs.bertscore_f1).any())
    differ = len(asked) - _alike(_first_texts(row, answers), _first_texts(source, answers))
    unseen = len(questions) - len(asked)
    most = int(highest_share(differ, len(asked)) * len(questions))
    return Transfer(
        questions=len(questions),
        asked=len(asked),
        alike=len(asked) - differ,
        at_most_differ=min(max(most, differ), differ + unseen),
        bit_equal=not differ and _bit_equal(row, source, answers),
        corrections=Corrections(
            exact_match=corrected(ours.exact_match, theirs.exact_match),
            f1=corrected(ours.f1, theirs.f1),
            bertscore_f1=corrected(ours.bertscore_f1, theirs.bertscore_f1) if scored else None,
        ),
    )


def _alike(left: PerQuestion, right: PerQuestion) -> int:
    """Count the questions that both answered with one text; an error is never alike."""
    ours, theirs = shared(left, right)
    return int(np.count_nonzero(ours == theirs))


def _first_texts(source: RunSet, answers: Answers) -> PerQuestion:
    """Find the key of the first text of each question, in order of run; one run is read after the other."""
    found = PerQuestion(np.empty(0, np.uint64), np.empty(0, np.uint64))
    for run in source.runs:
        columns = answers.of_run(run)
        places = first_texts(columns)
        question = np.concatenate((found.question, places.question))
        text = np.concatenate((found.value, columns.text[places.value]))
        distinct, first = np.unique(question, return_index=True)  # the index of the first of equal ones
        found = PerQuestion(distinct, text[first])
    return found


def _bit_equal(row: RunSet, source: RunSet, answers: Answers) -> bool:
    there = dict(answers.store.tuples(_CONFIDENCES, source.runs[0].stream))
    return all(
        there.get(question_id) == confidence
        for run in row.runs
        for question_id, confidence in answers.store.tuples(_CONFIDENCES, run.stream)
    )
