"""Compares the accuracy of rows, and decides the accuracy gates of each precision."""

from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

import msgspec
import numpy as np

from collector.comparison_inputs.baseline import REFERENCE_PRECISION, Baselines
from collector.comparison_inputs.groups import Entrant, Group
from collector.findings.between_rows import Difference, Gate, Interval
from collector.statistics.confidence import SIGNIFICANCE, is_significant
from collector.statistics.means import mean, ratio_of_means
from collector.statistics.shares import mcnemar
from collector.store.findings_cache import FindingsCache
from collector.summaries.columns import mean_scores, shared

E = TypeVar("E", bound=Entrant)
_HALF: Final = 0.5


class PairedScores(msgspec.Struct, frozen=True, kw_only=True):
    """How the scores of a group differ from those of a reference, on the questions that both answered."""

    questions: int
    only_left: int
    """Questions that only the group answers exactly."""
    only_right: int
    """Questions that only the reference answers exactly."""
    p_value: float
    """Exact McNemar test, two-sided, of `only_left` against `only_right`."""
    f1: float
    """Mean difference of F1, group minus reference, -1 to 1."""
    f1_interval: Interval
    exact_match_left: float
    """Mean EM of the group on these questions, 0 to 1."""
    exact_match_right: float
    f1_left: float
    """Mean F1 of the group on these questions, 0 to 1."""
    f1_right: float
    of_reference: float | None
    """The group's F1 divided by the reference's; None if the reference's F1 is 0."""
    of_reference_interval: Interval


def paired_scores(left: Entrant, right: Entrant, cache: FindingsCache) -> PairedScores | None:
    """Compare the scores of two entrants; None if one has no scores or they share no question.

    Only devices that both ran on count. If there are none, all do, since they are of one machine type.
    """
    if isinstance(left, Group) and isinstance(right, Group):
        left, right = left.shared_with(right), right.shared_with(left)
    if left.measured.f1 is None or right.measured.f1 is None:
        return None
    digests = (*left.digests, "against", *right.digests)
    return cache.recall("contrast", digests, PairedScores | None, lambda: _paired_scores(left, right))


def _paired_scores(left: Entrant, right: Entrant) -> PairedScores | None:
    ours, theirs = left.columns, right.columns
    f1, reference = shared(mean_scores(ours, ours.f1), mean_scores(theirs, theirs.f1))
    if not len(f1):
        return None
    hits = shared(mean_scores(ours, ours.exact_match), mean_scores(theirs, theirs.exact_match))
    exact_left, exact_right = hits[0] >= _HALF, hits[1] >= _HALF
    only_left = int(np.count_nonzero(exact_left & ~exact_right))
    only_right = int(np.count_nonzero(exact_right & ~exact_left))
    gained = mean(f1 - reference)
    kept = ratio_of_means(f1, reference) if reference.any() else None
    return PairedScores(
        questions=len(f1),
        only_left=only_left,
        only_right=only_right,
        p_value=mcnemar(only_left, only_right),
        f1=gained.value,
        f1_interval=(gained.low, gained.high),
        exact_match_left=float(hits[0].mean()),
        exact_match_right=float(hits[1].mean()),
        f1_left=float(f1.mean()),
        f1_right=float(reference.mean()),
        of_reference=None if kept is None else kept.value,
        of_reference_interval=(0.0, 0.0) if kept is None else (kept.low, kept.high),
    )


def differences(
    entrants: Sequence[Entrant], baselines: Baselines, cache: FindingsCache
) -> Iterator[Difference]:
    """Compare each row with the baseline of its place, and each precision with fp32 of its model."""
    for entrant in entrants:
        compared: list[Entrant] = []
        for against in (baselines.of(entrant), reference(entrants, entrant, entrant.name.model)):
            if against is None or against is entrant or not comparable(entrant, against):
                continue
            if against not in compared:
                compared.append(against)
                found = paired_scores(entrant, against, cache)
                if found is not None:
                    yield _difference(entrant, against, found)


def gates(groups: Sequence[Group], cache: FindingsCache) -> Iterator[Gate]:
    """Compute how much of fp32's F1 every other precision keeps."""
    for group in groups:
        against = reference(groups, group, group.name.model)
        if against is None or against is group or not comparable(group, against):
            continue
        found = paired_scores(group, against, cache)
        if found is not None and found.of_reference is not None:
            low, high = found.of_reference_interval
            yield Gate(
                row=group.name,
                questions=found.questions,
                percent_of_fp32=100 * found.of_reference,
                interval=(100 * low, 100 * high),
                passes_99=found.of_reference >= 0.99,
                passes_99_9=found.of_reference >= 0.999,
            )


def comparable(left: Entrant, right: Entrant) -> bool:
    """Return whether accuracies may be compared: only with the same decoding and windows."""
    return left.reading is None or right.reading is None or left.reading == right.reading


def reference(among: Sequence[E], entrant: Entrant, model: str) -> E | None:
    """Find the fp32 row of a model in the place of an entrant; on any hardware if it was not measured.

    Its accuracy may be compared with the entrant's only if they are `comparable`.
    """
    for other in among:
        same = (other.name.model, other.name.precision) == (model, REFERENCE_PRECISION)
        place = not entrant.is_measured or other.place == entrant.place
        if same and place and other.name.questions_sha256 == entrant.name.questions_sha256:
            return other
    return None


def _difference(group: Entrant, against: Entrant, found: PairedScores) -> Difference:
    low, high = found.f1_interval
    return Difference(
        row=group.name,
        against=against.name,
        questions=found.questions,
        exact_match=100 * (found.only_left - found.only_right) / found.questions,
        only_row=found.only_left,
        only_against=found.only_right,
        p_value=found.p_value,
        exact_match_significant=found.p_value < SIGNIFICANCE,
        f1=100 * found.f1,
        f1_interval=(100 * low, 100 * high),
        f1_significant=is_significant(found.f1_interval, 0.0),
    )
