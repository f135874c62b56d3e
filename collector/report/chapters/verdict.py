"""The verdict in words: a paragraph for all machines with the same answer, made of what the tests say.

A terminal's first screen, Markdown and the HTML page all show these paragraphs. A model alone is called the
fastest or the most accurate only if it has that label alone; if others share the label, the same sentence
names them or says how many they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from collector.comparison.labels.recommendation import BALANCE, HIGH_ACCURACY, REAL_TIME
from collector.display.numbers import span
from collector.findings.between_rows import Interval, Place
from collector.findings.comparison import Comparison, Row, name_of, place_of
from collector.findings.relative import Relative
from collector.report.columns import TAKEN_OVER
from collector.report.names import Names, full_name, listed
from collector.report.shared_labels import holders
from commandline.counted import counted

MOST: Final = 3
"""Paragraphs; the machines with other answers share one more sentence."""
_NAMED: Final = 3
"""Machines or models of a sentence that are named; more are counted."""
_NO_CHANGE: Final = 1.0

_Rows = tuple[Row, ...]


class _PlaceAnswer(NamedTuple):
    """The rows that have each label at one place, in the order in which they are named.

    If several rows share a label, the tests do not show which of them is the best.
    """

    place: Place
    fast: _Rows
    accurate: _Rows
    both: _Rows
    """The rows that are among the fastest and among the most accurate."""
    between: _Rows
    quickest: _Rows = ()
    """Where there is no label: the row with the highest speed-up, if that is more than chance."""

    @property
    def key(self) -> tuple[object, ...]:
        """What places share whose answers are put together: who is named first, and whether others share."""
        shared = tuple(len(rows) > 1 for rows in (self.fast, self.accurate, self.both, self.between))
        named = (self.both,) if self.both else (self.fast, self.accurate, self.quickest)
        return shared, tuple(rows and (rows[0].model, rows[0].precision) for rows in (*named, self.between))


def verdict(comparison: Comparison, *, short: bool = False) -> tuple[str, ...]:
    """Write which model is the fastest and the most accurate where, and what it keeps of its teacher.

    Args:
        comparison: the findings.
        short: whether to write only the first sentence, of the answer that most machines share.

    Returns:
        At most `MOST` paragraphs and a sentence; empty if no two models can be compared anywhere.
    """
    found = _Found(comparison)
    groups: dict[tuple[object, ...], list[_PlaceAnswer]] = {}
    for answer in found.answers():
        groups.setdefault(answer.key, []).append(answer)
    by_size = sorted(groups.values(), key=lambda group: -len(group))
    kept = by_size[:1] if short else by_size if len(by_size) <= MOST else by_size[: MOST - 1]
    paragraphs = [list(found.sentences(group)) for group in kept]
    words = [" ".join(sentences[:1] if short else sentences) for sentences in paragraphs]
    if rest := sum(len(group) for group in by_size[len(kept) :]):
        words.append(f"The answers differ on {rest} more of the {found.all_places}.")
    return tuple(words)


class _Found:
    """The findings of a comparison that a verdict is made of."""

    def __init__(self, comparison: Comparison) -> None:
        self._names = Names(comparison)
        self._rows = comparison.rows
        self._holders = holders(comparison)
        self._relatives = {found.row: found for found in comparison.relatives}
        self._baselines = {found.place: found.row for found in comparison.baselines}
        self._places = tuple(dict.fromkeys(place_of(row) for row in comparison.rows if row.runs))
        self._one_file = len({place.questions_sha256 for place in self._places}) == 1

    @property
    def all_places(self) -> str:
        """What the places are, and how many; numbers are compared within each of them."""
        count = len(self._places)
        if self._one_file:
            return counted(count, "machine type")
        return counted(count, "pair") + " of machine type and question file"

    def answers(self) -> Iterable[_PlaceAnswer]:
        """Return the answer of each place that has one."""
        for place in self._places:
            fast, accurate, between = (
                self._holders.get((place, label), ()) for label in (REAL_TIME, HIGH_ACCURACY, BALANCE)
            )
            both = _without(fast, _without(fast, accurate))  # in the order of the fastest
            answer = _PlaceAnswer(place, fast, accurate, both, between)
            if not fast and not accurate:
                answer = answer._replace(quickest=tuple(self._quickest(place)))
            if any(answer[1:]):
                yield answer

    def _quickest(self, place: Place) -> Iterator[Row]:
        if place in self._baselines:
            rows = [row for row in self._rows if place_of(row) == place and row.speed_up_significant]
            faster = [row for row in rows if (row.speed_up or 0.0) > _NO_CHANGE]
            yield from sorted(faster, key=lambda row: -(row.speed_up or 0.0))[:1]

    def sentences(self, group: Sequence[_PlaceAnswer]) -> Iterator[str]:
        """Write the sentences for places whose answers are the same models, the most important one first."""
        where = f"On {self._where([answer.place for answer in group])}"
        quickest, fast, accurate, both, between = (
            [rows for rows in of_label if rows]
            for of_label in zip(
                *((a.quickest, a.fast, a.accurate, a.both, a.between) for a in group), strict=True
            )
        )
        if quickest:
            yield (
                f"{where}, no model can be recommended, although {self._name(quickest[0][0])} answers "
                f"{self._over_baseline(group)}."
            )
        elif both:
            yield from self._both(where, fast, accurate, both)
        else:
            if fast:
                yield f"{where}, {self._are(fast, 'the fastest')}{self._details(fast)}."
            if accurate:
                begun = "The" if fast else f"{where}, the"
                are = "are" if _shared(accurate) else "is"
                yield f"{begun} most accurate {are} {self._some(accurate)}{self._numbers(accurate)}."
            if not fast:
                yield "None is called the fastest, because not all times can be compared."
            if not accurate:
                yield "None is called the most accurate, because not all accuracies can be compared."
        if between:
            are = "are" if _shared(between) else "is"
            begun = "The best balance of the others is that of" if both else f"Between the two {are}"
            yield f"{begun} {self._some(between)}{self._details(between)}."

    def _both(
        self, where: str, fast: Sequence[_Rows], accurate: Sequence[_Rows], both: Sequence[_Rows]
    ) -> Iterator[str]:
        """Write that rows are among the fastest and among the most accurate, and which others are."""
        name, details = self._names_of(both), self._details(both)
        apart = [
            (what, [_without(rows, kept) for rows, kept in zip(of_label, both, strict=True)])
            for what, of_label in (("speed", fast), ("accuracy", accurate))
        ]
        if not _shared(fast) and not _shared(accurate):
            yield f"{where}, {name} is both the fastest and the most accurate{details}."
        elif not _shared(fast):
            yield f"{where}, {name} is the fastest, and no other model is shown to be more accurate{details}."
        elif not _shared(accurate):
            yield f"{where}, {name} is the most accurate, and no other model is shown to be faster{details}."
        elif not any(rows for _, others in apart for rows in others):
            yield f"{where}, {name} are the fastest and the most accurate, not told apart{details}."
        else:
            are = "are" if _shared(both) else "is"
            yield (
                f"{where}, {name} {are} among the fastest and among the most accurate, which are not told "
                f"apart{details}."
            )
        for what, others in apart:
            if any(others):
                them = "them" if _shared(both) else "it"
                yield f"Not told apart from {them} in {what}: {self._others(others)}."

    def _name(self, row: Row) -> str:
        return full_name(row.title, row.precision) + " (partial)" * row.partial

    def _are(self, of_label: Sequence[_Rows], what: str) -> str:
        are, apart = ("are", ", not told apart") if _shared(of_label) else ("is", "")
        return f"{self._names_of(of_label)} {are} {what}{apart}"

    def _some(self, of_label: Sequence[_Rows]) -> str:
        return self._names_of(of_label) + ", not told apart" * _shared(of_label)

    def _names_of(self, of_label: Sequence[_Rows]) -> str:
        """Name the rows of a label if they are the same everywhere, otherwise the first, and count others."""
        return self._same(of_label) or (
            f"{self._name(of_label[0][0])} and {_other_models([len(rows) - 1 for rows in of_label])}"
        )

    def _others(self, others: Sequence[_Rows]) -> str:
        """Name or count rows, of which some places may have none."""
        return self._same(others) or _other_models(list(map(len, others)))

    def _same(self, of_label: Sequence[_Rows]) -> str | None:
        """Name the rows, of which a few are named and more are counted; None unless all places have them."""
        first, *others = ({(row.model, row.precision) for row in rows} for rows in of_label)
        if any(rows != first for rows in others):
            return None
        return _listed(list(map(self._name, of_label[0])))

    def _where(self, places: Sequence[Place]) -> str:
        count = len(places)
        if count == len(self._places) > 1:
            return f"all {self.all_places}"
        names = [
            place.machine if self._one_file else f"{place.machine} ({place.questions})" for place in places
        ]
        return _listed(names)

    def _details(self, of_label: Sequence[_Rows]) -> str:
        """Write how fast the first rows are and what they keep of the same other row; empty if not known."""
        relatives = [found for rows in of_label if (found := self._relatives.get(name_of(rows[0])))]
        if len(relatives) < len(of_label) or len({(r.kind, r.to.model) for r in relatives}) > 1:
            return ""
        first = relatives[0]
        to = self._names.row(first.to)
        other = f"its teacher {to}" if first.kind == "teacher" else to
        speed = _speed(relatives, other)
        parts = [*speed, *_kept(relatives, "its" if speed else f"{other}'s")]
        return f"{self._begun(of_label)} {' and '.join(parts)}" if parts else ""

    def _begun(self, of_label: Sequence[_Rows]) -> str:
        """Begin what is written about the first row of a label."""
        return f": {self._name(of_label[0][0])}" if _shared(of_label) else ": it"

    def _numbers(self, of_label: Sequence[_Rows]) -> str:
        """Write the F1 and the median time of the first rows."""
        rows = [rows[0] for rows in of_label]
        f1, p50 = [row.f1 or 0.0 for row in rows], [row.p50_ms or 0.0 for row in rows]
        mark = TAKEN_OVER * any(row.taken_over is not None for row in rows)
        begun = f"{self._begun(of_label)} has" if _shared(of_label) else ", with"
        return f"{begun} an F1 of {_range(f1, 1)} %{mark} and a p50 of {_range(p50, 1)} ms"

    def _over_baseline(self, group: Sequence[_PlaceAnswer]) -> str:
        rows = [answer.quickest[0] for answer in group]
        to = listed(list(dict.fromkeys(self._names.row(self._baselines[answer.place]) for answer in group)))
        values = [row.speed_up or 0.0 for row in rows]
        return f"{_times(values, [row.intervals.get('speed_up') for row in rows])} times as fast as {to}"


def _listed(names: Sequence[str]) -> str:
    """Name a few and count the others, as in `A, B and 4 more`."""
    return listed(
        names if len(names) <= _NAMED else [*names[: _NAMED - 1], f"{len(names) - _NAMED + 1} more"]
    )


def _shared(of_label: Sequence[_Rows]) -> bool:
    """Return whether several rows share a label; places whose answers are put together agree in that."""
    return len(of_label[0]) > 1


def _without(rows: _Rows, others: _Rows) -> _Rows:
    names = set(map(name_of, others))
    return tuple(row for row in rows if name_of(row) not in names)


def _other_models(counts: Sequence[int]) -> str:
    """Count models besides the first one, as in `1 other model`, `2 to 5` or `up to 5 other models`."""
    least, most = min(counts), max(counts)
    up_to = "" if least == most else f"{least} to " if least else "up to "
    return up_to + counted(most, "other model")


def _speed(relatives: Sequence[Relative], other: str) -> list[str]:
    values = [found.speed_up for found in relatives if found.speed_up is not None]
    if len(values) < len(relatives):
        return []
    intervals = [found.speed_up_interval for found in relatives]
    if all(found is None or found[0] <= _NO_CHANGE <= found[1] for found in intervals):
        return [f"is not told apart in speed from {other}"]
    return [f"answers {_times(values, intervals)} times as fast as {other}"]


def _kept(relatives: Sequence[Relative], whose: str) -> list[str]:
    values = [found.f1_kept for found in relatives if found.f1_kept is not None]
    if len(values) < len(relatives):
        return []
    chance = not any(found.f1_significant for found in relatives)
    text = f"{_range(values, 1)} %"
    if len(relatives) == 1 and (interval := span(relatives[0].f1_kept_interval, 1)) is not None:
        text += f" ({interval})"
    return [f"keeps {text} of {whose} F1" + ", a difference that may be chance" * chance]


def _times(values: Sequence[float], intervals: Sequence[Interval | None]) -> str:
    """Write a ratio with its interval; for several places, the lowest and the highest ratio."""
    text = _range(values, 2)
    interval = span(intervals[0], 2) if len(values) == 1 else None
    return text if interval is None else f"{text} ({interval})"


def _range(values: Sequence[float], digits: int) -> str:
    written = [f"{value:,.{digits}f}" for value in (min(values), max(values))]
    return written[0] if written[0] == written[1] else " to ".join(written)
