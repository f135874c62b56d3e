"""Suggests students that should meet a requirement on a hardware class, and the commands to make them."""

import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

import msgspec

from commandline.counted import counted
from commandline.estimation import arithmetic, latency
from commandline.estimation.latency import Line, Point
from commandline.requirement import Condition
from contract.codec import printable
from export.errors import BadInput
from export.suggestion import measurements
from export.suggestion.measurements import Measurement, Measurements
from export.suggestion.requirement import FIELDS, parse
from export.suggestion.suggested_student import SuggestedStudent, ranked

_FEW: Final = 5
"""Shapes below which an interval is too wide to be useful."""
_NO_NUMBERS: Final = "because one of their sizes, lengths or times is 0 or impossibly large"


class Suggestion(msgspec.Struct, frozen=True, kw_only=True):
    """The suggested students, and the measurements that the suggestion is based on."""

    hardware_class: str
    questions: str
    threads: int
    requirement: str
    already: tuple[str, ...]
    """Models, with their precision, that were measured on this hardware and meet the requirement."""
    teacher: str
    """The teacher as `--teacher` accepts it, or only the name of its folder if its weights are local."""
    teacher_title: str
    teacher_f1: float | None
    teacher_f1_taken_over: bool
    points: int
    """Number of measurements that the prediction is based on, one per model and precision."""
    shapes: int
    """Number of different shapes among them."""
    spread_percent: float | None
    """Standard deviation of a shape's latency about the fitted line, in percent."""
    slope: float
    candidates: tuple[SuggestedStudent, ...]
    """The best first: ordered by verdict, then by arithmetic, the most first."""
    commands: tuple[str, ...]
    remarks: tuple[str, ...]


def suggest(database: Path, hardware_class: str, expression: str, teacher: str | None) -> Suggestion:
    """Suggest students.

    Args:
        database: database of the collector.
        hardware_class: hardware class that the student will run on.
        expression: the requirement; see `requirement.parse`.
        teacher: a measured model, as `--teacher` accepts it; None for the most accurate of the database.

    Raises:
        BadInput: the requirement is invalid, or the database or its measurements are unsuitable.
    """
    conditions = parse(expression)
    measured = measurements.read(database, hardware_class)
    of_family = [m for m in measured.here if m.manifest.architecture.family in arithmetic.FAMILIES]
    usable = [m for m in of_family if m.has_numbers and arithmetic.is_known(m.manifest.architecture)]
    left_out = [_titled(m) for m in of_family if m not in usable]
    _check_shapes(usable, left_out)
    lines = {c.field: _line(usable, c.field) for c in conditions if FIELDS[c.field] == "latency"}
    master = _teacher(measured, teacher)
    asked = max(usable, key=lambda m: len(m.lengths))
    candidates = ranked(master.manifest.architecture, asked, lines, conditions, usable)
    if not candidates:
        raise BadInput(_nothing_smaller(master))
    line = next(iter(lines.values()))
    named = teacher or _named(master)
    return Suggestion(
        hardware_class=hardware_class,
        questions=measured.questions,
        threads=measured.threads,
        requirement=expression,
        already=tuple(_already([m for m in measured.here if m.has_numbers], conditions)),
        teacher=named,
        teacher_title=master.manifest.title,
        teacher_f1=master.f1,
        teacher_f1_taken_over=master.taken_over is not None,
        points=len(usable),
        shapes=line.shapes,
        spread_percent=None if line.spread is None else 100 * line.spread,
        slope=line.slope,
        candidates=tuple(candidates),
        commands=tuple(_commands(candidates, named)),
        remarks=tuple(
            _remarks(
                measured, usable, left_out, master, lines, conditions, candidates, given=teacher is not None
            )
        ),
    )


def _check_shapes(usable: Sequence[Measurement], left_out: Sequence[str]) -> None:
    shapes = {m.manifest.architecture for m in usable}
    if len(shapes) < 2:
        but = f" (left out {_NO_NUMBERS}: {', '.join(left_out)})" if left_out else ""
        raise BadInput(
            f"a prediction needs measurements of two or more shapes, but {len(shapes) or 'none'} was "
            f"measured there{but}: measure other shapes; random weights are enough "
            "(export-models build NAME --weights random)"
        )


def _titled(m: Measurement) -> str:
    return f"{m.manifest.title} {m.manifest.precision}"


def _nothing_smaller(master: Measurement) -> str:
    shape = master.manifest.architecture
    return (
        f"no student is smaller than the teacher {master.manifest.title!r}, which has "
        f"{counted(shape.layers, 'layer')}, and no known base model with its vocabulary of "
        f"{shape.vocab_size} tokens computes less: choose another with --teacher"
    )


def _line(usable: Sequence[Measurement], field: str) -> Line:
    return latency.fit(
        [
            Point(
                arithmetic.gigaflops(m.manifest.architecture, m.lengths),
                m.manifest.precision,
                m.milliseconds[field],
                m.manifest.architecture,
            )
            for m in usable
        ]
    )


def _teacher(measured: Measurements, asked_for: str | None) -> Measurement:
    """The requested teacher, or the most accurate one; its shape decides which students are possible."""
    known = [*measured.here, *measured.elsewhere]
    able = [m for m in known if arithmetic.is_known(m.manifest.architecture)]
    if asked_for is not None:
        able = [m for m in able if _is_called(m, asked_for)]
        if not able:
            raise BadInput(
                f"teacher '{asked_for}' is not among the models that were measured on {measured.questions} "
                "and whose arithmetic follows from their shape: measure it first, on any hardware"
            )
    scored = [m for m in able if m.f1 is not None]
    if not scored and asked_for is None:
        raise BadInput(
            f"no model that could be a teacher has a score on {measured.questions}: measure one with trained "
            "weights and run collector score, or choose one with --teacher"
        )
    return max(scored or able, key=lambda m: (m.f1 or 0.0, m.manifest.precision == "fp32"))


def _is_called(m: Measurement, name: str) -> bool:
    return name in {m.manifest.model, m.manifest.weights.source} or Path(name).name == _named(m)


def _named(master: Measurement) -> str:
    weights = master.manifest.weights
    return weights.source if weights.origin == "hub" else weights.source.partition(" on ")[0]


def _already(here: Sequence[Measurement], conditions: Sequence[Condition]) -> Iterator[str]:
    for m in here:
        values = {
            **m.milliseconds,
            "f1": m.f1,
            "exact_match": m.exact_match,
            "size_mb": m.size_bytes / 1e6,
            "parameters_m": m.manifest.parameters / 1e6,
        }
        if all(condition.met(values[condition.field]) for condition in conditions):
            accurate = any(FIELDS[condition.field] == "accuracy" for condition in conditions)
            mark = " (accuracy ≈ taken over)" if accurate and m.taken_over is not None else ""
            yield _titled(m) + mark


def _commands(candidates: Sequence[SuggestedStudent], teacher: str) -> Iterator[str]:
    """Commands for the largest student that should meet it, and for the largest that may if it is larger."""
    largest = 0.0
    for verdict, group in groupby(candidates, key=lambda c: c.verdict):
        best = next(group)
        if verdict not in {"should meet", "may meet"} or best.gigaflops <= largest:
            continue
        largest = best.gigaflops
        folder = f"students/{best.student.replace('=', '-')}"
        yield (
            f"export-models distill --teacher {shlex.quote(printable(teacher))} --student {best.student} "
            f"--questions TRAIN.json --to {folder}"
        )
        yield f"export-models build ./{folder} --precision {best.precision} --to bundles"


def _remarks(
    measured: Measurements,
    usable: Sequence[Measurement],
    without_numbers: Sequence[str],
    master: Measurement,
    lines: dict[str, Line],
    conditions: Sequence[Condition],
    candidates: Sequence[SuggestedStudent],
    *,
    given: bool,
) -> Iterator[str]:
    line = next(iter(lines.values()))
    if line.spread is None:
        yield (
            f"{line.shapes} shapes are too few for an interval, so no student gets the verdict 'should "
            "meet': measure more shapes; random weights are enough"
        )
    elif line.shapes < _FEW:
        yield (
            f"the interval is wide, because only {line.shapes} shapes were measured: measure more shapes; "
            "random weights are enough"
        )
    if line.slope <= 0:
        yield "latency does not grow with arithmetic in these measurements: do not trust the prediction"
    left_out = {
        m.manifest.title for m in measured.here if m.manifest.architecture.family not in arithmetic.FAMILIES
    }
    if left_out:
        titles = ", ".join(sorted(left_out))
        yield f"left out because their arithmetic does not follow from their shape: {titles}"
    if without_numbers:
        yield f"left out {_NO_NUMBERS}: {', '.join(without_numbers)}"
    if measured.unreadable:
        one, many = "run is left out because its manifest", "runs are left out because their manifests"
        runs = counted(measured.unreadable, one, many)
        yield f"{runs} cannot be read: collector report prints the reason"
    if (over := master.taken_over) is not None:
        yield (
            f"≈ the teacher's accuracy on all {over.questions:,} questions was taken over from "
            f"{over.device_id}, and corrected by the {over.asked:,} asked here: collector report has its "
            "interval"
        )
    most_scored = max(m.scored for m in (*measured.here, *measured.elsewhere))
    if master.f1 is None:
        title = master.manifest.title
        yield f"the accuracy of the teacher, {title}, on these questions is unknown"
    elif master.scored < most_scored:
        yield (
            f"the teacher's accuracy was measured on {master.scored:,} question{'s' * (master.scored != 1)}, "
            f"that of others on up to {most_scored:,}: measure it on as many before you rely on it"
        )
    for condition in conditions:
        if FIELDS[condition.field] == "accuracy":
            value = master.f1 if condition.field == "f1" else master.exact_match
            if value is not None and not condition.met(value):
                yield (
                    f"the teacher, {master.manifest.title}, has {condition.field} "
                    f"{value:.1f}, not {condition.operator} {condition.bound:g}, and a student seldom beats "
                    "its teacher: look for a better teacher first"
                )
            else:
                yield f"{condition} is not predicted: it depends on the training, so measure the student"
    if not any(c.verdict in {"should meet", "may meet"} for c in candidates):
        yield "no student with weights to start from is predicted to be fast and small enough"
    if master.manifest.weights.origin != "hub" and not given:
        folder = _named(master)
        yield f"the teacher's weights came from a folder called {folder!r}: give its path with --teacher"
