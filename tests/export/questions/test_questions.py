"""Tests `export-models questions squad`: data from the hub's cache and from files, samples, and lengths."""

import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import ipc, parquet

from contract.questions import Gold, Question, decode_questions
from export import cli
from export.answering.inference import Cutter
from export.errors import BadInput, StorageUnavailable
from export.models import sources as weights
from export.questions import sample_by_length as sample
from export.questions import squad_dataset as squad
from export.questions.token_lengths import lengths
from tests.export.conftest import HubSettings
from tests.export.hubcache import add_squad, environment

DEMO = Path(__file__).parent.parent.parent.parent / "demo" / "sample-questions.json"
Command = Callable[..., tuple[int, str, str]]
SCHEMA = pa.schema(
    {
        **{column: pa.string() for column in ("id", "title", "context", "question")},
        "answers": pa.struct({"text": pa.list_(pa.string()), "answer_start": pa.list_(pa.int32())}),
    }
)
READING = "reading SQuAD v1.1 validation from the hub or its local cache\n"


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The questions of a file in the hub's form: one row per question."""
    return [
        {
            "id": q.id,
            "title": q.title,
            "context": q.context,
            "question": q.question,
            "answers": {
                "text": [gold.text for gold in q.golds],
                "answer_start": [gold.answer_start for gold in q.golds],
            },
        }
        for q in decode_questions(path.read_bytes()).questions
    ]


def made_up(count: int) -> list[dict[str, Any]]:
    """`count` rows, five per paragraph, with two answers each."""
    return [
        {
            "id": f"{place:024x}",
            "title": f"Article {place // 50}",
            "context": f"Paragraph {place // 5} was written{' in ink' * (place // 5 % 40)} by Émile and Ada.",
            "question": f"Who wrote it, {place}?",
            "answers": {"text": ["Paragraph", "Para"], "answer_start": [0, 0]},
        }
        for place in range(count)
    ]


def write_parquet(made: pa.Table, path: Path) -> None:
    parquet.write_table(made, path)


def write_arrow_file(made: pa.Table, path: Path) -> None:
    with ipc.new_file(path, made.schema) as writer:
        writer.write_table(made)


def write_arrow_stream(made: pa.Table, path: Path) -> None:
    with ipc.new_stream(path, made.schema) as writer:
        writer.write_table(made)


def questions_squad(
    *arguments: str | Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a new process, in which the hub's library reads the given environment."""
    command = [sys.executable, "-m", "export", "questions", "squad", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=env)


@pytest.fixture
def squad_command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Command:
    """Runs the command in this process, which saves half a minute; returns status, output and messages."""

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["export-models", "questions", "squad", *map(str, arguments)])
        status = cli.main()
        said = capfd.readouterr()
        return status, said.out, said.err

    return run


@pytest.mark.parametrize("kind", [write_parquet, write_arrow_file, write_arrow_stream])
def test_a_table_becomes_the_question_file_it_came_from(
    kind: Callable[[pa.Table, Path], None], tmp_path: Path
) -> None:
    kind(table(rows_of(DEMO)), tmp_path / "data")
    written = squad.write(squad.from_file(tmp_path / "data"), tmp_path / "new" / "questions.json")
    again = squad.write(squad.from_file(DEMO), tmp_path / "again.json")
    original = decode_questions(DEMO.read_bytes())
    assert written.sha256 == again.sha256 == original.sha256
    assert sorted(written.questions) == sorted(again.questions) == sorted(original.questions)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "new", "again.json"}


def without(column: str) -> pa.Table:
    return table(made_up(3)).drop_columns([column])


def with_answers(answers: dict[str, Any]) -> pa.Table:
    return table([*made_up(2), made_up(3)[2] | {"answers": answers}])


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (
            without("answers"),
            r"data' has no column 'answers': it needs id, context, question, answers",
        ),
        (
            with_answers({"text": [], "answer_start": []}),
            r"data': question '0+2' is unanswerable .* with --answerable-only",
        ),
        (with_answers({"text": ["Ada"], "answer_start": []}), r"has 1 answers with 0 places at row 3"),
        (table([*made_up(2), made_up(3)[2] | {"context": None}]), r"has no `context` at row 3"),
        (table([*made_up(2), made_up(1)[0]]), r"has the id '0+0' twice, again at row 3"),
        (
            table(made_up(1)).set_column(0, "id", pa.array([True])),
            r"row 1 does not fit the format: Expected .*got `bool` - at `\$\.id`",
        ),
        (
            table(made_up(1)).set_column(3, "question", pa.array(["Qué".encode("latin-1")])),
            r"its bytes are not UTF-8 text",
        ),
    ],
)
def test_a_table_that_is_not_squad_is_refused(made: pa.Table, sentence: str, tmp_path: Path) -> None:
    write_parquet(made, tmp_path / "data")
    with pytest.raises(BadInput, match=sentence):
        squad.from_file(tmp_path / "data")


def test_a_damaged_file_is_refused_in_one_sentence(squad_command: Command, tmp_path: Path) -> None:
    for kind in (write_parquet, write_arrow_file, write_arrow_stream):
        kind(table(made_up(50)), tmp_path / "data")
        whole = (tmp_path / "data").read_bytes()
        (tmp_path / "data").write_bytes(whole[: len(whole) // 2])
        status, out, err = squad_command("--from", tmp_path / "data", "--to", tmp_path / "q.json")
        assert (status, out) == (1, "") and err.count("\n") == 1
        assert f"'{tmp_path / 'data'}' is damaged" in err
        assert not (tmp_path / "q.json").exists()


def test_answers_that_are_misplaced_are_counted_and_written_where_they_are(
    squad_command: Command, tmp_path: Path
) -> None:
    context = made_up(3)[2]["context"]
    write_parquet(with_answers({"text": ["Ada", "Eve"], "answer_start": [1, 2]}), tmp_path / "data")
    status, _, err = squad_command("--from", tmp_path / "data", "--to", tmp_path / "q.json")
    assert status == 0
    assert f"1 gold answer is not where the file says, such as 'Ada' of question '{2:024x}'" in err
    assert "1 gold answer is not in the context, such as 'Eve'" in err
    golds = decode_questions((tmp_path / "q.json").read_bytes()).questions[2].golds
    assert golds == (Gold("Ada", context.index("Ada")), Gold("Eve", 2))


LISTS = {"text": pa.large_list(pa.large_string()), "answer_start": pa.list_(pa.int64())}
BYTES = {"text": pa.list_(pa.binary()), "answer_start": pa.list_(pa.int16())}
WORDS = pa.dictionary(pa.int32(), pa.string())


@pytest.mark.parametrize(
    "types",
    [
        {"id": pa.large_string(), "context": pa.large_string(), "answers": pa.struct(LISTS)},
        {"title": WORDS, "context": WORDS},
        {"id": pa.binary(), "question": pa.large_binary(), "answers": pa.struct(BYTES)},
        {"context": pa.string_view()},
    ],
    ids=["large", "dictionary", "bytes", "views"],
)
def test_texts_and_places_may_have_other_types(types: dict[str, pa.DataType], tmp_path: Path) -> None:
    rows = made_up(12)
    plain = table(rows)
    fields = [pa.field(field.name, types.get(field.name, field.type)) for field in plain.schema]
    write_parquet(pa.Table.from_pylist(_encoded(rows, types), pa.schema(fields)), tmp_path / "data")
    write_parquet(plain, tmp_path / "plain")
    assert squad.from_file(tmp_path / "data").questions == squad.from_file(tmp_path / "plain").questions


def _encoded(rows: list[dict[str, Any]], types: dict[str, pa.DataType]) -> list[dict[str, Any]]:
    def encoded(value: Any, kind: pa.DataType | None) -> Any:
        if kind is None:
            return value
        if isinstance(value, dict):
            return {name: encoded(inner, kind.field(name).type) for name, inner in value.items()}
        if isinstance(value, list):
            return [encoded(inner, kind.value_type) for inner in value]
        binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
        return value.encode() if binary and isinstance(value, str) else value

    return [{name: encoded(value, types.get(name)) for name, value in row.items()} for row in rows]


@pytest.mark.parametrize("kind", [write_parquet, write_arrow_file, write_arrow_stream])
def test_a_table_without_titles_and_with_integer_ids_is_read(
    kind: Callable[[pa.Table, Path], None], tmp_path: Path
) -> None:
    rows = [row | {"id": place} for place, row in enumerate(made_up(3))]
    kind(pa.Table.from_pylist(rows).drop_columns(["title"]), tmp_path / "data")
    found = squad.from_file(tmp_path / "data").questions
    assert [(q.id, q.title) for q in found] == [("0", ""), ("1", ""), ("2", "")]


def test_answers_may_be_a_list_of_pairs(tmp_path: Path) -> None:
    rows = [row | {"answers": [{"text": "Para", "answer_start": 0}]} for row in made_up(3)]
    write_parquet(pa.Table.from_pylist(rows), tmp_path / "data")
    assert [q.golds for q in squad.from_file(tmp_path / "data").questions] == [(Gold("Para", 0),)] * 3


def test_squad_2_becomes_a_file_of_its_answerable_questions(squad_command: Command, tmp_path: Path) -> None:
    write_parquet(with_answers({"text": [], "answer_start": []}), tmp_path / "data")
    given = ("--from", tmp_path / "data", "--to", tmp_path / "q.json")
    assert "--answerable-only" in squad_command(*given)[2]
    status, _, err = squad_command(*given, "--answerable-only")
    assert (status, err) == (0, "left out 1 of 3 questions, which have no answer\n")
    assert len(decode_questions((tmp_path / "q.json").read_bytes()).questions) == 2


@pytest.mark.parametrize("packed", [False, True])
def test_json_lines_of_rows_are_read(packed: bool, squad_command: Command, tmp_path: Path) -> None:
    data = b"\n".join(map(msgspec.json.encode, made_up(7)))
    (tmp_path / "rows.jsonl").write_bytes(gzip.compress(data) if packed else data)
    status, out, _ = squad_command("--from", tmp_path / "rows.jsonl", "--to", tmp_path / "q.json")
    assert status == 0 and "questions  7 in 2 paragraphs of 1 article" in out


def test_a_file_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageUnavailable, match=r"cannot write '.*q.json': "):
        squad.write(squad.from_file(DEMO), tmp_path / "file" / "q.json")


def test_the_hubs_validation_split_is_read_from_its_cache(squad_command: Command, tmp_path: Path) -> None:
    add_squad(tmp_path / "home", "validation", table(made_up(10_570)))
    arguments = ("--to", tmp_path / "dev.json", "--json")
    done = questions_squad(*arguments, env=environment(tmp_path / "home"))
    assert (done.returncode, done.stderr) == (0, READING)
    said = json.loads(done.stdout)
    assert (said["questions"], said["paragraphs"], said["articles"], said["golds"]) == (
        10570,
        2114,
        212,
        21140,
    )
    assert said["source"] == f"rajpurkar/squad validation at {squad.REVISION}"
    written = decode_questions((tmp_path / "dev.json").read_bytes())
    assert said["sha256"] == written.sha256
    assert written.questions[7].golds == (Gold("Paragraph", 0), Gold("Para", 0))
    assert json.loads((tmp_path / "dev.json").read_bytes())["source"] == said["source"]

    small = ("--to", tmp_path / "small.json", "--limit", "40", "--seed", "3", "--json")
    _, out, _ = squad_command("--from", tmp_path / "dev.json", "--split", "validation", *small)
    assert json.loads(out)["source"] == "dev.json: 40 of 10570 by context length, seed 3"
    assert len(decode_questions((tmp_path / "small.json").read_bytes()).questions) == 40


def test_a_split_of_the_wrong_size_is_refused(
    squad_command: Command, hub_settings: HubSettings, tmp_path: Path
) -> None:
    add_squad(hub_settings.home, "train", table(made_up(12)))
    arguments = ("--to", tmp_path / "q.json")
    status, _, err = squad_command(*arguments, "--split", "train")
    assert status == 1 and not (tmp_path / "q.json").exists()
    assert "has 12 questions, but train of SQuAD v1.1 has 87599: it is not the whole split" in err
    status, _, err = squad_command(*arguments)
    assert status == 1 and "cannot get validation of 'rajpurkar/squad' from" in err
    status, _, err = squad_command(*arguments, "--from", DEMO, "--split", "validation")
    assert status == 1 and "sample-questions.json has 334 questions, but validation" in err


def test_offline_without_a_cached_copy_gets_one_sentence(tmp_path: Path) -> None:
    secret = "hf_notToBeSeen"
    done = questions_squad("--to", tmp_path / "q.json", env=environment(tmp_path, HF_TOKEN=secret))
    assert (done.returncode, done.stdout) == (1, "") and secret not in done.stderr
    assert done.stderr == (
        f"{READING}export-models: the hub cannot be reached for 'rajpurkar/squad', and the local cache has "
        "no complete copy: go online (and unset HF_HUB_OFFLINE), or give a file with --from\n"
    )


def test_the_table_has_counts_lengths_and_digest(squad_command: Command, tmp_path: Path) -> None:
    _, out, _ = squad_command("--from", DEMO, "--to", tmp_path / "q.json")
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in out.splitlines()[1:]}
    assert out.splitlines()[0] == str(tmp_path / "q.json")
    assert lines["questions"].startswith("334 in ")
    assert lines["tokens"].endswith(" (tokenizer: bert-base-uncased)") and lines["tokens"].startswith("p50 ")
    assert lines["digest"] == decode_questions(DEMO.read_bytes()).sha256
    assert lines["source"] == "sample-questions.json"


def test_the_table_of_one_question_is_in_the_singular(squad_command: Command, tmp_path: Path) -> None:
    row = made_up(1)[0] | {"question": "who " * 400}
    write_parquet(table([row]), tmp_path / "data")
    _, out, _ = squad_command("--from", tmp_path / "data", "--to", tmp_path / "q.json")
    lines = [line.split(maxsplit=1)[1] for line in out.splitlines()[1:]]
    assert lines[0] == "1 in 1 paragraph of 1 article"
    assert lines[3] == "0 of at most 384 tokens; 1 question is too long for a window"
    status, _, err = squad_command(
        "--from", tmp_path / "q.json", "--split", "train", "--to", tmp_path / "r.json"
    )
    assert status == 1 and "q.json has 1 question, but train of SQuAD v1.1 has 87599" in err


def asked(count: int, length: Callable[[int], int]) -> tuple[Question, ...]:
    return tuple(Question(f"q{n}", "?", "x" * length(n), (), "") for n in range(count))


@given(count=st.integers(1, 60), limit=st.integers(1, 70), seed=st.integers(0, 5), data=st.data())
def test_a_sample_is_a_part_in_order_and_ignores_the_order_of_the_file(
    count: int, limit: int, seed: int, data: st.DataObject
) -> None:
    questions = asked(count, lambda n: n * n % 7)
    chosen = sample.stratified(questions, limit, seed)
    assert len(chosen) == min(limit, count)
    assert list(chosen) == [q for q in questions if q in set(chosen)]
    shuffled = tuple(data.draw(st.permutations(questions)))
    assert set(sample.stratified(shuffled, limit, seed)) == set(chosen)


def test_a_sample_has_short_and_long_contexts_as_the_whole() -> None:
    questions = asked(1000, lambda n: n)
    drawn = [sample.stratified(questions, 10, seed) for seed in range(20)]
    for chosen in drawn:
        assert [len(q.context) // 100 for q in chosen] == list(range(10))
    assert len(set(drawn)) == 20


def test_lengths_are_those_of_the_windows_that_are_cut() -> None:
    found = weights.tokenizer_file(None)
    assert found is not None
    questions = decode_questions(DEMO.read_bytes()).questions
    long = " ".join(q.context for q in questions)
    questions = (
        *questions,
        *(Question(f"long{n}", "Who? " * (n % 60), long[: 400 + 97 * n], (), "") for n in range(60)),
    )
    measured = lengths(questions, found.path)
    cutter = Cutter(found.path.read_text(), ("input_ids",))
    windows = [cutter.windows(q) for q in questions]
    assert measured.windows == sum(map(len, windows)) > len(questions) + 60
    single = sorted(w[0].inputs["input_ids"].size for w in windows if len(w) == 1)
    assert measured.p50 == single[(len(questions) + 1) // 2 - 1]
    assert measured.max > 1000 and measured.too_long == 0


def test_a_question_that_fills_its_window_is_counted_apart() -> None:
    found = weights.tokenizer_file(None)
    assert found is not None
    measured = lengths((Question("q", "who " * 400, "Ada " * 400, (), ""),), found.path)
    assert (measured.windows, measured.too_long, measured.max) == (0, 1, 803)
