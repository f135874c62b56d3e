"""Runs as they are stored in the database: which device measured what, and how far the run got."""

import statistics
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from collector.errors import BadInput
from collector.store.database import Store
from contract.bundle import Manifest, decode_manifest
from contract.device import Device
from contract.errors import ContractError
from contract.records import Outcome, Settings, ThreadTrial

T = TypeVar("T")

LATEST: Final = "latest"
PREVIOUS: Final = "previous"
"""Names that users may give instead of a run's id."""


class Run(NamedTuple):
    """One run that has started. The fields about its end are None until its last record arrives."""

    stream: int
    run_id: str
    device_id: str
    started_at: str
    bundle_sha256: str
    bundle: Manifest
    device: Device
    settings: Settings
    remarks: tuple[str, ...]
    """Reasons against measuring when the run started."""
    thread_trials: tuple[ThreadTrial, ...]
    questions_name: str
    """The name under which the question file was added; before that, the device's name for it."""
    questions_sha256: str
    questions_selected: int
    records: int
    """How many records are stored so far, of all kinds."""
    answers: int
    """How many answers are stored so far, repeats and errors included."""
    missing: int
    """How many records are known to exist, but have not arrived."""
    status: str | None
    reason: str | None
    elapsed_ns: int | None
    load_ns: int | None
    """Median over the rounds; of a run without rounds, the time that its last record states."""
    first_ns: int | None
    """The same of the first question of each worker, which it answers cold."""
    energy_source: str | None
    outcome: Outcome | None
    peak_rss_bytes: int | None
    """The highest value that the worker reported or a sample shows."""
    superseded: bool
    """Whether a later run of the device shows that this one, which has no end, was given up."""
    last_at_ns: int
    """Time from the start of the run to its last answer or sample."""

    @property
    def state(self) -> str:
        """How the run ended.

        Before its end it is `running`, or `abandoned` if it was given up; `incomplete` if earlier records are
        missing.
        """
        if self.missing:
            return "incomplete"
        return self.status or ("abandoned" if self.superseded else "running")

    @property
    def explanation(self) -> str | None:
        """Why the run ended like this, if there is a reason; without an end, when it last recorded."""
        if self.status is None:
            return f"its last record is from {self.last_at_ns / 1e9:,.0f} s after its start"
        return self.reason or None


class LeftOut(NamedTuple):
    """A run that no report can use: it was stored before the check that would reject it today."""

    run_id: str
    device_id: str
    reason: str

    def __str__(self) -> str:
        name = self.run_id[:8]
        return (
            f"run {name} of {self.device_id} is left out of reports: {self.reason}; collector prune --run "
            f"{name} removes it"
        )


_TOO_LONG: Final = "the time of an answer does not fit into 64 bits"

_DEVICE = msgspec.json.Decoder(Device)
_SETTINGS = msgspec.json.Decoder(Settings)
_OUTCOME = msgspec.json.Decoder(Outcome)
_REMARKS = msgspec.json.Decoder(tuple[str, ...])
_NUMBERS = msgspec.json.Decoder(tuple[int, ...])
_TRIALS = msgspec.json.Decoder(tuple[ThreadTrial, ...])

_RUNS = """
SELECT stream, run_id, device_id, started_at, bundle_sha256, bundle, device, settings,
    remarks, thread_trials,
    coalesce((SELECT name FROM question_sets WHERE sha256 = questions_sha256), questions_name)
        AS questions_name,
    questions_sha256, questions_selected, status, reason, elapsed_ns, load_ns, first_ns, energy_source,
    outcome,
    (SELECT json_group_array(load_ns) FROM round_starts WHERE round_starts.stream = runs.stream)
        AS round_load_ns,
    (SELECT json_group_array(first_ns) FROM round_starts WHERE round_starts.stream = runs.stream
        AND first_ns IS NOT NULL) AS round_first_ns,
    stored.records,
    -- Every record is in one of eight tables; counting the many answers would take too long.
    stored.records - 1 - CASE WHEN finishes.seq IS NULL THEN 0 ELSE 1 END
        - (SELECT count(*) FROM samples WHERE samples.stream = runs.stream)
        - (SELECT count(*) FROM round_starts WHERE round_starts.stream = runs.stream)
        - (SELECT count(*) FROM round_finishes WHERE round_finishes.stream = runs.stream)
        - (SELECT count(*) FROM canaries WHERE canaries.stream = runs.stream)
        - (SELECT count(*) FROM resumes WHERE resumes.stream = runs.stream) AS answers,
    stored.last_seq - stored.records + 1 AS missing, -- in this order: the largest number has no successor
    (SELECT nullif(max(bytes), 0) FROM (SELECT peak_rss_bytes AS bytes
        UNION ALL SELECT max(worker_rss_bytes) FROM samples WHERE samples.stream = runs.stream
        UNION ALL SELECT max(peak_rss_bytes) FROM round_finishes
            WHERE round_finishes.stream = runs.stream) AS peaks) AS peak_rss_bytes,
    -- An agent continues an unfinished run before it starts an equal one, and ends runs in the order in which
    -- it began them, unless it resumes one later. Streams are numbered in the order in which they first
    -- arrived; only a resumed run is compared by the clock of its device.
    finishes.seq IS NULL AND EXISTS (SELECT 1 FROM streams AS later JOIN runs AS next USING (stream)
        LEFT JOIN finishes AS ended USING (stream)
        WHERE later.device_id = streams.device_id AND later.stream > runs.stream
        AND ((next.bundle_sha256 = runs.bundle_sha256
            AND next.questions_sha256 = runs.questions_sha256 AND next.settings = runs.settings)
            OR (ended.seq IS NOT NULL AND NOT EXISTS (SELECT 1 FROM resumes
                WHERE resumes.stream = runs.stream AND resumes.resumed_at > ended.finished_at))))
        AS superseded,
    (SELECT coalesce(max(at_ns), 0) FROM (
        SELECT (SELECT at_ns FROM answers WHERE answers.stream = runs.stream ORDER BY seq DESC LIMIT 1)
            AS at_ns
        UNION ALL
        SELECT (SELECT at_ns FROM samples WHERE samples.stream = runs.stream ORDER BY seq DESC LIMIT 1)
    ) AS latest) AS last_at_ns,
    -- A run with such a sum never gets columns, so a run with columns need not be checked. A database may
    -- compute both sides of AND, and computes only one branch of CASE.
    CASE WHEN EXISTS (SELECT 1 FROM run_columns
        WHERE run_columns.stream = runs.stream AND run_columns.records = stored.records) THEN FALSE
    ELSE EXISTS (SELECT 1 FROM answers WHERE answers.stream = runs.stream
        AND CASE WHEN tokenize_ns > 9223372036854775807 - infer_ns THEN TRUE
        ELSE decode_ns > 9223372036854775807 - tokenize_ns - infer_ns END) END AS too_long
FROM runs JOIN streams USING (stream) LEFT JOIN finishes USING (stream)
JOIN (SELECT stream, sum(last_seq - first_seq + 1) AS records, max(last_seq) AS last_seq
    FROM ranges GROUP BY stream) AS stored USING (stream)
"""


def all_runs(store: Store) -> list[Run]:
    """Return every run that can be used, in the order in which the runs first arrived."""
    return read_runs(store)[0]


def read_runs(store: Store) -> tuple[list[Run], list[LeftOut]]:
    """Return the runs that can be used, in the same order, and the runs that cannot be used.

    Runs whose record 0 has not arrived are in neither list.
    """
    decoded = _Decoded()
    found = [_run(row, decoded) for row in store.rows(f"{_RUNS} ORDER BY stream")]
    return (
        [run for run in found if isinstance(run, Run)],
        [run for run in found if isinstance(run, LeftOut)],
    )


_LATEST: Final = "SELECT stream FROM runs ORDER BY stream DESC LIMIT 1"
_PREVIOUS: Final = """
SELECT runs.stream FROM runs JOIN streams USING (stream) JOIN (
    SELECT runs.*, device_id FROM runs JOIN streams USING (stream) ORDER BY stream DESC LIMIT 1
) AS latest ON latest.stream > runs.stream AND latest.device_id = streams.device_id
    AND latest.model = runs.model AND latest.precision = runs.precision
    AND latest.questions_sha256 = runs.questions_sha256
    AND coalesce(json_extract(latest.settings, '$.scenario'), '')
        = coalesce(json_extract(runs.settings, '$.scenario'), '')
ORDER BY runs.stream DESC LIMIT 1"""


def find_run(store: Store, beginning: str) -> Run:
    """Return the run whose id has this beginning, or which `latest` or `previous` names.

    Raises:
        BadInput: no id or several ids have it, or the run's first record has not arrived, or the run cannot
            be used.
    """
    stream = find_stream(store, beginning)
    for row in store.rows(f"{_RUNS} WHERE stream = ?", stream):
        run = _run(row, _Decoded())
        if isinstance(run, LeftOut):
            raise BadInput(str(run))
        return run
    raise BadInput(f"the first record of run {beginning!r} has not arrived yet")


def find_stream(store: Store, beginning: str) -> int:
    """Return the stream of the run whose id has this beginning, even if its first record has not arrived.

    `latest` is the last run in the order of the first records received, and `previous` the last one before it
    with the same device, model, precision, questions and scenario.

    Raises:
        BadInput: no id or several ids have it.
    """
    if beginning in {LATEST, PREVIOUS}:
        for (stream,) in store.tuples(_LATEST if beginning == LATEST else _PREVIOUS):
            return int(stream)
        what = "no run" if beginning == LATEST else "no run before the latest one that is like it"
        raise BadInput(f"there is {what}; `collector runs` lists the runs")
    found = list(
        store.tuples(
            "SELECT stream, run_id FROM streams WHERE substr(run_id, 1, length(?1)) = ?1 LIMIT 2", beginning
        )
    )
    if not beginning or not found:
        raise BadInput(f"there is no run {beginning!r}; `collector runs` lists the runs")
    if len(found) > 1:
        raise BadInput(f"several runs begin with {beginning!r}, such as {found[0][1]} and {found[1][1]}")
    return int(found[0][0])


class _Decoded:
    """Values that were decoded before: thousands of runs share a few manifests, devices and settings."""

    def __init__(self) -> None:
        self._known: dict[tuple[Any, str], Any] = {}

    def of(self, decode: Callable[[str], T], text: str) -> T:
        """Decode a text, unless this function has decoded it before."""
        key = decode, text
        if key not in self._known:
            self._known[key] = decode(text)
        found: T = self._known[key]
        return found


def _manifest(text: str) -> Manifest:
    return decode_manifest(text.encode())


def _run(row: dict[str, Any], decoded: _Decoded) -> Run | LeftOut:
    if row.pop("too_long"):
        return LeftOut(row["run_id"], row["device_id"], _TOO_LONG)
    for field in ("load_ns", "first_ns"):
        if of_rounds := _NUMBERS.decode(row.pop(f"round_{field}")):
            row[field] = round(statistics.median(of_rounds))
    try:
        return Run(
            bundle=decoded.of(_manifest, row.pop("bundle")),
            device=decoded.of(_DEVICE.decode, row.pop("device")),
            settings=decoded.of(_SETTINGS.decode, row.pop("settings")),
            remarks=_REMARKS.decode(row.pop("remarks")),
            outcome=None if (outcome := row.pop("outcome")) is None else _OUTCOME.decode(outcome),
            thread_trials=decoded.of(_TRIALS.decode, row.pop("thread_trials")),
            superseded=bool(row.pop("superseded")),
            **row,
        )
    except (ContractError, msgspec.MsgspecError, RecursionError) as error:
        return LeftOut(row["run_id"], row["device_id"], str(error))


def headless(store: Store) -> int:
    """Return the number of runs whose first record has not arrived, though others have."""
    return int(store.value("SELECT count(*) FROM streams WHERE stream NOT IN (SELECT stream FROM runs)"))
