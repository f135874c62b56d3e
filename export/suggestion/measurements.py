"""Reads the measurements of a hardware class from the collector's database (docs/schema.md)."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from commandline.sqlite.reading import connect_to_read
from contract.bundle import Manifest, decode_manifest
from contract.errors import ContractError
from contract.scenarios import SINGLE_STREAM
from export.errors import BadInput

_APPLICATION_ID: Final = 0x64627231
_PERCENTILES: Final = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99}
_RUNS: Final = """
SELECT stream, bundle, questions_sha256, questions_name, hardware_class, settings
FROM runs LEFT JOIN finishes USING (stream) ORDER BY ifnull(status, 'running') = 'complete', stream
"""
"""Unfinished runs come first, so that they count only if nothing else was measured. The number of a stream
decides which run is newer, because the clock of a device may be years off."""
_TIMES: Final = """
SELECT (tokenize_ns + infer_ns + decode_ns) / 1e6 AS ms, windows, tokens FROM answers
WHERE stream = ? AND marks IS NULL AND error IS NULL ORDER BY ms
"""
_ACCURACY: Final = """
SELECT 100 * avg(exact_match), 100 * avg(f1), count(*)
FROM (SELECT avg(exact_match) AS exact_match, avg(f1) AS f1
    FROM scores JOIN answers USING (stream, seq) WHERE stream = ? GROUP BY question_id)
"""
"""A mean over questions, as in the collector's report: one that was asked twice does not count twice."""
_TITLES: Final = """
SELECT DISTINCT title FROM passages JOIN question_sets USING (question_set) WHERE sha256 = ?
"""


class Length(NamedTuple):
    """The length of a question for a model."""

    windows: int
    tokens: int
    """Number of tokens of all windows together."""


class Measurement(NamedTuple):
    """The newest run of a model in a precision."""

    manifest: Manifest
    hardware_class: str
    milliseconds: dict[str, float]
    """Nearest-rank percentiles over the answers whose time counts, by field name such as `p50_ms`."""
    lengths: list[Length]
    """Lengths of the questions of these answers."""
    exact_match: float | None
    """Mean EM in percent; None if not scored, with random weights, or if trained on these articles."""
    f1: float | None
    """Mean F1 in percent; None as for `exact_match`."""
    scored: int
    """Number of questions that the accuracy was measured on."""

    @property
    def has_numbers(self) -> bool:
        """Whether every number that a prediction divides by or takes the logarithm of is above 0."""
        lengths = (number for length in self.lengths for number in length)
        return min(self.manifest.parameters, *self.milliseconds.values(), *lengths) > 0

    @property
    def size_bytes(self) -> int:
        """Size of the bundle's files together."""
        return sum(entry.bytes for entry in self.manifest.files.values())


class _Run(NamedTuple):
    row: Any
    manifest: Manifest


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
        rows = [row for row in connection.execute(_RUNS) if _scenario(row) == SINGLE_STREAM]
        runs = list(_readable(rows))
        ours = [run for run in runs if run.row["hardware_class"] == hardware_class]
        if not ours:
            known = ", ".join(sorted({run.row["hardware_class"] for run in runs})) or "none"
            raise BadInput(
                f"'{database}' has no {SINGLE_STREAM} run on {hardware_class!r}; it has such runs on: {known}"
            )
        newest: dict[_Setting, dict[tuple[str, str], _Run]] = defaultdict(dict)
        for run in ours:
            newest[_setting(run.row)][_identity(run)] = run
        setting = max(newest, key=lambda setting: len(newest[setting]))
        asked_about = connection.execute(_TITLES, (setting.questions_sha256,))
        titles = frozenset(title for (title,) in asked_about if title)
        here = [_measurement(connection, run, titles) for run in newest[setting].values()]
        others = {
            _identity(run): run
            for run in runs
            if run.row["hardware_class"] != hardware_class
            and run.row["questions_sha256"] == setting.questions_sha256
        }
        elsewhere = [_measurement(connection, run, titles) for run in others.values()]
    names = Counter(run.row["questions_name"] for run in newest[setting].values())
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


def _scenario(run: Any) -> str:
    return str(msgspec.json.decode(run["settings"])["scenario"])


def _setting(run: Any) -> _Setting:
    settings = msgspec.json.decode(run["settings"])
    return _Setting(run["questions_sha256"], settings["threads"], settings["decoding"])


def _readable(rows: Iterable[Any]) -> Iterator[_Run]:
    """Leave out runs with an invalid manifest, from before the collector checked manifests."""
    for row in rows:
        with suppress(ContractError):
            yield _Run(row, decode_manifest(row["bundle"].encode()))


def _identity(run: _Run) -> tuple[str, str]:
    return run.manifest.model, run.manifest.precision


def _measurement(connection: sqlite3.Connection, run: _Run, titles: frozenset[str]) -> Measurement:
    stream = run.row["stream"]
    rows = connection.execute(_TIMES, (stream,)).fetchall()
    times = [row["ms"] for row in rows]
    exact_match, f1, scored = connection.execute(_ACCURACY, (stream,)).fetchone()
    weights = run.manifest.weights
    means_something = weights.origin != "random" and not weights.trained_on(titles)
    return Measurement(
        run.manifest,
        run.row["hardware_class"],
        {name: _percentile(times, share) for name, share in _PERCENTILES.items()} if times else {},
        [Length(row["windows"], row["tokens"]) for row in rows],
        exact_match if means_something else None,
        f1 if means_something else None,
        scored if means_something else 0,
    )


def _percentile(ordered: list[float], share: float) -> float:
    """The nearest-rank percentile of ordered values."""
    rank = -(-round(share * 100) * len(ordered) // 100)
    return ordered[max(rank, 1) - 1]
