"""Records of the contract as rows of the database."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, Final

import msgspec

from collector.store.transaction import Transaction
from contract.bundle import decode_manifest
from contract.codec import encode
from contract.device import Device
from contract.errors import ContractError
from contract.messages import SeqRange
from contract.records import (
    Answer,
    Canary,
    Outcome,
    Record,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    Sample,
    Settings,
    ThreadTrial,
)
from contract.seq_ranges import ranges_of

Row = dict[str, Any]
"""The values of one row by column."""

JSON_COLUMNS: Final[dict[str, Callable[[bytes], Any]]] = {
    "bundle": decode_manifest,
    "device": msgspec.json.Decoder(Device).decode,
    "settings": msgspec.json.Decoder(Settings).decode,
    "remarks": msgspec.json.Decoder(tuple[str, ...]).decode,
    "thread_trials": msgspec.json.Decoder(tuple[ThreadTrial, ...]).decode,
    "outcome": msgspec.json.Decoder(Outcome).decode,
}
"""The columns that hold JSON, with the function that decodes it."""
_RANGES_AT_ONCE: Final = 4096


class Layout:
    """How the records of one type become rows of their table, whose first column is `stream`.

    Args:
        table: the name of the table.
        copied: the columns that hold fields as they are: names, or pairs of a name and a path to a field.
        made: the columns that hold something made of a record.
    """

    def __init__(
        self,
        table: str,
        *copied: str | tuple[str, str],
        **made: Callable[[Any], object],
    ) -> None:
        pairs = [(each, each) if isinstance(each, str) else each for each in copied]
        self.table = table
        self.columns = (*(column for column, _ in pairs), *made)
        self._copied = attrgetter(*(path for _, path in pairs))
        self._made = tuple(made.values())

    def values(self, record: Record) -> tuple[Any, ...]:
        """The values of a record's row without its stream, in the order of `columns`."""
        return (*self._copied(record), *[make(record) for make in self._made])


def _json(field: str) -> Callable[[Any], str | None]:
    def make(record: Any) -> str | None:
        value = getattr(record, field)
        return None if value is None else encode(value).decode()

    return make


def _joined(field: str) -> Callable[[Any], str | None]:
    return lambda record: ",".join(getattr(record, field)) or None


def _synchronised(record: RunStarted) -> int | None:
    return None if record.clock_synchronised is None else int(record.clock_synchronised)


_LAYOUTS: Final[dict[type[Record], Layout]] = {
    RunStarted: Layout(
        "runs",
        *("started_at", "bundle_sha256", "epoch", ("order_id", "order")),
        *((name, f"bundle.{name}") for name in ("model", "title", "precision", "parameters")),
        ("layers", "bundle.architecture.layers"),
        ("weights_origin", "bundle.weights.origin"),
        ("hardware_class", "device.hardware_class"),
        *((f"questions_{name}", f"questions.{name}") for name in ("name", "sha256", "total", "selected")),
        clock_synchronised=_synchronised,
        **{name: _json(name) for name in ("bundle", "device", "settings", "remarks", "thread_trials")},
    ),
    Answer: Layout(
        "answers",
        *("seq", "question_id", "repeat", "at_ns", "text", "start_char", "end_char", "confidence"),
        *("tokenize_ns", "infer_ns", "decode_ns", "windows", "tokens", "error", "waited_ns"),
        marks=_joined("marks"),
    ),
    Canary: Layout("canaries", "seq", "question_id", "text", "confidence", "error"),
    Sample: Layout(
        "samples",
        *("seq", "at_ns", "temperature_celsius", "clock_hz", "worker_rss_bytes", "energy_joules"),
        throttle=_joined("throttle"),
    ),
    RoundStarted: Layout(
        "round_starts", "seq", "round", "at_ns", "load_ns", "first_ns", remarks=_json("remarks")
    ),
    RoundFinished: Layout("round_finishes", "seq", "round", "at_ns", "peak_rss_bytes"),
    RunResumed: Layout("resumes", "seq", "epoch", "resumed_at"),
    RunFinished: Layout(
        "finishes",
        *("seq", "status", "reason", "answered", "errors", "elapsed_ns", "load_ns", "first_ns"),
        *("peak_rss_bytes", "energy_source", "finished_at"),
        outcome=_json("outcome"),
    ),
}
TYPES: Final = {layout.table: kind for kind, layout in _LAYOUTS.items()}
"""The type of the records of each table."""
TABLES: Final = tuple(TYPES)
"""The tables of records: every record is in one of them."""


def layout_of(kind: type[Record]) -> Layout:
    """Return how the records of a type become rows of their table."""
    return _LAYOUTS[kind]


def insert(conn: Transaction, records: Mapping[int, Iterable[Record]]) -> None:
    """Insert records that are not stored yet, by the stream of their run, within the caller's transaction."""
    rows: defaultdict[Layout, list[tuple[Any, ...]]] = defaultdict(list)
    for stream, added in records.items():
        for record in added:
            layout = _LAYOUTS[type(record)]
            rows[layout].append((stream, *layout.values(record)))
    for layout in filter(rows.__contains__, _LAYOUTS.values()):
        conn.insert(layout.table, ("stream", *layout.columns), rows[layout])


def are_stored(conn: Transaction, records: Sequence[tuple[int, Record]]) -> list[bool]:
    """Return for each record whether this very record is stored under its number, and not another one.

    Values are compared, not bytes: what an older distilbench stored may lack fields that have defaults.

    Args:
        conn: the transaction.
        records: each with the stream of its run.
    """
    alike = [False] * len(records)
    places: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
    for place, (stream, record) in enumerate(records):
        places[stream, record.seq].append(place)
    seqs: defaultdict[int, list[int]] = defaultdict(list)
    for stream, seq in sorted(places):
        seqs[stream].append(seq)
    ranges = [(stream, each) for stream, ascending in seqs.items() for each in ranges_of(ascending)]
    kinds = {type(record) for _, record in records}
    for kind in filter(kinds.__contains__, _LAYOUTS):
        layout = _LAYOUTS[kind]
        for row in _stored(conn, layout, ranges):
            for place in places[row[0], row[1]]:
                record = records[place][1]
                if type(record) is kind:
                    alike[place] = _are_equal(layout, row[2:], layout.values(record))
    return alike


def are_alike(one: Record, other: Record) -> bool:
    """Return whether two records with the same number would be equal once they are stored."""
    if type(one) is not type(other):
        return False
    layout = _LAYOUTS[type(one)]
    return one == other or _are_equal(layout, layout.values(one), layout.values(other))


def _stored(conn: Transaction, layout: Layout, ranges: list[tuple[int, SeqRange]]) -> Iterator[Sequence[Any]]:
    """Yield the stream, the `seq` and the columns of the stored rows in ranges of `seq`, in one statement."""
    table, fields = layout.table, ", ".join(layout.columns)
    seq = "0" if table == "runs" else "seq"
    for start in range(0, len(ranges), _RANGES_AT_ONCE):
        some = ranges[start : start + _RANGES_AT_ONCE]
        # CROSS makes SQLite look up the ranges, whatever it believes of the sizes of the tables.
        sql = (
            f"WITH asked (run, first_seq, last_seq) AS (VALUES {', '.join(['(?, ?, ?)'] * len(some))}) "  # noqa: S608  # our own names
            f"SELECT stream, {seq}, {fields} FROM asked CROSS JOIN {table} "
            f"WHERE stream = run AND {seq} BETWEEN first_seq AND last_seq"
        )
        yield from conn.execute(sql, [value for stream, pair in some for value in (stream, *pair)]).fetchall()


def _are_equal(layout: Layout, found: Sequence[Any], values: Sequence[Any]) -> bool:
    return found == values or all(
        stored == value or (column in JSON_COLUMNS and _equal_json(column, stored, value))
        for column, stored, value in zip(layout.columns, found, values, strict=True)
    )


def _equal_json(column: str, stored: str | None, value: str | None) -> bool:
    if stored is None or value is None:
        return False
    decode = JSON_COLUMNS[column]
    try:
        return bool(decode(stored.encode()) == decode(value.encode()))
    except (ContractError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
