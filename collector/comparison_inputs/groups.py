"""Groups runs that a report sums up as one row, with the data derived from them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property

from collector.findings.between_rows import Place, RowName
from collector.findings.scenario_run import COMPARED
from collector.store.findings_cache import FindingsCache
from collector.store.runs import Run
from collector.summaries.columns import Columns, PerQuestion, median_times
from collector.summaries.measured import Measured, measured
from collector.summaries.repeatability import Measurement, Repeat, repeats
from collector.summaries.run_summary import Derived


class Entrant:
    """Answers that take part in a comparison: those of a group of runs, or imported predictions.

    Attributes:
        name: the name of the row.
        questions: the name of the question file.
        withheld: why no accuracy is shown; None if it is shown.
        digests: hashes that identify all numbers that the row is computed from.
        is_measured: whether the answers were measured on hardware.
    """

    is_measured = True

    name: RowName
    questions: str
    withheld: str | None
    digests: tuple[str, ...]

    def __init__(self, cache: FindingsCache) -> None:
        self._cache = cache

    @property
    def place(self) -> Place:
        """The hardware class and the question file, within which rows may be compared."""
        return Place(
            hardware_class=self.name.hardware_class,
            questions=self.questions,
            questions_sha256=self.name.questions_sha256,
        )

    @cached_property
    def measured(self) -> Measured:
        """The sums over all answers."""
        return self._cache.recall("measured", self.digests, Measured, lambda: measured(self.columns))

    @property
    def columns(self) -> Columns:
        """All answers as columns. They can be megabytes, so only results that are not cached read them."""
        raise NotImplementedError

    @property
    def question_ns(self) -> PerQuestion:
        """The median time of each question that has a time."""
        return median_times(self.columns)


class Group(Entrant):
    """Runs of one hardware class, question file, model and precision that agree in bundle and settings.

    Attributes:
        runs: the runs, in the order in which the collector first received something of them; at least one.
        left_out: how many older runs with the row's name have another bundle or other settings.
        timelines: the timeline of each run.
    """

    def __init__(self, runs: list[Run], left_out: int, derived: Derived, cache: FindingsCache) -> None:
        super().__init__(cache)
        self.runs = runs
        self.left_out = left_out
        run = self.run
        self.name = RowName(
            hardware_class=run.device.hardware_class,
            questions_sha256=run.questions_sha256,
            model=run.bundle.model,
            precision=run.bundle.precision,
        )
        self.questions = run.questions_name
        self.withheld = derived.sets.withheld(run)
        summaries = [derived.summary(run) for run in runs]
        self.digests = tuple(summary.digest for summary in summaries)
        self.timelines = tuple(summary.timeline for summary in summaries)
        self._derived = derived

    def of_device(self, device_id: str) -> "Group | None":
        """Return the runs of one device as a group; None if the device has none."""
        runs = [run for run in self.runs if run.device_id == device_id]
        return Group(runs, 0, self._derived, self._cache) if runs else None

    @property
    def run(self) -> Run:
        """The first of the runs, for the properties that all of them share."""
        return self.runs[0]

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

    @property
    def columns(self) -> Columns:
        """The answers of all runs."""
        return Columns.joined([self._derived.columns(run) for run in self.runs])


def variant(run: Run) -> tuple[object, ...]:
    """Return the bundle and the settings that runs of one name must share to be one row."""
    s = run.settings
    windows = (s.max_tokens, s.stride_tokens, s.max_answer_tokens)
    return run.bundle_sha256, s.decoding, windows, s.threads, tuple(sorted(s.options.items()))


def groups(runs: Iterable[Run], derived: Derived, cache: FindingsCache) -> Iterator[Group]:
    """Group single-stream runs into rows: for each name, the newest run and the runs that match it."""
    by_row: dict[tuple[str, ...], dict[tuple[object, ...], list[Run]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for run in runs:
        if run.settings.scenario != COMPARED:
            continue
        key = (run.device.hardware_class, run.questions_sha256, run.bundle.model, run.bundle.precision)
        by_row[key][variant(run)].append(run)
    for variants in by_row.values():
        newest = max(variants.values(), key=lambda group: group[-1].stream)
        yield Group(newest, sum(map(len, variants.values())) - len(newest), derived, cache)
