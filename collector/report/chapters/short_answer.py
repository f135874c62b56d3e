"""The answer for a terminal's first screen: one line per label, for all machines with the same answer."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from collector.comparison.labels.recommendation import BALANCE, HIGH_ACCURACY, LOW_RESOURCE, REAL_TIME
from collector.display.numbers import decimals, megabytes, times
from collector.findings.between_rows import Choice, Place, Requirement
from collector.findings.comparison import Comparison, Row, place_of
from collector.report.chapters.answer import (
    NOTHING_TO_CHOOSE,
    model_of,
    open_conditions,
    stand_ins,
    taken_over,
)
from collector.report.columns import accuracy
from collector.report.names import Names, listed
from collector.report.page import DASH, Cell, Heading, Section, Table
from collector.report.shared_labels import first_by, holders

MOST: Final = 5
"""Lines per label and per requirement; the answers of the other machines share the last one."""
_OTHERS: Final = "several others"
_LABELS: Final = (HIGH_ACCURACY, REAL_TIME, LOW_RESOURCE, BALANCE)
_HEADINGS: Final = (
    Heading("best for", number=False),
    Heading("on", number=False),
    Heading("model", number=False),
    Heading("F1 %"),
    Heading("p50 ms"),
    Heading("speed-up"),
    Heading("memory MB"),
)
LEAST: Final = ("memory MB", "speed-up", "F1 %", "p50 ms")
"""The columns that a narrow terminal leaves out, the least important first."""


class Places(NamedTuple):
    """The places of a comparison, and how to name some of them."""

    all: tuple[Place, ...]

    @classmethod
    def of(cls, comparison: Comparison) -> "Places":
        """Return the places of a comparison in reading order."""
        return cls(tuple(dict.fromkeys(map(place_of, comparison.rows))))

    def on(self, some: Iterable[Place]) -> str:
        """Name some of the places, as in `all 10` or `2 of 10: Jetson Nano, 4 cores; Laptop, 8 cores`."""
        chosen = list(dict.fromkeys(some))
        if len(chosen) == len(self.all) > 1:
            return f"all {len(chosen)}"
        names = "; ".join(map(self._name, chosen))
        return names if len(chosen) == 1 else f"{len(chosen)} of {len(self.all)}: {names}"

    def _name(self, place: Place) -> str:
        one_file = len({each.questions_sha256 for each in self.all}) == 1
        return place.machine if one_file else f"{place.machine}, {place.questions}"


class _Answer(NamedTuple):
    """The model that is shown for a label, on all places where it is this model."""

    rows: list[Row]
    """Its row on each of the places."""
    sharing: list[tuple[Row, ...]]
    """On each of the places, all rows that share the label."""


def short_answer(comparison: Comparison) -> Section:
    """Show one line per label and model. If several models share a label, one of them stands for all."""
    names, places = Names(comparison), Places.of(comparison)
    labels: dict[str, dict[str, _Answer]] = {label: {} for label in _LABELS}
    for (_, label), sharing in holders(comparison).items():
        answers = labels.setdefault(label, {})
        answer = answers.setdefault(model_of(sharing[0]), _Answer([], []))
        answer.rows.append(sharing[0])
        answer.sharing.append(sharing)
    footnotes: dict[str, int] = {}
    lines = [line for label, answers in labels.items() for line in _lines(label, answers, places, footnotes)]
    without = [place for place in places.all if place not in {found.place for found in comparison.labels}]
    words = [] if lines else [NOTHING_TO_CHOOSE]
    if lines and without:
        words.append(f"No model can be recommended on {places.on(without)}.")
    words += [*taken_over(comparison), *stand_ins(names, comparison, places.on)]
    return Section("", tuple(words), (_table(lines, len(places.all) > 1),), footnotes=tuple(footnotes))


def requirement_lines(comparison: Comparison, found: Requirement) -> list[str]:
    """Write what meets a requirement, in one line for all machines with the same answer."""
    names, places = Names(comparison), Places.of(comparison)
    groups: dict[str, list[Choice]] = {}
    for choice in found.choices:
        groups.setdefault(_met(names, choice, len(places.all) == 1), []).append(choice)
    by_size = sorted(groups.items(), key=lambda group: -len(group[1]))
    kept = by_size if len(by_size) <= MOST else by_size[: MOST - 1]
    lines = [(answer, choices) for answer, choices in kept]
    if rest := [choice for _, choices in by_size[len(kept) :] for choice in choices]:
        lines.append((_OTHERS, rest))
    if len(places.all) == 1:
        return [answer for answer, _ in lines]
    return [f"on {places.on(choice.place for choice in choices)}: {answer}" for answer, choices in lines]


def _lines(
    label: str, answers: Mapping[str, _Answer], places: Places, footnotes: dict[str, int]
) -> list[tuple[Cell, ...]]:
    by_size = sorted(answers.items(), key=lambda item: -len(item[1].rows))
    kept = by_size if len(by_size) <= MOST else by_size[: MOST - 1]
    counts = [len(sharing) for answer in answers.values() for sharing in answer.sharing if len(sharing) > 1]
    lines: list[tuple[Cell, ...]] = []
    for model, answer in kept:
        notes: tuple[int, ...] = ()
        shown = model
        if any(len(sharing) > 1 for sharing in answer.sharing):
            note = _sharing(label, counts, answer.sharing[0] if len(places.all) == 1 else ())
            notes = (footnotes.setdefault(note, len(footnotes) + 1),)
            shown = f"{model} (one of {_how_many(counts)})"
        lines.append(
            (
                Cell(label),
                Cell(places.on(map(place_of, answer.rows))),
                Cell(shown, notes),
                _range([row.f1 for row in answer.rows], _f1_of(answer.rows)),
                _range([row.p50_ms for row in answer.rows], lambda value: decimals(value, 1)),
                _range([row.speed_up for row in answer.rows], times),
                _range([row.peak_rss_bytes for row in answer.rows], lambda value: megabytes(round(value))),
            )
        )
    if rest := [place_of(row) for _, answer in by_size[len(kept) :] for row in answer.rows]:
        lines.append((Cell(label), Cell(places.on(rest)), Cell(_OTHERS), *(Cell(DASH) for _ in range(4))))
    return lines


def _sharing(label: str, counts: Sequence[int], rows: Sequence[Row]) -> str:
    """Write which of several models is shown; `rows` are all of them, if there is one place."""
    text = f"the {first_by(label)} of {_how_many(counts)} that are not told apart"
    return f"{text}: {listed([model_of(row) for row in rows])}" if rows else text


def _how_many(counts: Sequence[int]) -> str:
    least, most = min(counts), max(counts)
    return f"{most}" if least == most else f"{least} to {most}"


def _f1_of(rows: Sequence[Row]) -> Callable[[float], str | None]:
    """Write F1 with the mark of an accuracy that was taken over, if that of a row was."""
    marked = next((row for row in rows if row.taken_over is not None), rows[0])
    return lambda value: accuracy(marked, value, 1)


def _range(values: Sequence[float | None], write: Callable[[float], str | None]) -> Cell:
    """Write the lowest and the highest of some values; a dash if none is known."""
    known = [value for value in values if value is not None]
    if not known:
        return Cell(DASH)
    low, high = write(min(known)), write(max(known))
    return Cell(f"{low}" if low == high else f"{low} to {high}")


def _table(lines: Sequence[tuple[Cell, ...]], several: bool) -> Table:
    kept = [i for i, heading in enumerate(_HEADINGS) if several or heading.text != "on"]
    return Table(
        "Recommended models",
        tuple(_HEADINGS[i] for i in kept),
        tuple(tuple(line[i] for i in kept) for line in lines),
        names=1,
    )


def _met(names: Names, choice: Choice, in_full: bool) -> str:
    """Write what meets a requirement on one place; `in_full` adds the numbers of what is open or missed."""
    parts = []
    if choice.met_by:
        parts.append(f"met by {_some(list(map(names.row, choice.met_by)), in_full)}")
    if choice.not_decided and in_full:
        parts += [f"not decided for {open_conditions(names, row)}" for row in choice.not_decided]
    elif choice.not_decided:
        parts.append(f"not decided for {_some([names.row(row.row) for row in choice.not_decided], in_full)}")
    if choice.nearest is not None:
        misses = f" ({'; '.join(choice.misses)})" if in_full and choice.misses else ""
        parts.append(f"met by nothing, nearest is {names.row(choice.nearest)}{misses}")
    return "; ".join(parts) or "met by nothing"


def _some(models: Sequence[str], all_of_them: bool) -> str:
    if all_of_them or len(models) <= MOST:
        return listed(models)
    return listed([*models[: MOST - 1], f"{len(models) - MOST + 1} more"])
