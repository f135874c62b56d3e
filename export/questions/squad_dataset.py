"""Makes a question file of SQuAD v1.1, from the hub or from a file.

`contract.questions` reads question files; everything that is written here is checked by it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from commandline.counted import counted
from commandline.disk import public_mode, write_whole
from contract.codec import printable
from contract.errors import Malformed
from contract.foreign.encodings import ARROW_FILE, ARROW_STREAM, PARQUET
from contract.questions import MAX_QUESTION_FILE_BYTES, Question, QuestionFile, decode_questions, questions_of
from export.errors import BadInput, StorageUnavailable, first_line
from export.models import hub
from export.questions import sample_by_length as sample
from export.toolchain import check_installed

if TYPE_CHECKING:
    import pyarrow as pa

Split = Literal["validation", "train"]

DATASET: Final = "rajpurkar/squad"
REVISION: Final = "7b6d24c440a36b6815f21b70d25016731768db1f"
"""The data set's commit of March 2024; its data has not changed since it was uploaded as Parquet."""
COUNTS: Final[dict[Split, int]] = {"validation": 10_570, "train": 87_599}
"""Number of questions of each split of SQuAD v1.1 (Rajpurkar et al., 2016); validation is the dev set."""

_COLUMNS: Final = ("id", "context", "question", "answers")
_OPTIONAL: Final = ("title", "is_impossible")
_BATCH_ROWS: Final = 2_000


class Origin(NamedTuple):
    """Questions, and a description of their source."""

    questions: tuple[Question, ...]
    source: str
    remarks: tuple[str, ...] = ()
    """Sentences about what is odd in the source."""


def from_hub(split: Split) -> Origin:
    """A split of SQuAD v1.1 at `REVISION`, downloaded once into the cache of the library `datasets`.

    Raises:
        BadInput: the number of questions is not that of the split.
        HubUnavailable: the hub cannot be reached and the cache has no copy.
        NotInstalled: `datasets` is not installed.
    """
    table, commit = hub.dataset(DATASET, split, REVISION)
    origin = Origin(_questions(table, DATASET, False).questions, f"{DATASET} {split} at {commit}")
    check_count(origin, split)
    return origin


def from_file(path: Path, *, answerable_only: bool = False) -> Origin:
    """The questions of a JSON file (see `contract.questions`), or of a table with the hub's columns.

    Tables are Parquet or Arrow files. The first bytes of a file decide its format, whatever its name.

    Args:
        path: the file.
        answerable_only: leave out questions without an answer, as SQuAD 2.0 has them.

    Raises:
        BadInput: the file cannot be read or has other columns.
        Malformed: it is not SQuAD v1.1.
        NotInstalled: it is not JSON, and pyarrow is not installed.
    """
    try:
        with path.open("rb") as opened:
            start = opened.read(8)
        if start.startswith((PARQUET, ARROW_FILE, ARROW_STREAM)):
            file = _questions(_table(path, start), str(path), answerable_only)
        elif path.stat().st_size > MAX_QUESTION_FILE_BYTES:
            raise BadInput(
                f"'{path}' is larger than {MAX_QUESTION_FILE_BYTES} bytes, the limit of a question file"
            )
        else:
            file = decode_questions(path.read_bytes(), answerable_only=answerable_only)
    except OSError as error:
        raise BadInput(f"cannot read '{path}': {error.strerror or error}") from None
    return Origin(file.questions, printable(path.name), tuple(file.remarks()))


def check_count(origin: Origin, split: Split) -> None:
    """Check that there are as many questions as in a split of SQuAD v1.1.

    Raises:
        BadInput: the number differs.
    """
    if len(origin.questions) != COUNTS[split]:
        raise BadInput(
            f"{origin.source} has {counted(len(origin.questions), 'question')}, but {split} of SQuAD v1.1 "
            f"has {COUNTS[split]}: it is not the whole split, or it is another data set"
        )


def sampled(origin: Origin, limit: int | None, seed: int) -> Origin:
    """A sample by context length if the limit is below the number of questions; its source states it."""
    whole = len(origin.questions)
    if limit is None or limit >= whole:
        return origin
    chosen = sample.stratified(origin.questions, limit, seed)
    source = f"{origin.source}: {limit} of {whole} by context length, seed {seed}"
    return origin._replace(questions=chosen, source=source)


def write(origin: Origin, path: Path) -> QuestionFile:
    """Write a SQuAD v1.1 file, whole or not at all; its articles and paragraphs are those of the questions.

    Returns:
        The file as `contract.questions` reads it.

    Raises:
        Malformed: an id occurs twice.
        StorageUnavailable: the file cannot be written.
    """
    articles: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for question in origin.questions:
        paragraphs = articles.setdefault(question.title, {})
        paragraphs.setdefault(question.context, []).append(
            {"id": question.id, "question": question.question, "answers": question.golds}
        )
    data = msgspec.json.encode(
        {
            "version": "1.1",
            "source": origin.source,
            "data": [
                {
                    "title": title,
                    "paragraphs": [{"context": text, "qas": asked} for text, asked in paragraphs.items()],
                }
                for title, paragraphs in articles.items()
            ],
        }
    )
    file = decode_questions(data)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data, public_mode())
    except OSError as error:
        raise StorageUnavailable(f"cannot write '{path}': {error.strerror or error}") from error
    return file


def _table(path: Path, start: bytes) -> "pa.Table":
    check_installed(f"reading '{path}'", ("pyarrow",))
    import pyarrow as pa
    from pyarrow import ipc, parquet

    try:
        if start.startswith(PARQUET):
            return parquet.read_table(path)
        with pa.memory_map(str(path)) as file:
            reader = ipc.open_file if start.startswith(ARROW_FILE) else ipc.open_stream
            return reader(file).read_all()
    except (pa.ArrowException, OSError) as error:
        raise BadInput(
            f"'{path}' is damaged, or its first bytes are of another format: {first_line(error)}"
        ) from None


def _questions(table: "pa.Table", source: str, answerable_only: bool) -> QuestionFile:
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        raise BadInput(
            f"'{source}' has no column {missing[0]!r}: it needs {', '.join(_COLUMNS)}, as {DATASET} has"
        )
    chosen = table.select([name for name in (*_COLUMNS, *_OPTIONAL) if name in table.column_names])
    try:
        return questions_of(_rows(_with_texts(chosen)), answerable_only=answerable_only)
    except Malformed as error:
        raise BadInput(f"'{source}': {error}") from None


def _with_texts(table: "pa.Table") -> "pa.Table":
    """The table with texts where it has bytes, as the tables of some programs do that leave out the type."""
    import pyarrow as pa

    fields = [pa.field(field.name, _text_type(field.type)) for field in table.schema]
    try:
        return table.cast(pa.schema(fields))
    except pa.ArrowException as error:
        raise Malformed(f"its bytes are not UTF-8 text: {first_line(error)}") from None


def _text_type(kind: "pa.DataType") -> "pa.DataType":
    import pyarrow as pa

    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return pa.large_string()
    if pa.types.is_list(kind):
        return pa.list_(_text_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(field.name, _text_type(field.type)) for field in kind])
    return kind


def _rows(table: "pa.Table") -> Iterator[dict[str, Any]]:
    for batch in table.to_batches(max_chunksize=_BATCH_ROWS):
        yield from batch.to_pylist()
