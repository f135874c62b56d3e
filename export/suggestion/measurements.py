"""What was measured on a class of hardware, read from the collector's database (docs/schema.md)."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from contract.bundle import Manifest, decode_manifest
from contract.errors import ContractError
from export.errors import BadInput

_APPLICATION_ID: Final = 0x64627231
_PERCENTILES: Final = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99}
_RUNS: Final = """
SELECT stream, bundle, questions_sha256, questions_name, hardware_class, settings
FROM runs ORDER BY started_at, stream
"""
_TIMES: Final = """
SELECT (tokenize_ns + infer_ns + decode_ns) / 1e6 AS ms, windows, tokens FROM answers
WHERE stream = ? AND marks IS NULL AND error IS NULL ORDER BY ms
"""
_ACCURACY: Final = "SELECT 100 * avg(exact_match), 100 * avg(f1) FROM scores WHERE stream = ?"


class Length(NamedTuple):
    """How long a question is for a model."""

    windows: int
    tokens: int
    """Over all windows."""


class Measurement(NamedTuple):
    """The newest run of a model in a precision."""

    manifest: Manifest
    hardware_class: str
    milliseconds: dict[str, float]
    """Nearest-rank percentiles over the answers whose time counts, by `p50_ms` and so on."""
    lengths: list[Length]
    """Of the questions of these answers."""
    exact_match: float | None
    """Percent; None where it was not scored, or weights are random."""
    f1: float | None

    @property
    def size_bytes(self) -> int:
        """Of the bundle's files."""
        return sum(entry.bytes for entry in self.manifest.files.values())


class _Setting(NamedTuple):
    """What has to agree for latencies to be compared."""

    questions_sha256: str
    threads: int
    decoding: str | None
    scenario: str | None


class Measurements(NamedTuple):
    """All that was measured with the same questions and the same threads."""

    hardware_class: str
    questions: str
    threads: int
    here: list[Measurement]
    elsewhere: list[Measurement]
    """On other hardware, with the same questions: of these the accuracy counts."""


def read(database: Path, hardware_class: str) -> Measurements:
    """The measurements of a class of hardware, of the questions and settings with which most models were run.

    Raises:
        BadInput: it is no such database, or has no run of that hardware.
    """
    with _opened(database) as connection:
        runs = connection.execute(_RUNS).fetchall()
        ours = [run for run in runs if run["hardware_class"] == hardware_class]
        if not ours:
            known = ", ".join(sorted({run["hardware_class"] for run in runs})) or "none"
            raise BadInput(
                f"'{database}' has no run on {hardware_class!r}; the hardware classes in it are {known}"
            )
        newest: dict[_Setting, dict[tuple[str, str], Any]] = defaultdict(dict)
        for run in ours:
            newest[_setting(run)][_identity(run)] = run
        setting = max(newest, key=lambda setting: len(newest[setting]))
        here = [_measurement(connection, run) for run in newest[setting].values()]
        others: dict[tuple[str, str], Any] = {
            _identity(run): run
            for run in runs
            if run["hardware_class"] != hardware_class and run["questions_sha256"] == setting.questions_sha256
        }
        elsewhere = [_measurement(connection, run) for run in others.values()]
    names = Counter(run["questions_name"] for run in newest[setting].values())
    return Measurements(
        hardware_class,
        names.most_common(1)[0][0],
        setting.threads,
        [found for found in here if found.lengths],
        elsewhere,
    )


@contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            if connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
                raise BadInput(f"'{database}' is not a database of the collector")
            yield connection
    except sqlite3.Error as error:
        raise BadInput(f"cannot read '{database}': {error}") from None


def _setting(run: Any) -> _Setting:
    settings = msgspec.json.decode(run["settings"])
    return _Setting(
        run["questions_sha256"], settings["threads"], settings.get("decoding"), settings.get("scenario")
    )


def _identity(run: Any) -> tuple[str, str]:
    manifest = msgspec.json.decode(run["bundle"])
    return manifest["model"], manifest["precision"]


def _measurement(connection: sqlite3.Connection, run: Any) -> Measurement:
    try:
        manifest = decode_manifest(run["bundle"].encode())
    except ContractError as error:
        raise BadInput(f"a run in the database cannot be understood: {error}") from None
    rows = connection.execute(_TIMES, (run["stream"],)).fetchall()
    times = [row["ms"] for row in rows]
    exact_match, f1 = connection.execute(_ACCURACY, (run["stream"],)).fetchone()
    trained = manifest.weights.origin != "random"
    return Measurement(
        manifest,
        run["hardware_class"],
        {name: _percentile(times, share) for name, share in _PERCENTILES.items()} if times else {},
        [Length(row["windows"], row["tokens"]) for row in rows],
        exact_match if trained else None,
        f1 if trained else None,
    )


def _percentile(ordered: list[float], share: float) -> float:
    """Nearest rank."""
    rank = -(-round(share * 100) * len(ordered) // 100)
    return ordered[max(rank, 1) - 1]
