"""Takes an accuracy over from another machine, by the rule of the collector's report.

The number is the report's; `collector report` also has its interval.
"""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Final, NamedTuple

from commandline.standing import can_lend, nearness
from contract.questions import place_in_order
from export.suggestion.standing import MeasuredRun

FEWEST: Final = 6
"""Fewer questions say too little about all others."""
_IDS: Final = """
SELECT question_id FROM questions JOIN question_sets USING (question_set) WHERE sha256 = ?
"""
_SCORES: Final = """
SELECT question_id, avg(exact_match), iif(count(*) = count(f1), avg(f1), NULL), count(error)
FROM answers LEFT JOIN scores USING (stream, seq) WHERE stream IN (SELECT value FROM json_each(?))
GROUP BY question_id
"""


class TakenOver(NamedTuple):
    """An accuracy over all questions of a file."""

    exact_match: float
    """Mean EM in percent."""
    f1: float
    """Mean F1 in percent."""
    questions: int
    """How many questions there are."""
    asked: int
    """How many of them were asked here."""
    device_id: str
    """The device that answered all of them."""


class _Scores(NamedTuple):
    exact_match: float
    f1: float | None
    errors: int


def taken_over(
    connection: sqlite3.Connection, runs: Sequence[MeasuredRun], others: Iterable[MeasuredRun]
) -> TakenOver | None:
    """Estimate the accuracy on all questions: another machine's, corrected by the questions asked here.

    Args:
        connection: the database.
        runs: the runs that stand for a model, the newest last.
        others: all runs of the database.

    Returns:
        None if the runs asked all questions, or if there is nothing to take over.
    """
    newest, mine = runs[-1], {run.stream for run in runs}
    ids = [question_id for (question_id,) in connection.execute(_IDS, (newest.questions_sha256,))]
    here = _scores(connection, runs)
    if not FEWEST <= len(here) < len(ids) or any(score.f1 is None for score in here.values()):
        return None
    if any(run.state == "failed" or not _asked_in_order(connection, run, ids) for run in runs):
        return None
    able = [run for run in others if run.stream not in mine and can_lend(run, newest, len(ids))]
    for source in sorted(able, key=lambda run: nearness(run, newest), reverse=True):
        there = _scores(connection, [source])
        if len(there) == len(ids) and all(s.f1 is not None and not s.errors for s in there.values()):
            return TakenOver(
                exact_match=_corrected(here, there, "exact_match"),
                f1=_corrected(here, there, "f1"),
                questions=len(ids),
                asked=len(here),
                device_id=source.device.device_id,
            )
    return None


def _scores(connection: sqlite3.Connection, runs: Iterable[MeasuredRun]) -> dict[str, _Scores]:
    streams = json.dumps([run.stream for run in runs])
    rows = connection.execute(_SCORES, (streams,))
    return {question_id: _Scores(*scores) for question_id, *scores in rows}


def _asked_in_order(connection: sqlite3.Connection, run: MeasuredRun, ids: Sequence[str]) -> bool:
    asked = _scores(connection, [run]).keys()
    order = sorted(ids, key=lambda question_id: place_in_order(run.settings.seed, question_id))
    return asked == set(order[: len(asked)])


def _corrected(here: dict[str, _Scores], there: dict[str, _Scores], field: str) -> float:
    difference = fmean(getattr(here[one], field) - getattr(there[one], field) for one in here)
    found = fmean(getattr(scores, field) for scores in there.values()) + difference
    return 100 * min(max(found, 0.0), 1.0)
