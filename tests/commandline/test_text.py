"""Text that is no UTF-8, and terminals that do not know a character: one sentence or a replacement."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from commandline.program.streams import print_json, print_json_line
from tests.agent.conftest import ROOT
from tests.collector.command import printed

PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
"""Python then reads arguments and writes output as ASCII."""
LATIN = {"PYTHONIOENCODING": "latin-1"}
ASKED = '{"id": "q", "question": "When?", "answers": ["1932"]}'
QUESTIONS = f'{{"data": [{{"paragraphs": [{{"context": "In 1932 …", "qas": [{ASKED}]}}]}}]}}'


def program(name: str, *words: bytes | str | Path, **variables: str | bytes) -> tuple[int, bytes, str]:
    """Status, standard output and standard error of a program; its arguments may be any bytes."""
    command = [sys.executable.encode(), b"-m", name.encode(), *map(os.fsencode, words)]
    environment = {**os.environb, **{key.encode(): os.fsencode(value) for key, value in variables.items()}}
    done = subprocess.run(command, capture_output=True, cwd=ROOT, env=environment, check=False)
    said = done.stderr.decode(errors="replace")
    assert "Traceback" not in said
    return done.returncode, done.stdout, said


@pytest.fixture
def database(tmp_path: Path) -> Path:
    (tmp_path / "q.json").write_text(QUESTIONS)
    (tmp_path / "p.json").write_text('{"q": "1932"}')
    assert printed("questions", "add", tmp_path / "q.json", "--db", tmp_path / "r.db")
    return tmp_path / "r.db"


def add(database: Path, model: bytes, **variables: str) -> tuple[int, bytes, str]:
    words = ("--model", model, "--questions", "q", "--db", database)
    return program("collector", "predictions", "add", database.parent / "p.json", *words, **variables)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("agent", ("answer", "nowhere", "--context", "x", "--question")),
        ("agent", ("answer", "nowhere", "--question", "x", "--context")),
        ("agent", ("device", "--device-id")),
        ("collector", ("predictions", "add", "p", "--questions", "q", "--db", "r.db", "--model")),
        ("collector", ("query", "--db", "r.db")),
        ("export", ("build", "--to", "b")),
    ],
)
def test_an_argument_that_is_no_text_is_wrong_usage(name: str, words: tuple[str, ...]) -> None:
    status, out, said = program(name, *words, b"caf\xe9?")
    assert (status, out) == (2, b"")
    assert r"caf\udce9?' is not UTF-8 text." in said


def test_a_variable_that_is_no_text_is_wrong_usage() -> None:
    status, _, said = program("agent", "device", DISTILBENCH_DEVICE_ID=b"caf\xe9")
    assert status == 2 and r"caf\udce9' is not UTF-8 text." in said


def test_accented_text_is_read_whatever_the_locale(database: Path) -> None:
    status, out, _ = add(database, "müller".encode(), **PLAIN_C)
    assert (status, out) == (0, b"added m?ller, 1 prediction\n")
    _, out, _ = program("collector", "report", "--format", "json", "--db", database)
    assert json.loads(out)["rows"][0]["model"] == "müller"


@pytest.mark.parametrize("variables", [PLAIN_C, LATIN])
def test_json_is_ascii_where_output_is_not_utf8(database: Path, variables: dict[str, str]) -> None:
    add(database, "müller 🌋".encode())
    status, out, _ = program("collector", "report", "--format", "json", "--db", database, **variables)
    assert status == 0 and out.isascii()
    assert json.loads(out)["rows"][0]["model"] == "müller 🌋"


def test_a_terminal_gets_a_replacement_for_what_it_lacks(database: Path) -> None:
    add(database, "müller 🌋".encode())
    for variables, model in ((PLAIN_C, b"m?ller ?"), (LATIN, b"m\xfcller ?")):
        status, out, _ = program("collector", "report", "--db", database, **variables)
        assert status == 0
        assert model in out
        assert b"-----" in out and "─".encode() not in out


@pytest.mark.parametrize("variables", [{}, PLAIN_C, LATIN])
def test_the_name_of_a_file_may_be_any_bytes(tmp_path: Path, variables: dict[str, str]) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.json"
    Path(os.fsdecode(path)).write_text(QUESTIONS)
    database = tmp_path / "r.db"
    assert program("collector", "questions", "add", path, "--db", database, **variables)[1].startswith(
        b"added caf?, 1 question"
    )
    for words in (
        ("ingest", path, "--db", database),
        ("runs", "--db", path),
        ("merge", path, "--db", database),
    ):
        status, _, said = program("collector", *words, **variables)
        assert status == 1 and r"caf\udce9.json' is not a " in said
    status, out, _ = program(
        *("export", "questions", "squad", "--from", path, "--to", path + b"2", "--json"),
        **variables,
    )
    assert status == 0 and json.loads(out)["source"] == "caf?.json"


def test_a_bundle_and_its_results_may_be_in_folders_of_any_name(tiny_bundle: Path, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/caf\xe9"
    shutil.copytree(tiny_bundle, os.fsdecode(folder) + "/bundle")
    words = ("--question", "When?", "--context", "It opened in 1932.")
    status, out, said = program("agent", "answer", folder + b"/bundle", *words)
    assert status == 0, said
    assert json.loads(out)["answer"] in words[-1]


@pytest.mark.parametrize("name", ["agent", "collector", "export"])
def test_a_command_that_is_no_text_is_unknown(name: str) -> None:
    status, _, said = program(name, b"caf\xe9")
    assert status == 2 and r"No such command 'caf\udce9'" in said


def test_json_stays_as_it_is_on_utf8(capsys: pytest.CaptureFixture[str]) -> None:
    print_json('{"a": "ü"}\n')
    assert capsys.readouterr().out == '{"a": "ü"}\n'


def test_a_line_of_json_has_nothing_that_a_terminal_acts_on(capsys: pytest.CaptureFixture[str]) -> None:
    print_json_line({"title": "ü \u202eb\x9b"})
    assert capsys.readouterr().out == r'{"title":"ü \u202eb\u009b"}' + "\n"
