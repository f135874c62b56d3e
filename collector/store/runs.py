"""Runs as the collector knows them: who measured what, and how far it got."""

from typing import Any, Final, NamedTuple

import msgspec

from collector.errors import BadInput
from collector.store.database import Store
from contract.bundle import Manifest, decode_manifest
from contract.device import Device
from contract.errors import ContractError
from contract.records import Outcome, Settings, ThreadTrial


class Run(NamedTuple):
    """One run that has started. Fields of its end are None as long as it has not come."""

    stream: int
    run_id: str
    device_id: str
    started_at: str
    bundle_sha256: str
    bundle: Manifest
    device: Device
    settings: Settings
    remarks: tuple[str, ...]
    """What spoke against measuring when it began."""
    thread_trials: tuple[ThreadTrial, ...]
    questions_name: str
    """What the file was added as; until then, what the device calls it."""
    questions_sha256: str
    questions_selected: int
    records: int
    """Stored so far, of all kinds."""
    answers: int
    """Stored so far, repeats and errors included."""
    missing: int
    """Records known to exist and not here yet."""
    status: str | None
    reason: str | None
    elapsed_ns: int | None
    load_ns: int | None
    first_ns: int | None
    energy_source: str | None
    outcome: Outcome | None
    peak_rss_bytes: int | None
    """Highest that the worker reported or a sample saw."""

    @property
    def state(self) -> str:
        """How it ended; `running` before its end, `incomplete` when records are missing before it."""
        if self.missing:
            return "incomplete"
        return self.status or "running"


class LeftOut(NamedTuple):
    """A run that would not be taken in today, from before that was checked: no report can be made of it."""

    run_id: str
    device_id: str
    reason: str

    def __str__(self) -> str:
        name = self.run_id[:8]
        return (
            f"run {name} of {self.device_id} is left out of reports: {self.reason}; collector prune --run "
            f"{name} removes it"
        )


_TOO_LONG: Final = "the time of an answer is longer than an integer of SQLite"

_DEVICE = msgspec.json.Decoder(Device)
_SETTINGS = msgspec.json.Decoder(Settings)
_OUTCOME = msgspec.json.Decoder(Outcome)
_REMARKS = msgspec.json.Decoder(tuple[str, ...])
_TRIALS = msgspec.json.Decoder(tuple[ThreadTrial, ...])

_RUNS = """
SELECT stream, run_id, device_id, started_at, bundle_sha256, bundle, device, settings,
    remarks, thread_trials,
    ifnull((SELECT name FROM question_sets WHERE sha256 = questions_sha256), questions_name)
        AS questions_name,
    questions_sha256, questions_selected, status, reason, elapsed_ns, load_ns, first_ns, energy_source,
    outcome,
    stored.records,
    -- Every record is in one of four tables; answers are too many to be counted.
    stored.records - 1 - (finishes.seq IS NOT NULL)
        - (SELECT count(*) FROM samples WHERE samples.stream = runs.stream) AS answers,
    stored.last_seq + 1 - stored.records AS missing,
    nullif(max(ifnull(peak_rss_bytes, 0), (SELECT ifnull(max(worker_rss_bytes), 0)
        FROM samples WHERE samples.stream = runs.stream)), 0) AS peak_rss_bytes,
    -- A sum that is no integer is not summed up, so where that is done there is none.
    NOT EXISTS (SELECT 1 FROM run_columns
        WHERE run_columns.stream = runs.stream AND run_columns.records = stored.records)
    AND EXISTS (SELECT 1 FROM answers WHERE answers.stream = runs.stream
        AND typeof(tokenize_ns + infer_ns + decode_ns) = 'real') AS too_long
FROM runs JOIN streams USING (stream) LEFT JOIN finishes USING (stream)
JOIN (SELECT stream, sum(last_seq - first_seq + 1) AS records, max(last_seq) AS last_seq
    FROM ranges GROUP BY stream) AS stored USING (stream)
"""


def all_runs(store: Store) -> list[Run]:
    """Every run that can be used, in the order in which the collector heard of them."""
    return read_runs(store)[0]


def read_runs(store: Store) -> tuple[list[Run], list[LeftOut]]:
    """Every run whose first record is here, in that order, and those that can't be used."""
    found = [_run(row) for row in store.rows(f"{_RUNS} ORDER BY stream")]
    return (
        [run for run in found if isinstance(run, Run)],
        [run for run in found if isinstance(run, LeftOut)],
    )


def find_run(store: Store, beginning: str) -> Run:
    """The run whose id begins so.

    Raises:
        BadInput: none does or several do, its first record has not come, or it cannot be used.
    """
    stream = find_stream(store, beginning)
    for row in store.rows(f"{_RUNS} WHERE stream = ?", stream):
        run = _run(row)
        if isinstance(run, LeftOut):
            raise BadInput(str(run))
        return run
    raise BadInput(f"of run {beginning!r} the first record has not come yet")


def find_stream(store: Store, beginning: str) -> int:
    """The stream of the run whose id begins so, whether or not its first record is here.

    Raises:
        BadInput: none does, or several do.
    """
    found = list(
        store.tuples(
            "SELECT stream, run_id FROM streams WHERE substr(run_id, 1, length(?1)) = ?1 LIMIT 2", beginning
        )
    )
    if not beginning or not found:
        raise BadInput(f"there is no run {beginning!r}: collector runs")
    if len(found) > 1:
        raise BadInput(f"several runs begin with {beginning!r}, such as {found[0][1]} and {found[1][1]}")
    return int(found[0][0])


def _run(row: dict[str, Any]) -> Run | LeftOut:
    if row.pop("too_long"):
        return LeftOut(row["run_id"], row["device_id"], _TOO_LONG)
    try:
        return Run(
            bundle=decode_manifest(row.pop("bundle").encode()),
            device=_DEVICE.decode(row.pop("device")),
            settings=_SETTINGS.decode(row.pop("settings")),
            remarks=_REMARKS.decode(row.pop("remarks")),
            outcome=None if (outcome := row.pop("outcome")) is None else _OUTCOME.decode(outcome),
            thread_trials=_TRIALS.decode(row.pop("thread_trials")),
            **row,
        )
    except (ContractError, msgspec.MsgspecError) as error:
        return LeftOut(row["run_id"], row["device_id"], str(error))


def headless(store: Store) -> int:
    """Runs of which records are here, and the first is not."""
    return int(store.value("SELECT count(*) FROM streams WHERE stream NOT IN (SELECT stream FROM runs)"))
