"""Writes all answers to one Parquet file, one row per answer, for analyses that go beyond a report."""

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Final

from collector.errors import BadInput
from collector.store.database import Store
from commandline.disk import replacing
from commandline.program.installation import how_to_add

ROWS_AT_ONCE: Final = 65_536

_COLUMNS: Final = (
    ("run_id", "string"),
    ("device_id", "string"),
    ("hardware_class", "string"),
    ("model", "string"),
    ("precision", "string"),
    ("scenario", "string"),
    ("weights_origin", "string"),
    ("bundle_sha256", "string"),
    ("questions", "string"),
    ("seq", "int64"),
    ("epoch", "string"),
    ("round", "int64"),
    ("question_id", "string"),
    ("repeat", "int64"),
    ("at_ns", "int64"),
    ("text", "string"),
    ("confidence", "double"),
    ("tokenize_ns", "int64"),
    ("infer_ns", "int64"),
    ("decode_ns", "int64"),
    ("waited_ns", "int64"),
    ("windows", "int64"),
    ("tokens", "int64"),
    ("marks", "string"),
    ("error", "string"),
    ("exact_match", "bool"),
    ("f1", "double"),
)
"""Name and Arrow type of each column. If a run's accuracy is withheld, `exact_match` and `f1` are null.

Answers of one device with equal `epoch` and `round` were measured side by side. The epoch is null in version
1, in which a run is one round.
"""

_RUNS: Final = """
SELECT stream, run_id, device_id, hardware_class, model, precision,
    json_extract(settings, '$.scenario'), weights_origin, bundle_sha256,
    coalesce((SELECT name FROM question_sets WHERE sha256 = questions_sha256), questions_name)
FROM runs JOIN streams USING (stream) ORDER BY stream
"""
_ANSWERS: Final = """
SELECT seq,
    coalesce((SELECT epoch FROM resumes WHERE resumes.stream = answers.stream AND resumes.seq < answers.seq
        ORDER BY seq DESC LIMIT 1), (SELECT epoch FROM runs WHERE runs.stream = answers.stream)),
    coalesce((SELECT round FROM round_starts AS starts WHERE starts.stream = answers.stream
        AND starts.seq < answers.seq ORDER BY seq DESC LIMIT 1), 0),
    question_id, repeat, at_ns, text, confidence, tokenize_ns, infer_ns, decode_ns, waited_ns,
    windows, tokens, marks, error, exact_match, f1
FROM answers LEFT JOIN scores USING (stream, seq) WHERE stream = ? ORDER BY seq
"""
_RUN_COLUMNS: Final = 9
"""How many of the columns, the first ones, describe the run."""


def write_parquet(store: Store, path: Path) -> int:
    """Write every answer of every run that has started; returns how many answers there are.

    Memory does not grow with their number.

    Raises:
        BadInput: pyarrow is not installed, or the file cannot be written.
    """
    pa = import_pyarrow("--format parquet")
    import pyarrow.parquet as pq

    schema, written = _schema(pa), 0
    try:
        with (
            store.reading(),
            replacing(path) as file,
            pq.ParquetWriter(file, schema, compression="zstd") as writer,
        ):
            for run, answers in _parts(store):
                writer.write_table(_table(pa, schema, run, answers))
                written += len(answers)
    except OSError as error:
        raise BadInput(f"report {str(path)!r} cannot be written: {error.strerror or error}") from None
    return written


def answers_table(store: Store, streams: Collection[int] | None = None) -> Any:
    """Return the same rows and columns in memory, as a `pyarrow.Table`.

    Args:
        store: the database.
        streams: the runs; None for all.

    Raises:
        BadInput: pyarrow is not installed.
    """
    pa = import_pyarrow("a data frame")
    schema = _schema(pa)
    with store.reading():
        parts = [_table(pa, schema, run, answers) for run, answers in _parts(store, streams)]
    return pa.concat_tables(parts) if parts else schema.empty_table()


def import_pyarrow(what: str) -> Any:
    """Import pyarrow, which `what` needs.

    Raises:
        BadInput: it is not installed.
    """
    try:
        import pyarrow
    except ImportError:
        raise BadInput(
            f"{what} needs the package pyarrow; install it with: {how_to_add('parquet')}"
        ) from None
    return pyarrow


def _schema(pa: Any) -> Any:
    types = {"string": pa.string(), "int64": pa.int64(), "double": pa.float64(), "bool": pa.bool_()}
    return pa.schema([(name, types[kind]) for name, kind in _COLUMNS])


def _parts(
    store: Store, streams: Collection[int] | None = None
) -> Iterator[tuple[tuple[Any, ...], list[tuple[Any, ...]]]]:
    for stream, *run in list(store.tuples(_RUNS)):
        if streams is not None and stream not in streams:
            continue
        part: list[tuple[Any, ...]] = []
        for answer in store.tuples(_ANSWERS, stream):
            part.append(answer)
            if len(part) == ROWS_AT_ONCE:
                yield tuple(run), part
                part = []
        if part:
            yield tuple(run), part


def _table(pa: Any, schema: Any, run: tuple[Any, ...], answers: list[tuple[Any, ...]]) -> Any:
    arrays = [
        pa.repeat(pa.scalar(value, field.type), len(answers))
        for value, field in zip(run, list(schema)[:_RUN_COLUMNS], strict=True)
    ]
    columns = zip(*answers, strict=True)
    for values, field in zip(columns, list(schema)[_RUN_COLUMNS:], strict=True):
        known = [None if v is None else bool(v) for v in values] if field.type == pa.bool_() else list(values)
        arrays.append(pa.array(known, field.type))
    return pa.table(arrays, schema=schema)
