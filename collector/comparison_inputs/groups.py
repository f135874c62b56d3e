"""Groups runs that a report sums up as one row, with the data derived from them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from collector.comparison_inputs.machine import Machine, machine_of, named
from collector.findings.between_rows import Place, RowName
from collector.findings.scenario_run import COMPARED
from collector.store.findings_cache import FindingsCache
from collector.store.runs import Run
from collector.summaries.columns import Columns, PerQuestion, mean_times, median_times
from collector.summaries.measured import Measured, measured, over_devices
from collector.summaries.repeatability import Measurement, Repeat, repeats
from collector.summaries.run_summary import Derived
from commandline.counted import counted

FULL: Final = 0.5
"""Runs and rows with fewer questions than this share of the largest do not stand beside it."""


class Entrant:
    """Answers that take part in a comparison: those of a group of runs, or imported predictions.

    Attributes:
        name: the name of the row.
        questions: the name of the question file.
        withheld: why no accuracy is shown; None if it is shown.
        digests: hashes that identify all numbers that the row is computed from.
        is_measured: whether the answers were measured on hardware.
        reading: the decoding and the windows, which accuracies must share to be compared; None if any do.
    """

    is_measured = True
    reading: tuple[str, ...] | None = None

    name: RowName
    questions: str
    withheld: str | None
    digests: tuple[str, ...]

    def __init__(self, cache: FindingsCache) -> None:
        self._cache = cache

    @property
    def place(self) -> Place:
        """The machine type and the question file, within which rows may be compared."""
        return Place(
            hardware_class=self.name.hardware_class,
            machine=self.name.machine,
            questions=self.questions,
            questions_sha256=self.name.questions_sha256,
        )

    @cached_property
    def measured(self) -> Measured:
        """The sums over all answers."""
        return self._recalled(lambda: measured(self.columns))

    def _recalled(self, compute: Callable[[], Measured]) -> Measured:
        return self._cache.recall("measured", self.digests, Measured, compute)

    @property
    def columns(self) -> Columns:
        """All answers as columns. They can be megabytes, so only results that are not cached read them."""
        raise NotImplementedError

    @property
    def question_ns(self) -> PerQuestion:
        """The median time of each question that has a time."""
        return median_times(self.columns)


class Group(Entrant):
    """Runs of one machine type, question file, model and precision that agree in bundle and settings.

    Attributes:
        runs: the runs, in the order in which the collector first received something of them; at least one.
        also: what else was measured of the row's name, one phrase per bundle, settings and state.
        timelines: the timeline of each run.
    """

    def __init__(
        self,
        runs: list[Run],
        machine: Machine,
        derived: Derived,
        cache: FindingsCache,
        also: tuple[str, ...] = (),
    ) -> None:
        super().__init__(cache)
        self.machine = machine
        self.runs = runs
        self.also = also
        run = self.run
        self.name = RowName(
            hardware_class=run.device.hardware_class,
            machine=machine.label,
            questions_sha256=run.questions_sha256,
            model=run.bundle.model,
            precision=run.bundle.precision,
        )
        self.questions = run.questions_name
        self.withheld = derived.sets.withheld(run)
        described = _described(run)
        self.reading = tuple(described[name] for name in _READING)
        summaries = [derived.summary(run) for run in runs]
        self.digests = tuple(summary.digest for summary in summaries)
        if len({run.device_id for run in runs}) > 1:
            self.digests += tuple(run.device_id for run in runs)
        self.timelines = tuple(summary.timeline for summary in summaries)
        self._derived = derived

    @property
    def run(self) -> Run:
        """The first of the runs, for the properties that all of them share."""
        return self.runs[0]

    @property
    def partial(self) -> bool:
        """Whether no run is complete."""
        return not any(map(is_complete, self.runs))

    @cached_property
    def repeats(self) -> tuple[Repeat, ...]:
        """How well consecutive runs of one device agree."""
        if len(self.runs) < 2:
            return ()
        of = (*self.digests, *(run.run_id for run in self.runs))

        def compute() -> tuple[Repeat, ...]:
            columns = (self._derived.columns(run) for run in self.runs)
            named = zip(self.runs, columns, strict=True)
            return repeats(Measurement(run.run_id, run.device_id, answers) for run, answers in named)

        return self._cache.recall("repeats", of, tuple[Repeat, ...], compute)

    @cached_property
    def devices(self) -> dict[str, "Group"]:
        """The runs of each device, in order of the devices' names."""
        runs_of: dict[str, list[Run]] = defaultdict(list)
        for run in self.runs:
            runs_of[run.device_id].append(run)
        if len(runs_of) == 1:
            return dict.fromkeys(runs_of, self)
        return {device_id: self._of(runs) for device_id, runs in sorted(runs_of.items())}

    def shared_with(self, other: "Group") -> "Group":
        """Return the part of the runs that is on devices that another group ran on too; all if none is."""
        chosen = [run for run in self.runs if run.device_id in other.devices]
        return self if len(chosen) in {0, len(self.runs)} else self._of(chosen)

    def _of(self, runs: list[Run]) -> "Group":
        return Group(runs, self.machine, self._derived, self._cache)

    @cached_property
    def measured(self) -> Measured:
        """The sums over all answers, in which times are medians over the devices."""
        if len(self.devices) == 1:
            return self._recalled(lambda: measured(self.columns))
        units = [device.measured for device in self.devices.values()]
        return self._recalled(lambda: over_devices(measured(self.columns), units))

    @property
    def question_ns(self) -> PerQuestion:
        """The median time of each question that has a time; over several devices, the geometric mean."""
        if len(self.devices) == 1:
            return median_times(self.columns)
        return mean_times([device.question_ns for device in self.devices.values()])

    @property
    def columns(self) -> Columns:
        """The answers of all runs."""
        return Columns.joined([self._derived.columns(run) for run in self.runs])


def paired_times(left: Group, right: Group) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the times of the questions that both answered on the same device.

    Over several devices they are geometric means over those that answered a question for both.
    """
    lefts: list[PerQuestion] = []
    rights: list[PerQuestion] = []
    for device_id in sorted(left.devices.keys() & right.devices.keys()):
        ours, theirs = left.devices[device_id].question_ns, right.devices[device_id].question_ns
        both = np.intersect1d(ours.question, theirs.question, assume_unique=True)
        for times, found in ((ours, lefts), (theirs, rights)):
            found.append(PerQuestion(both, times.value[np.isin(times.question, both, assume_unique=True)]))
    if not lefts:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    if len(lefts) == 1:
        return lefts[0].value, rights[0].value
    return mean_times(lefts, of_all=False).value, mean_times(rights, of_all=False).value


def type_of(run: Run) -> Machine:
    """Return the machine type of a run's device."""
    return machine_of(run.device)


def device_as_type(run: Run) -> Machine:
    """Return a machine type of which a run's device is the only unit."""
    return named(f"{run.device_id}: {machine_of(run.device).label}")


def variant(run: Run) -> tuple[object, ...]:
    """Return the bundle and the settings that runs of one name must share to be one row."""
    s = run.settings
    windows = (s.max_tokens, s.stride_tokens, s.max_answer_tokens)
    return run.bundle_sha256, s.decoding, windows, s.threads, tuple(sorted(s.options.items()))


def groups(
    runs: Iterable[Run], machine: Callable[[Run], Machine], derived: Derived, cache: FindingsCache
) -> Iterator[Group]:
    """Group single-stream runs into rows, each with the runs that stand for its name.

    Complete runs come before all others. Of several bundles or settings, those with the most questions stand
    for the row, and among equals the newest. Runs that asked less than half as many questions as the largest
    of them are left out.

    Args:
        runs: the runs; those of other scenarios are ignored.
        machine: the machine type of a run: `type_of` or `device_as_type`.
        derived: the data derived from them.
        cache: results that were computed before.
    """
    by_row: dict[tuple[str, ...], dict[tuple[object, ...], list[Run]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for run in runs:
        if run.settings.scenario != COMPARED:
            continue
        of_machine = run.device.hardware_class, machine(run).label
        key = (*of_machine, run.questions_sha256, run.bundle.model, run.bundle.precision)
        by_row[key][variant(run)].append(run)
    for variants in by_row.values():
        chosen = max((_standing(of_one) for of_one in variants.values()), key=_rank)
        others = [run for of_one in variants.values() for run in of_one if run not in chosen]
        also = tuple(dict.fromkeys(also_measured(run, chosen[-1]) for run in reversed(others)))
        yield Group(chosen, machine(chosen[-1]), derived, cache, also)


def _standing(runs: Sequence[Run]) -> list[Run]:
    """Return the runs that can stand for equal runs: complete ones if there are any, and no small ones."""
    complete = [run for run in runs if is_complete(run)] or runs
    most = max(map(_asked, complete))
    return [run for run in complete if _asked(run) >= FULL * most]


def _rank(runs: Sequence[Run]) -> tuple[bool, int, int]:
    return is_complete(runs[-1]), max(map(_asked, runs)), runs[-1].stream


def is_complete(run: Run) -> bool:
    """Return whether a run asked all of its questions, even if they did not decide what it was to decide."""
    return run.state == "complete" or (run.state == "inconclusive" and _asked(run) == run.questions_selected)


def _asked(run: Run) -> int:
    """Count the distinct questions that a run has answers to."""
    return min(run.questions_selected, run.answers)


def also_measured(run: Run, instead: Run) -> str:
    """Write how a run that does not stand for its row differs from one that does."""
    asked = _asked(run)
    questions = (
        counted(asked, "question")
        if is_complete(run)
        else f"{asked} of {counted(run.questions_selected, 'question')}, {run.state}"
    )
    return ", ".join((*unlike_settings(run, instead), questions))


def unlike_settings(run: Run, other: Run) -> tuple[str, ...]:
    """Write the bundle and the settings of a run in which it differs from another."""
    mine, its = _described(run), _described(other)
    return tuple(text for name, text in mine.items() if text != its.get(name)) + tuple(
        f"no {name}" for name in its if name not in mine
    )


def otherwise(run: Run, other: Run) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write in which settings and versions two runs differ, except the bundle: those of each side."""
    mine, its = _circumstances(run), _circumstances(other)
    unlike = [name for name in {**mine, **its} if mine.get(name) != its.get(name)]
    absent = {name: f"no {name}" for name in unlike}
    return tuple({**absent, **mine}[name] for name in unlike), tuple(
        {**absent, **its}[name] for name in unlike
    )


def _circumstances(run: Run) -> dict[str, str]:
    versions = {name: f"{name} {version}" for name, version in run.device.versions.items()}
    return {name: text for name, text in {**_described(run), **versions}.items() if name != "bundle"}


_READING: Final = ("decoding", "windows", "answers")


def _described(run: Run) -> dict[str, str]:
    """Write everything in which `variant` distinguishes runs, by name."""
    s = run.settings
    return {
        "bundle": f"bundle {run.bundle_sha256[:8]}",
        "decoding": f"decoding {s.decoding}",
        "windows": f"windows of {s.max_tokens} tokens, stride {s.stride_tokens}",
        "answers": f"answers of at most {s.max_answer_tokens} tokens",
        "threads": counted(s.threads, "thread"),
        **{name: f"{name} {value}" for name, value in sorted(s.options.items())},
    }
