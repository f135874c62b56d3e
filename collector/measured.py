"""What a group of equal runs measured, read from its rows and summed up per question."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from collector.runs import Run
from collector.statistics import percentile
from collector.store import Store


class Measured(NamedTuple):
    """The answers of runs of one bundle with one setting on one hardware class."""

    answered: int
    """Questions with at least one answer that is not an error."""
    errors: int
    """Answers that are errors."""
    times_ns: list[int]
    """tokenize + infer + decode of every answer whose time counts."""
    marked: int
    """Answers whose time does not count, since something disturbed them."""
    question_ns: dict[str, int]
    """The median time of each question that has one."""
    exact_match: float | None
    """Mean over the questions, 0 to 1; None where not every answer is scored."""
    f1: float | None
    bertscore_f1: float | None


_Scores = tuple[float | None, float | None, float | None]
"""Exact Match, F1 and BERTScore F1 of an answer."""

_ANSWERS = """
SELECT question_id, tokenize_ns + infer_ns + decode_ns, marks IS NOT NULL, error IS NOT NULL, exact_match, f1,
    CASE WHEN error IS NOT NULL THEN 0.0 ELSE (
        SELECT max(bertscores.f1) FROM golds JOIN bertscores
            ON scorer = ? AND candidate = answers.text AND reference = golds.text
        WHERE golds.question_set = ? AND golds.question_id = answers.question_id
    ) END
FROM answers LEFT JOIN scores USING (stream, seq)
WHERE stream = ?
"""


def measured(store: Store, runs: Sequence[Run], question_set: int | None, scorer: int | None) -> Measured:
    """Sum up runs.

    Args:
        store: where their answers are.
        runs: of one bundle and setting.
        question_set: whose golds they are scored by; None when their accuracy is withheld.
        scorer: whose BERTScores count; None for none.
    """
    times: list[int] = []
    by_question: dict[str, list[int]] = defaultdict(list)
    scores: dict[str, list[_Scores]] = defaultdict(list)
    answered: set[str] = set()
    errors = marked = 0
    for run in runs:
        for question_id, ns, is_marked, is_error, *score in store.tuples(
            _ANSWERS, scorer, question_set, run.stream
        ):
            scores[question_id].append((score[0], score[1], score[2]))
            if is_error:
                errors += 1
                continue
            answered.add(question_id)
            if is_marked:
                marked += 1
            else:
                times.append(ns)
                by_question[question_id].append(ns)
    withheld = question_set is None
    return Measured(
        len(answered),
        errors,
        times,
        marked,
        {question_id: percentile(ns, 0.5) for question_id, ns in by_question.items()},
        *(None if withheld else _mean_over_questions(scores.values(), column) for column in range(3)),
    )


def _mean_over_questions(questions: Iterable[Sequence[_Scores]], column: int) -> float | None:
    """A question that was asked more often does not weigh more."""
    means = []
    for answers in questions:
        values = [value for answer in answers if (value := answer[column]) is not None]
        if len(values) < len(answers):
            return None
        means.append(fmean(values))
    return fmean(means) if means else None
