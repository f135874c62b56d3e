"""The results as tables of Apache Arrow, for pandas, polars, DuckDB or a notebook.

    from collector import frames
    answers = frames.answers("results.db", models="minilm-l6")
    answers.to_pandas()  # or polars.from_arrow(answers)

Each function takes the path of a database and returns a `pyarrow.Table`. The keywords of `Chosen` choose runs
as the options of `collector report` do: `devices="pi-5"`, `settings=["threads=4"]`. An accuracy that the
report withholds is null. Needs the extra `parquet`.

Errors are those of `collector.errors`, such as `BadInput` if the database does not exist, no run is chosen or
pyarrow is not installed.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from types import UnionType
from typing import Any, Final, TypedDict, Unpack, get_args

import msgspec

from collector.comparison.compare import compare_file
from collector.comparison_inputs.machine import machine_of
from collector.comparison_inputs.pairs.run_series import gather_series_file
from collector.comparison_inputs.selection import Selection
from collector.findings.between_rows import Interval
from collector.findings.comparison import Row
from collector.findings.trend import Since, Trend, TrendPoint
from collector.regression.trend import trend as trend_of
from collector.store.opening import open_store_to_read
from collector.store.parquet import answers_table, import_pyarrow
from collector.store.runs import Run, all_runs

_INTERVALS: Final = ("exact_match", "f1", "bertscore_f1", "p50_ms", "p90_ms", "p99_ms", "speed_up")


class Chosen(TypedDict, total=False):
    """The runs to use: a run has to match every keyword that is given, and one of its texts."""

    runs: str | Iterable[str]
    """Beginnings of ids of runs, or `latest` or `previous`."""
    since: str
    """A day, YYYY-MM-DD in UTC."""
    settings: str | Iterable[str]
    """Such as `threads=4`."""
    exclude: str | Iterable[str]
    """Beginnings of ids of runs to leave out."""
    devices: str | Iterable[str]
    models: str | Iterable[str]
    precisions: str | Iterable[str]
    hardware: str | Iterable[str]


def answers(database: str | os.PathLike[str], **chosen: Unpack[Chosen]) -> Any:
    """Return one row per answer, with the columns of `collector report --format parquet`.

    Times are integers in nanoseconds. All answers have to fit into memory: about 300 bytes each.
    """
    import_pyarrow("a data frame")
    selection = _selection(chosen)
    with open_store_to_read(os.fspath(database)) as store:
        if selection.is_everything:
            return answers_table(store)
        return answers_table(store, {run.stream for run in selection.of(all_runs(store))})


def runs(database: str | os.PathLike[str], **chosen: Unpack[Chosen]) -> Any:
    """Return one row per run, in order of arrival: device, model, settings, versions, state."""
    pa = import_pyarrow("a data frame")
    with open_store_to_read(os.fspath(database)) as store:
        found = [_run(run) for run in _selection(chosen).of(all_runs(store))]
    return pa.Table.from_pylist(found, schema=_arrow(pa, _RUN))


def rows(
    database: str | os.PathLike[str],
    baseline: str | None = None,
    *,
    by_device: bool = False,
    **chosen: Unpack[Chosen],
) -> Any:
    """Return one row per row of the report, with the fields of `Row` in docs/report-json.md.

    An interval is two columns, `FIELD_low` and `FIELD_high`; `marks` and `notes` are JSON.

    Args:
        database: the database's path.
        baseline: name or title of the model that speed-ups are over; None for BERT-Large.
        by_device: whether each device has rows of its own.
        **chosen: the runs to use.
    """
    pa = import_pyarrow("a data frame")
    found = compare_file(os.fspath(database), baseline, None, _selection(chosen), by_device=by_device).rows
    kinds = {
        **_kinds(Row, ("taken_over", "drawn", "intervals")),
        **{f"{field}_{end}": float for field in _INTERVALS for end in ("low", "high")},
        "taken_over_from": str,
        "drawn_unit": str,
        "drawn_units": int,
    }
    return pa.Table.from_pylist([_row(row) for row in found], schema=_arrow(pa, kinds))


def trend(database: str | os.PathLike[str], **chosen: Unpack[Chosen]) -> Any:
    """Return one row per run of `collector trend`, with the changes since the run before and the first run.

    The columns are the fields of `Trend` and `TrendPoint`; those of the changes begin with `since_last_` and
    `since_first_`. `started_at` is a time in UTC, `versions` is JSON.
    """
    pa = import_pyarrow("a data frame")
    trends = map(trend_of, gather_series_file(os.fspath(database), _selection(chosen)))
    kinds = {
        **_kinds(Trend, ("points",)),
        **_kinds(TrendPoint, ("since_last", "since_first")),
        "started_at": datetime,
        **{f"{name}_{field}": kind for name in _CHANGES for field, kind in _kinds(Since).items()},
    }
    found = [{**_flat(one, ("points",)), **_point(point)} for one in trends for point in one.points]
    return pa.Table.from_pylist(found, schema=_arrow(pa, kinds))


def sql(database: str | os.PathLike[str], query: str) -> Any:
    """Return the rows of a read-only SQL query; docs/schema.md describes the tables and views."""
    pa = import_pyarrow("a data frame")
    with open_store_to_read(os.fspath(database)) as store:
        names, found = store.query(query)
    return pa.table([pa.array(values) for values in zip(*found, strict=True)] or [[] for _ in names], names)


_CHANGES: Final = ("since_last", "since_first")

_RUN: Final[dict[str, Any]] = {
    **dict.fromkeys(("run_id", "device_id", "hardware_class", "machine", "model", "title", "precision"), str),
    **dict.fromkeys(("scenario", "questions", "state", "reason"), str),
    "started_at": datetime,
    **dict.fromkeys(("answers", "asked", "threads"), int),
    "decoding": str,
    **dict.fromkeys(("elapsed_seconds", "load_ms", "first_ms"), float),
    "peak_rss_bytes": int,
    **dict.fromkeys(("bundle_sha256", "questions_sha256", "weights_origin", "settings", "versions"), str),
}


def _run(run: Run) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "device_id": run.device_id,
        "hardware_class": run.device.hardware_class,
        "machine": machine_of(run.device).label,
        "model": run.bundle.model,
        "title": run.bundle.title,
        "precision": run.bundle.precision,
        "scenario": run.settings.scenario,
        "questions": run.questions_name,
        "state": run.state,
        "reason": run.explanation,
        "started_at": _time(run.started_at),
        "answers": run.answers,
        "asked": run.questions_selected,
        "threads": run.settings.threads,
        "decoding": run.settings.decoding,
        "elapsed_seconds": None if run.elapsed_ns is None else run.elapsed_ns / 1e9,
        "load_ms": None if run.load_ns is None else run.load_ns / 1e6,
        "first_ms": None if run.first_ns is None else run.first_ns / 1e6,
        "peak_rss_bytes": run.peak_rss_bytes,
        "bundle_sha256": run.bundle_sha256,
        "questions_sha256": run.questions_sha256,
        "weights_origin": run.bundle.weights.origin,
        "settings": _json(run.settings),
        "versions": _json(run.device.versions),
    }


def _row(row: Row) -> dict[str, Any]:
    found = _flat(row, ("taken_over", "drawn", "intervals"))
    for field in _INTERVALS:
        found[f"{field}_low"], found[f"{field}_high"] = row.intervals.get(field, (None, None))
    found["taken_over_from"] = None if row.taken_over is None else row.taken_over.machine
    if row.drawn is not None:
        found |= {"drawn_unit": row.drawn.unit, "drawn_units": row.drawn.units}
    return found


def _point(point: TrendPoint) -> dict[str, Any]:
    found = {**_flat(point, _CHANGES), "started_at": _time(point.started_at)}
    for name in _CHANGES:
        since = getattr(point, name)
        if since is not None:
            found |= {f"{name}_{field}": value for field, value in _flat(since).items()}
    return found


def _selection(chosen: Mapping[str, Any]) -> Selection:
    fields: dict[str, Any] = {
        name: value if name == "since" else (value,) if isinstance(value, str) else tuple(value)
        for name, value in chosen.items()
    }
    return Selection(**fields)


def _flat(record: msgspec.Struct, without: Iterable[str] = ()) -> dict[str, Any]:
    """Return the fields of a record as values of columns."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(type(record)):
        value = getattr(record, field.name)
        if field.name in without:
            continue
        if _is_interval(field.type):
            found[f"{field.name}_low"], found[f"{field.name}_high"] = value or (None, None)
        else:
            found[field.name] = _json(value) if isinstance(value, dict) else value
    return found


def _kinds(record: type[msgspec.Struct], without: Iterable[str] = ()) -> dict[str, Any]:
    """Return the columns that `_flat` makes of a record, with the Python types of their values."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(record):
        if field.name in without:
            continue
        if _is_interval(field.type):
            found |= {f"{field.name}_{end}": float for end in ("low", "high")}
        else:
            (kind,) = _members(field.type)
            found[field.name] = kind if kind in {str, int, float, bool} else list if _is_list(kind) else str
    return found


def _members(kind: Any) -> Iterator[Any]:
    """Return the types of a union without None; another type itself."""
    members = get_args(kind) if isinstance(kind, UnionType) else (kind,)
    return (member for member in members if member is not type(None))


def _is_interval(kind: Any) -> bool:
    return list(_members(kind)) == [Interval]


def _is_list(kind: Any) -> bool:
    return get_args(kind)[1:] == (...,)


def _arrow(pa: Any, kinds: Mapping[str, Any]) -> Any:
    types = {
        str: pa.string(),
        int: pa.int64(),
        float: pa.float64(),
        bool: pa.bool_(),
        list: pa.list_(pa.string()),
        datetime: pa.timestamp("us", "UTC"),
    }
    return pa.schema([(name, types[kind]) for name, kind in kinds.items()])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
