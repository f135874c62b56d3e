"""Cuts the answers of runs by question, so that no piece has more answers than fit into memory."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from collector.store.runs import Run
from collector.summaries.question_means import QuestionMeans, question_means
from collector.summaries.question_ranges import QuestionRange, ranges
from collector.summaries.run_summary import Derived


class Piece(NamedTuple):
    """The answers of runs to a range of questions. It names runs by their numbers, since a row has many."""

    streams: tuple[int, ...]
    """The runs, in order of time."""
    digests: tuple[str, ...]
    """The digest of the numbers of each run."""
    devices: tuple[tuple[int, ...], ...]
    """The positions in `streams` of each device's runs, in order of the devices' names."""
    questions: QuestionRange


def pieces(runs: Sequence[Run], digests: Sequence[str]) -> Iterator[Piece]:
    """Cut the answers of runs into pieces, in order of question.

    Args:
        runs: the runs, in order of time.
        digests: the digest of the numbers of each.
    """
    places: dict[str, list[int]] = defaultdict(list)
    for place, run in enumerate(runs):
        places[run.device_id].append(place)
    devices = tuple(tuple(places[device_id]) for device_id in sorted(places))
    streams = tuple(run.stream for run in runs)
    for questions in ranges(sum(run.answers for run in runs)):
        yield Piece(streams, tuple(digests), devices, questions)


def means_of_piece(piece: Piece, derived: Derived) -> QuestionMeans:
    """Sum up a piece, question by question.

    Raises:
        NumbersChanged: the database has other numbers of a run now.
    """
    runs = zip(piece.streams, piece.digests, strict=True)
    return question_means(
        [derived.judged(stream, digest, piece.questions) for stream, digest in runs], piece.devices
    )
