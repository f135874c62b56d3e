"""Reads the measurements of a hardware class from the collector's database (docs/schema.md)."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import msgspec

from commandline.estimation.arithmetic import Length
from commandline.sqlite.reading import connect_to_read
from contract.bundle import Manifest, decode_manifest
from contract.errors import ContractError
from contract.scenarios import SINGLE_STREAM
from export.errors import BadInput
from export.suggestion.standing import MeasuredRun, run_of, standing
from export.suggestion.taken_over import TakenOver, taken_over

_APPLICATION_ID: Final = 0x64627231
_PERCENTILES: Final = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99}
_RUNS: Final = """
SELECT stream, bundle, bundle_sha256, questions_sha256, questions_name, questions_selected, hardware_class,
    device, settings, iif(last_seq + 1 > records, 'incomplete', ifnull(status, 'running')) AS state,
    (SELECT count(*) FROM answers WHERE answers.stream = runs.stream) AS answers
FROM runs LEFT JOIN finishes USING (stream)
JOIN (SELECT stream, sum(last_seq - first_seq + 1) AS records, max(last_seq) AS last_seq
    FROM ranges GROUP BY stream) AS stored USING (stream)
WHERE json_extract(settings, '$.scenario') = ? ORDER BY stream
"""
"""As in the collector's report, a run is incomplete if records are missing, whatever its last record says."""
_TIMES: Final = """
SELECT device_id, (tokenize_ns + infer_ns + decode_ns) / 1e6 AS ms, windows, tokens
FROM answers JOIN streams USING (stream)
WHERE stream IN (SELECT value FROM json_each(?)) AND marks IS NULL AND error IS NULL ORDER BY ms
"""
_ACCURACY: Final = """
SELECT 100 * avg(exact_match), 100 * avg(f1), count(*), count(*) = count(f1)
FROM (SELECT avg(exact_match) AS exact_match, iif(count(*) = count(f1), avg(f1), NULL) AS f1
    FROM answers LEFT JOIN scores USING (stream, seq) WHERE stream IN (SELECT value FROM json_each(?))
    GROUP BY question_id)
"""
"""A mean over questions, as in the collector's report: one that was asked twice does not count twice. If one
answer is not scored, there is none."""
_TITLES: Final = """
SELECT DISTINCT title FROM passages JOIN question_sets USING (question_set) WHERE sha256 = ?
"""


class Measurement(NamedTuple):
    """The runs that stand for a model in a precision."""

    manifest: Manifest
    hardware_class: str
    milliseconds: dict[str, float]
    """Nearest-rank percentiles over the answers whose time counts, by field name such as `p50_ms`. Of
    several devices, it is the median."""
    lengths: list[Length]
    """Lengths of the questions of these answers."""
    exact_match: float | None
    """Mean EM in percent; None if not scored, with random weights, or if trained on these articles."""
    f1: float | None
    """Mean F1 in percent; None as for `exact_match`."""
    scored: int
    """Number of questions that the accuracy was measured on, or estimated for."""
    taken_over: TakenOver | None = None
    """Where the accuracy was taken over from; None if it was measured."""

    @property
    def has_numbers(self) -> bool:
        """Whether every number that a prediction divides by or takes the logarithm of is above 0."""
        lengths = (number for length in self.lengths for number in length)
        return min(self.manifest.parameters, *self.milliseconds.values(), *lengths) > 0

    @property
    def size_bytes(self) -> int:
        """Size of the bundle's files together."""
        return sum(entry.bytes for entry in self.manifest.files.values())


class _Setting(NamedTuple):
    """The settings that must be equal for latencies to be comparable."""

    questions_sha256: str
    threads: int
    decoding: str


class Measurements(NamedTuple):
    """All measurements with the same questions and the same number of threads."""

    hardware_class: str
    questions: str
    threads: int
    here: list[Measurement]
    elsewhere: list[Measurement]
    """Measurements on other hardware with the same questions; only their accuracy counts."""
    unreadable: int
    """Number of runs that are left out because their manifest is invalid."""


def read(database: Path, hardware_class: str) -> Measurements:
    """The measurements of a hardware class, with the questions and settings that most models were run with.

    Raises:
        BadInput: it is not such a database, or it has no run on that hardware.
    """
    with _opened(database) as connection:
        rows = connection.execute(_RUNS, (SINGLE_STREAM,)).fetchall()
        runs = list(_readable(rows))
        ours = [run for run in runs if run.hardware_class == hardware_class]
        if not ours:
            known = ", ".join(sorted({run.hardware_class for run in runs})) or "none"
            raise BadInput(
                f"'{database}' has no {SINGLE_STREAM} run on {hardware_class!r}; it has such runs on: {known}"
            )
        by_setting: dict[_Setting, list[MeasuredRun]] = defaultdict(list)
        for run in ours:
            by_setting[_setting(run)].append(run)
        setting = max(by_setting, key=lambda setting: len(set(map(_identity, by_setting[setting]))))
        asked_about = connection.execute(_TITLES, (setting.questions_sha256,))
        titles = frozenset(title for (title,) in asked_about if title)
        here = [_measurement(connection, some, titles, runs) for some in _standing(by_setting[setting])]
        others = [
            run
            for run in runs
            if run.hardware_class != hardware_class and run.questions_sha256 == setting.questions_sha256
        ]
        elsewhere = [_measurement(connection, some, titles, runs) for some in _standing(others)]
    names = Counter(run.questions_name for run in by_setting[setting])
    return Measurements(
        hardware_class,
        names.most_common(1)[0][0],
        setting.threads,
        [found for found in here if found.lengths],
        elsewhere,
        len(rows) - len(runs),
    )


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(connect_to_read(database)) as connection:
            connection.row_factory = sqlite3.Row
            if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
                raise BadInput(f"'{database}' is not a database of the collector")
            yield connection
    except sqlite3.Error as error:
        raise BadInput(f"cannot read '{database}': {error}") from None


def _setting(run: MeasuredRun) -> _Setting:
    return _Setting(run.questions_sha256, run.settings.threads, run.settings.decoding)


def _readable(rows: Iterable[Any]) -> Iterator[MeasuredRun]:
    """Leave out runs with an invalid manifest or device, from before the collector checked them."""
    for row in rows:
        with suppress(ContractError, msgspec.MsgspecError):
            yield run_of(row, decode_manifest(row["bundle"].encode()))


def _identity(run: MeasuredRun) -> tuple[str, str]:
    return run.manifest.model, run.manifest.precision


def _standing(runs: Iterable[MeasuredRun]) -> Iterator[list[MeasuredRun]]:
    """Choose the runs that stand for each model in each precision."""
    by_identity: dict[tuple[str, str], list[MeasuredRun]] = defaultdict(list)
    for run in runs:
        by_identity[_identity(run)].append(run)
    yield from map(standing, by_identity.values())


def _measurement(
    connection: sqlite3.Connection,
    runs: Sequence[MeasuredRun],
    titles: frozenset[str],
    every: Sequence[MeasuredRun],
) -> Measurement:
    streams = json.dumps([run.stream for run in runs])
    rows = connection.execute(_TIMES, (streams,)).fetchall()
    of_device: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        of_device[row["device_id"]].append(row["ms"])
    exact_match, f1, scored, all_scored = connection.execute(_ACCURACY, (streams,)).fetchone()
    run = runs[-1]
    weights = run.manifest.weights
    means_something = all_scored and weights.origin != "random" and not weights.trained_on(titles)
    found = taken_over(connection, runs, every) if means_something else None
    if found is not None:
        exact_match, f1, scored = found.exact_match, found.f1, found.questions
    return Measurement(
        run.manifest,
        run.hardware_class,
        {
            name: median(_percentile(times, share) for times in of_device.values())
            for name, share in _PERCENTILES.items()
            if of_device
        },
        [Length(row["windows"], row["tokens"]) for row in rows],
        exact_match if means_something else None,
        f1 if means_something else None,
        scored if means_something else 0,
        found,
    )


def _percentile(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile of ordered values."""
    rank = -(-round(share * 100) * len(ordered) // 100)
    return ordered[max(rank, 1) - 1]
