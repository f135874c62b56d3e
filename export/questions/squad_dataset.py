"""Makes a question file of SQuAD v1.1, from the hub or from a file.

`contract.questions` reads question files; everything that is written here is checked by it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from commandline.counted import counted
from commandline.program.installation import how_to_add
from contract.questions import MAX_QUESTION_FILE_BYTES, Gold, Question, QuestionFile, decode_questions
from export.errors import BadInput, NotInstalled, StorageUnavailable, first_line
from export.models import hub
from export.questions import sample_by_length as sample

if TYPE_CHECKING:
    import pyarrow as pa

Split = Literal["validation", "train"]

DATASET: Final = "rajpurkar/squad"
REVISION: Final = "7b6d24c440a36b6815f21b70d25016731768db1f"
"""The data set's commit of March 2024; its data has not changed since it was uploaded as Parquet."""
COUNTS: Final[dict[Split, int]] = {"validation": 10_570, "train": 87_599}
"""Number of questions of each split of SQuAD v1.1 (Rajpurkar et al., 2016); validation is the dev set."""

_COLUMNS: Final = ("id", "title", "context", "question", "answers")
_PARQUET: Final = b"PAR1"
_ARROW_FILE: Final = b"ARROW1"
_ARROW_STREAM: Final = b"\xff\xff\xff\xff"
_BATCH_ROWS: Final = 2_000


class Origin(NamedTuple):
    """Questions, and a description of their source."""

    questions: tuple[Question, ...]
    source: str


def from_hub(split: Split) -> Origin:
    """A split of SQuAD v1.1 at `REVISION`, downloaded once into the cache of the library `datasets`.

    Raises:
        BadInput: the number of questions is not that of the split.
        HubUnavailable: the hub cannot be reached and the cache has no copy.
        NotInstalled: `datasets` is not installed.
    """
    table, commit = hub.dataset(DATASET, split, REVISION)
    origin = Origin(tuple(_rows(table, DATASET)), f"{DATASET} {split} at {commit}")
    check_count(origin, split)
    return origin


def from_file(path: Path) -> Origin:
    """The questions of a SQuAD v1.1 JSON file, or of a Parquet or Arrow file with the hub's columns.

    The first bytes of the file decide its format, whatever its name.

    Raises:
        BadInput: the file cannot be read or has other columns.
        Malformed: it is not SQuAD v1.1.
        NotInstalled: it is not JSON, and pyarrow is not installed.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
        if start.startswith((_PARQUET, _ARROW_FILE, _ARROW_STREAM)):
            return Origin(tuple(_rows(_table(path, start), str(path))), path.name)
        if path.stat().st_size > MAX_QUESTION_FILE_BYTES:
            raise BadInput(
                f"'{path}' is larger than {MAX_QUESTION_FILE_BYTES} bytes, the limit of a question file"
            )
        return Origin(decode_questions(path.read_bytes()).questions, path.name)
    except OSError as error:
        raise BadInput(f"cannot read '{path}': {error.strerror or error}") from None


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
    return Origin(chosen, f"{origin.source}: {limit} of {whole} by context length, seed {seed}")


def write(origin: Origin, path: Path) -> QuestionFile:
    """Write a SQuAD v1.1 file, whole or not at all; its articles and paragraphs are those of the questions.

    Returns:
        The file as `contract.questions` reads it.

    Raises:
        Malformed: an id occurs twice, or an answer is not in its context.
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
    draft = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.write_bytes(data)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise StorageUnavailable(f"cannot write '{path}': {error.strerror or error}") from error
    return file


def _table(path: Path, start: bytes) -> "pa.Table":
    try:
        import pyarrow as pa
        from pyarrow import ipc, parquet
    except ModuleNotFoundError:
        raise NotInstalled(
            f"reading '{path}' needs the package pyarrow, which is not installed; install it with: "
            f"{how_to_add('export')}"
        ) from None
    try:
        if start.startswith(_PARQUET):
            return parquet.read_table(path)
        with pa.memory_map(str(path)) as file:
            reader = ipc.open_file if start.startswith(_ARROW_FILE) else ipc.open_stream
            return reader(file).read_all()
    except (pa.ArrowException, OSError) as error:
        raise BadInput(
            f"'{path}' is damaged, or its first bytes are of another format: {first_line(error)}"
        ) from None


def _rows(table: "pa.Table", source: str) -> Iterator[Question]:
    missing = [name for name in _COLUMNS if name not in table.column_names]
    if missing:
        raise BadInput(
            f"'{source}' has no column {missing[0]!r}: it needs {', '.join(_COLUMNS)}, as {DATASET} has"
        )
    contexts: dict[str, str] = {}
    titles: dict[str, str] = {}
    for batch in table.select(_COLUMNS).to_batches(max_chunksize=_BATCH_ROWS):
        for row in batch.to_pylist():
            question = _question(row, source)
            # Each paragraph has five questions: one copy of its text is enough.
            yield question._replace(
                context=contexts.setdefault(question.context, question.context),
                title=titles.setdefault(question.title, question.title),
            )


def _question(row: dict[str, Any], source: str) -> Question:
    try:
        golds = _Answers.golds(msgspec.convert(row["answers"], _Answers))
        asked = msgspec.convert(row, _Asked)
    except (msgspec.ValidationError, ValueError) as error:
        raise BadInput(f"'{source}' has an unusable question {row['id']!r}: {error}") from None
    if not golds:
        raise BadInput(
            f"'{source}' has no answer to question {asked.id!r}: distilbench reads SQuAD v1.1, "
            "in which every question has one"
        )
    return Question(asked.id, asked.question, asked.context, golds, asked.title)


class _Asked(msgspec.Struct):
    id: str
    question: str
    context: str
    title: str


class _Answers(msgspec.Struct):
    """The hub's column `answers`: a list of texts, and a list of their places in the context."""

    text: list[str]
    answer_start: list[int]

    def golds(self) -> tuple[Gold, ...]:
        pairs = zip(self.text, self.answer_start, strict=True)
        return tuple(Gold(text, start) for text, start in pairs)
