"""How fast a device asks questions of a bundle, estimated from the runs of a database.

The pace is that of the newest run of the bundle that asked the same questions in the same way: on the device,
or else on a device of the same machine type. A run that asked other questions stands in, with its pace in
proportion to the arithmetic of the questions if their lengths are known. A bundle that was never measured
there is predicted from its arithmetic, as `export-models suggest` does, by a line through what was measured
there.
"""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple, Self

from collector.comparison_inputs.machine import Machine, machine_of
from collector.orders.offered import OfferedBundle
from collector.orders.recipients import Recipient
from collector.store.database import Store
from collector.store.runs import Run
from commandline.estimation.arithmetic import Length, gigaflops, is_known
from commandline.estimation.latency import Line, Point, fit
from contract.bundle import Architecture
from contract.orders.order import OrderedRun

_PACE: Final = """
SELECT max(at_ns) - min(at_ns),
    count(*) FILTER (WHERE at_ns < (SELECT max(at_ns) FROM answers WHERE stream = ?1))
FROM answers WHERE stream = ?1
"""
"""The time from the first to the last question, and how many began in it; a batch begins at once."""
_LENGTHS: Final = """
SELECT windows, tokens FROM answers
WHERE stream = ? AND error IS NULL AND windows > 0 AND tokens > 0
ORDER BY seq LIMIT 2000
"""


class Basis(NamedTuple):
    """What a time was estimated from."""

    name: str
    """The same in a table, such as `this device`."""
    rank: int
    """Higher for a worse one."""
    source: str
    """The same in a sentence, after `by`."""


DEVICE: Final = Basis("this device", 0, "its own earlier runs")
MACHINE: Final = Basis("this machine type", 1, "runs on its machine type")
OTHER_QUESTIONS: Final = Basis("other questions", 2, "runs of other questions on its machine type")
ARITHMETIC: Final = Basis("arithmetic", 3, "arithmetic, from other bundles on its machine type")
OTHER_LENGTHS: Final = Basis(
    "arithmetic, other questions", 4, "arithmetic, from other bundles and other questions on its machine type"
)


class Pace(NamedTuple):
    """How long the parts of a run take, in seconds."""

    start: float
    """Load and first question."""
    question: float
    """From one question to the next, on average."""
    basis: Basis


class Way(NamedTuple):
    """How a run asks. None stands for any value."""

    scenario: str
    batch_size: int | None
    threads: int | None
    decoding: str

    @classmethod
    def of(cls, run: OrderedRun) -> Self:
        """Return the way of an ordered run."""
        threads = run.threads if isinstance(run.threads, int) else None
        return cls(run.scenario, run.batch_size, threads, run.decoding)

    def is_of(self, run: Run) -> bool:
        """Return whether a measured run asked in this way."""
        way = run.settings
        return (
            (way.scenario, way.decoding) == (self.scenario, self.decoding)
            and self.threads in {None, way.threads}
            and self.batch_size in {None, way.batch_size}
        )


_Key = tuple[str, str, Way]


class _Wanted(NamedTuple):
    """What is asked of a bundle, and how."""

    bundle: OfferedBundle
    questions_sha256: str
    way: Way

    @property
    def key(self) -> _Key:
        """What identifies it: digests of bundle and questions, and the way."""
        return self.bundle.sha256, self.questions_sha256, self.way


class _Measured(NamedTuple):
    """What was measured of several bundles on a machine type."""

    points: Sequence[Point]
    line: Line
    start: float
    """Median over the runs."""
    lengths: Sequence[Length]
    """Of the questions of the newest run."""


class Paces:
    """The paces of bundles on devices. Each is estimated once per device or machine type.

    Args:
        store: the database.
        runs: its runs, the newest first.
    """

    def __init__(self, store: Store, runs: Iterable[Run]) -> None:
        self._store = store
        self._runs: list[Run] = []
        self._at: dict[str | Machine, list[Run]] = {}
        for run in runs:
            self._runs.append(run)
            for place in (run.device_id, machine_of(run.device)):
                self._at.setdefault(place, []).append(run)
        self._newest: dict[tuple[str | Machine, _Key, bool], Run | None] = {}
        self._timed: dict[int, Pace | None] = {}
        self._shares: dict[tuple[int, str], float] = {}
        self._computed: dict[tuple[Machine, _Key], Pace | None] = {}
        self._measured: dict[tuple[Machine, Way], _Measured | None] = {}
        self._lengths: dict[int, Sequence[Length]] = {}
        self._lengths_of_file: dict[str, Sequence[Length]] = {}

    def pace(
        self, device: Recipient, bundle: OfferedBundle, run: OrderedRun, questions_sha256: str
    ) -> Pace | None:
        """Return the pace of a run on a device; None if nothing tells it.

        Args:
            device: the device.
            bundle: one of the run's bundles.
            run: the ordered run.
            questions_sha256: the digest of its question file.
        """
        if device.machine is None:
            return None
        wanted = _Wanted(bundle, questions_sha256, Way.of(run))
        places = ((device.device_id, DEVICE), (device.machine, MACHINE))
        for place, basis in places:
            if (newest := self._newest_at(place, wanted, same_questions=True)) is not None:
                return self._pace_of(newest, basis)
        for place, _ in places:
            if (newest := self._newest_at(place, wanted, same_questions=False)) is not None:
                return self._in_proportion(newest, wanted)
        key = (device.machine, wanted.key)
        if key not in self._computed:
            self._computed[key] = self._compute(device.machine, wanted)
        return self._computed[key]

    def _newest_at(self, place: str | Machine, wanted: _Wanted, *, same_questions: bool) -> Run | None:
        """The newest run of the bundle in a place that asked in the same way and has a pace."""
        key = (place, wanted.key, same_questions)
        if key not in self._newest:
            self._newest[key] = next(
                (
                    run
                    for run in self._at.get(place, ())
                    if run.bundle_sha256 == wanted.bundle.sha256
                    and (not same_questions or run.questions_sha256 == wanted.questions_sha256)
                    and wanted.way.is_of(run)
                    and self._pace_of(run, DEVICE) is not None
                ),
                None,
            )
        return self._newest[key]

    def _pace_of(self, run: Run, basis: Basis) -> Pace | None:
        """How long the parts of a run took, if it answered more than one question."""
        if run.stream not in self._timed:
            self._timed[run.stream] = self._time(run)
        found = self._timed[run.stream]
        return None if found is None else found._replace(basis=basis)

    def _time(self, run: Run) -> Pace | None:
        span_ns, asked = next(iter(self._store.tuples(_PACE, run.stream)))
        if not span_ns:
            return None
        start_ns = (run.load_ns or 0) + (run.first_ns or 0)
        return Pace(start_ns / 1e9, span_ns / asked / 1e9, DEVICE)

    def _in_proportion(self, run: Run, wanted: _Wanted) -> Pace | None:
        """The pace of a run of other questions, in proportion to their arithmetic if that is known."""
        found = self._pace_of(run, OTHER_QUESTIONS)
        if found is None:
            return None
        key = (run.stream, wanted.questions_sha256)
        if key not in self._shares:
            before, now = self._lengths_in(run), self._lengths_asked(wanted.questions_sha256)
            shape = wanted.bundle.manifest.architecture
            self._shares[key] = _work(shape, now) / _work(shape, before) if before and now else 1.0
        return found._replace(question=found.question * self._shares[key])

    def _compute(self, machine: Machine, wanted: _Wanted) -> Pace | None:
        """Predict the pace of a bundle that was not measured on a machine type."""
        manifest = wanted.bundle.manifest
        key = (machine, wanted.way)
        if key not in self._measured:
            self._measured[key] = self._measured_on(machine, wanted.way)
        measured = self._measured[key]
        if not is_known(manifest.architecture) or measured is None:
            return None
        if not any(point.precision == manifest.precision for point in measured.points):
            return None
        own = self._lengths_asked(wanted.questions_sha256)
        amount = gigaflops(manifest.architecture, own or measured.lengths)
        predicted = measured.line.predict(amount, manifest.precision)
        return Pace(measured.start, predicted.milliseconds / 1000, ARITHMETIC if own else OTHER_LENGTHS)

    def _measured_on(self, machine: Machine, way: Way) -> _Measured | None:
        """The newest run of each bundle and question file on a machine type; None if there is none."""
        points: list[Point] = []
        starts: list[float] = []
        newest: Sequence[Length] = ()
        seen: set[tuple[str, str]] = set()
        for run in self._at.get(machine, ()):
            identity = run.bundle_sha256, run.questions_sha256
            shape = run.bundle.architecture
            if identity in seen or not way.is_of(run) or not is_known(shape):
                continue
            pace, lengths = self._pace_of(run, MACHINE), self._lengths_in(run)
            if pace is None or not lengths:
                continue
            seen.add(identity)
            points.append(Point(gigaflops(shape, lengths), run.bundle.precision, 1000 * pace.question, shape))
            starts.append(pace.start)
            newest = newest or lengths
        if not points:
            return None
        return _Measured(points, fit(points), statistics.median(starts), newest)

    def _lengths_asked(self, questions_sha256: str) -> Sequence[Length]:
        """The lengths of a file's questions, by the newest run that asked them anywhere; none without one."""
        if questions_sha256 not in self._lengths_of_file:
            of_it = (run for run in self._runs if run.questions_sha256 == questions_sha256)
            found: Iterator[Sequence[Length]] = filter(None, map(self._lengths_in, of_it))
            self._lengths_of_file[questions_sha256] = next(found, ())
        return self._lengths_of_file[questions_sha256]

    def _lengths_in(self, run: Run) -> Sequence[Length]:
        """The lengths of the questions that a run asked, the first 2000 of them."""
        if run.stream not in self._lengths:
            self._lengths[run.stream] = [Length(*row) for row in self._store.tuples(_LENGTHS, run.stream)]
        return self._lengths[run.stream]


def _work(shape: Architecture, lengths: Sequence[Length]) -> float:
    """What the time of a question is taken to be proportional to: its arithmetic, or else its tokens."""
    if is_known(shape):
        return gigaflops(shape, lengths)
    return statistics.fmean(length.tokens for length in lengths)
