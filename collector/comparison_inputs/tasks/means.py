"""Sums up a row question by question, once: whatever compares rows reads these means."""

from functools import partial

from collector.comparison_inputs.answers import Answers, PredictionSet, Remembered, Source
from collector.comparison_inputs.means.pieces import Piece, means_of_piece, pieces
from collector.comparison_inputs.tasks.task import Task
from collector.summaries.question_means import Packed


def means(source: Source) -> tuple[Task[Packed], ...]:
    """Return the tasks that sum up a row, one for each range of questions; most rows have one."""
    if isinstance(source, PredictionSet):
        return (Task("means", source.digests, Packed, partial(_predicted, source)),)
    digests, found = source.digests, tuple(pieces(source.runs, source.run_digests))
    answers = sum(run.answers for run in source.runs) // len(found)
    return tuple(
        Task(
            "means",
            (*digests, f"piece {number} of {len(found)}"),
            Packed,
            partial(_means, piece),
            answers=answers,
        )
        for number, piece in enumerate(found, start=1)
    )


def remembered(source: Source, tasks: tuple[Task[Packed], ...]) -> Remembered:
    """Name the means of a row, for a task that needs those that `means` returned."""
    return Remembered(source.questions_sha256, tuple(task.digest for task in tasks))


def _means(piece: Piece, answers: Answers) -> Packed:
    return means_of_piece(piece, answers.derived).packed()


def _predicted(source: PredictionSet, answers: Answers) -> Packed:
    return answers.means(source).packed()
