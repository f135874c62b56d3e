"""The rows of a run as records of the contract again: the inverse of `record_rows`."""

import heapq
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from collector.intake.record_rows import JSON_COLUMNS, TYPES, Row
from collector.store.database import Store
from contract.records import Record

_COPIES: Final = (
    *("model", "title", "precision", "layers", "parameters", "weights_origin"),  # of what the bundle says
    "hardware_class",  # of what the device says
)


def stored_records(store: Store, stream: int) -> Iterator[Record]:
    """Yield the records of a run in order of `seq`.

    Raises:
        msgspec.MsgspecError: a row does not fit the contract.
        StorageUnavailable: the database cannot be read.
    """
    return heapq.merge(*(_records(store, stream, table) for table in TYPES), key=lambda record: record.seq)


def _records(store: Store, stream: int, table: str) -> Iterator[Record]:
    order = "" if table == "runs" else " ORDER BY seq"
    sql = f"SELECT * FROM {table} WHERE stream = ?{order}"  # noqa: S608  # our own names
    for row in store.rows(sql, stream):
        yield msgspec.convert(_fields(table, row), TYPES[table])


def _fields(table: str, row: Row) -> dict[str, Any]:
    """A row as the fields of its record."""
    fields = {
        column: _from_json(value) if column in JSON_COLUMNS and value is not None else value
        for column, value in row.items()
        if column != "stream"
    }
    for marks in {"marks", "throttle"} & fields.keys():
        text = fields[marks]
        fields[marks] = text.split(",") if text and isinstance(text, str) else text or []
    if table == "runs":
        names = ("name", "sha256", "total", "selected")
        fields["questions"] = {name: fields.pop(f"questions_{name}") for name in names}
        for column in _COPIES:
            del fields[column]
        synchronised = fields["clock_synchronised"]
        fields["clock_synchronised"] = None if synchronised is None else bool(synchronised)
        fields["order"] = fields.pop("order_id")
        fields["seq"] = 0
    return fields


def _from_json(value: Any) -> Any:
    """The value of a column of JSON; what is no text is returned as it is, and does not fit the contract."""
    try:
        return msgspec.json.decode(value)
    except (TypeError, UnicodeDecodeError, RecursionError):
        return value
