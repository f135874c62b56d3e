"""The rows of a comparison before they are compared: their runs, and what these sum up to."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from collector.comparison_inputs.answers import PredictionSet, RunSet, Source
from collector.comparison_inputs.inheritance.inherited import Inherited
from collector.comparison_inputs.machine import Machine
from collector.comparison_inputs.standing import Standing, reading
from collector.comparison_inputs.tasks.pairing import level_of_rounds
from collector.comparison_inputs.tasks.summing import (
    FEWEST_DEVICES,
    Deviation,
    deviations,
    repeated,
    sums,
    sums_over_devices,
)
from collector.comparison_inputs.tasks.task import Memo, Task
from collector.comparison_inputs.traces import Courses, courses
from collector.findings.between_rows import Place, RowName
from collector.statistics.timing.rounds import RoundMean
from collector.store.runs import Run
from collector.summaries.measured import Measured
from collector.summaries.repeatability import Repeat
from collector.summaries.run_summary import Derived
from collector.summaries.timeline import Timeline
from commandline.standing import is_complete


@dataclass(frozen=True, eq=False, kw_only=True)
class Entrant:
    """What takes part in a comparison: a group of runs, or imported predictions."""

    name: RowName
    questions: str
    """Name of the question file."""
    withheld: str | None
    """Why no accuracy is shown; None if it is shown."""
    source: Source
    """Where the answers come from."""
    measured: Measured
    """The sums over all answers."""
    reading: tuple[str, ...] | None = None
    """The decoding and the windows, which accuracies must share to be compared; None if any do."""
    inherited: Inherited | None = None
    """The accuracy on all questions, taken over from another machine; None if it is the row's own."""

    @property
    def is_measured(self) -> bool:
        """Whether the answers were measured on hardware."""
        return isinstance(self.source, RunSet)

    @property
    def place(self) -> Place:
        """The machine type and the question file, within which rows may be compared."""
        return Place(
            hardware_class=self.name.hardware_class,
            machine=self.name.machine,
            questions=self.questions,
            questions_sha256=self.name.questions_sha256,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class System(Entrant):
    """Imported predictions of one model on one question file: they have answers but no times."""

    source: PredictionSet


@dataclass(frozen=True, eq=False, kw_only=True)
class Group(Entrant):
    """Runs of one machine type, question file, model and precision that agree in bundle and settings."""

    source: RunSet
    measured: Measured
    """The sums over all answers, in which times are medians over the devices."""
    timelines: tuple[Timeline, ...]
    """The timeline of each run; it has moments only if the run is in `traced`."""
    traced: tuple[int, ...]
    """The positions of the runs whose course a report shows."""
    throttled: int
    """How many answers are marked because the processor was throttled, capped or short of voltage."""
    of_devices: dict[str, Measured]
    """The sums of each device, in order of the devices' names."""
    levels: dict[str, RoundMean]
    """How much the times of each device vary between rounds; without the devices that have no time."""
    repeats: tuple[Repeat, ...] = ()
    """How well consecutive runs of one device agree."""
    deviations: dict[str, Deviation]
    """How each device differs from the others; empty for one device."""
    also: tuple[str, ...] = ()
    """What else was measured of the row's name, one phrase per bundle, settings and state."""

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs, in the order in which the collector first received something of them; at least one."""
        return self.source.runs

    @property
    def run(self) -> Run:
        """The first of the runs, for the properties that all of them share."""
        return self.runs[0]

    @property
    def partial(self) -> bool:
        """Whether no run is complete."""
        return not any(map(is_complete, self.runs))

    @cached_property
    def devices(self) -> dict[str, RunSet]:
        """The runs of each device, in order of the devices' names."""
        return self.source.devices


class Outline(NamedTuple):
    """The runs of a row before their answers are summed up."""

    stands: Standing
    courses: Courses
    source: RunSet

    def of_devices(self) -> Iterator[Task[Any]]:
        """Yield the tasks of each device, and those that compare runs and devices."""
        devices = self.source.devices
        for device in devices.values():
            yield sums(device)
            yield level_of_rounds(device)
        if len(self.source.runs) > 1:
            yield repeated(self.source)
        if len(devices) >= FEWEST_DEVICES:
            yield deviations(self.source)

    def of_all(self, memo: Memo) -> Iterator[Task[Any]]:
        """Yield the task that sums up all devices, if there are several; those of each device are known."""
        devices = self.source.devices
        if len(devices) >= FEWEST_DEVICES:
            yield sums_over_devices(self.source, [memo.recall(sums(device)) for device in devices.values()])


def outlined(stands: Standing, derived: Derived) -> Outline:
    """Read the digests and timelines of the runs that stand for a row."""
    found = courses(stands.runs, derived)
    return Outline(stands, found, RunSet(stands.runs, found.digests))


def groups_of(rows: Iterable[Standing], derived: Derived, memo: Memo) -> list[Group]:
    """Sum up the runs of rows.

    Args:
        rows: the runs of each row.
        derived: the digests and timelines of runs.
        memo: recalls or computes what takes long.
    """
    outlines = [outlined(stands, derived) for stands in rows]
    memo.prepare(task for outline in outlines for task in outline.of_devices())
    memo.prepare(task for outline in outlines for task in outline.of_all(memo))
    return [_group(outline, derived, memo) for outline in outlines]


def row_name(run: Run, machine: Machine) -> RowName:
    """Name the row that a run on this type of machine is of."""
    return RowName(
        hardware_class=run.device.hardware_class,
        machine=machine.label,
        questions_sha256=run.questions_sha256,
        model=run.bundle.model,
        precision=run.bundle.precision,
    )


def group_of(stands: Standing, derived: Derived, memo: Memo) -> Group:
    """Sum up the runs that stand for a row. Arguments are those of `groups_of`."""
    return _group(outlined(stands, derived), derived, memo)


def _group(outline: Outline, derived: Derived, memo: Memo) -> Group:
    stands, found, source = outline
    run, devices = stands.runs[0], source.devices
    of_devices = {device_id: memo.recall(sums(device)) for device_id, device in devices.items()}
    levels = {device_id: memo.recall(level_of_rounds(device)) for device_id, device in devices.items()}
    several = len(devices) >= FEWEST_DEVICES
    return Group(
        name=row_name(run, stands.machine),
        questions=run.questions_name,
        withheld=derived.sets.withheld(run),
        source=source,
        measured=memo.recall(sums_over_devices(source, tuple(of_devices.values())))
        if several
        else of_devices[run.device_id],
        reading=reading(run),
        timelines=found.timelines,
        traced=found.traced,
        throttled=found.throttled,
        of_devices=of_devices,
        levels={device_id: level for device_id, level in levels.items() if level is not None},
        repeats=memo.recall(repeated(source)) if len(stands.runs) > 1 else (),
        deviations=memo.recall(deviations(source)) if several else {},
        also=stands.also,
    )
