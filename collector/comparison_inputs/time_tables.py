"""The mean times of the rows of one precision on all hardware, over the questions that all rows share."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.tasks.speed import geometric_means
from collector.comparison_inputs.tasks.task import Memo
from commandline.standing import FULL


class TimeTable(NamedTuple):
    """The rows of one question file and precision that have times, and their mean times."""

    rows: tuple[Group, ...]
    means_ms: tuple[float, ...]
    """The geometric mean of each row; empty if the rows share no question."""
    left_out: tuple[Group, ...]
    """The rows with too few questions: they would reduce those that all rows share."""
    most_questions: int
    """How many questions the largest row answered."""


def time_tables(groups: Sequence[Group], memo: Memo) -> Iterator[TimeTable]:
    """Compute a table for each question file and precision.

    Rows with fewer questions than `FULL` of the largest row are left out.
    """
    together: dict[tuple[str, str], list[Group]] = defaultdict(list)
    for group in groups:
        if group.measured.timed:
            together[group.name.questions_sha256, group.name.precision].append(group)
    tables = []
    for timed in together.values():
        most = max(group.measured.answered for group in timed)
        full = [group for group in timed if group.measured.answered >= FULL * most]
        tables.append((timed, full, most, geometric_means([group.source for group in full])))
    memo.prepare_needs(means for *_, means in tables)
    for timed, full, most, means in tables:
        means_ms: list[float] = memo.recall(means)
        yield TimeTable(
            rows=tuple(full),
            means_ms=tuple(means_ms),
            left_out=tuple(group for group in timed if group not in full),
            most_questions=most,
        )
