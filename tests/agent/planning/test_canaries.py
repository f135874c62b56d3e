"""A file of canaries is checked before anything is measured."""

import json
from pathlib import Path

import pytest

from agent.errors import BadInput
from agent.planning.canaries import read_canaries
from contract.questions import QuestionFile, decode_questions
from tests.agent.conftest import SAMPLE_QUESTIONS


@pytest.fixture
def asked() -> QuestionFile:
    return decode_questions(SAMPLE_QUESTIONS.read_bytes())


def written(folder: Path, sha256: str, ids: list[str]) -> Path:
    path = folder / "canaries.json"
    path.write_text(json.dumps({"questions_sha256": sha256, "question_ids": ids}))
    return path


def test_the_questions_are_those_of_the_file_in_its_order(asked: QuestionFile, tmp_path: Path) -> None:
    ids = [question.id for question in asked.questions[5:2:-1]]
    assert [found.id for found in read_canaries(written(tmp_path, asked.sha256, ids), asked)] == ids


def test_canaries_of_another_file_are_refused(asked: QuestionFile, tmp_path: Path) -> None:
    first = asked.questions[0].id
    for path in (written(tmp_path, "0" * 64, [first]), written(tmp_path, asked.sha256, [first, "n1"])):
        with pytest.raises(BadInput, match=r"'.*canaries\.json' are of other questions than --questions"):
            read_canaries(path, asked)


@pytest.mark.parametrize("text", ["", "[]", '{"questions_sha256": "0"}', '{"question_ids": ["a"]}'])
def test_what_is_no_file_of_canaries_is_quoted(asked: QuestionFile, tmp_path: Path, text: str) -> None:
    path = tmp_path / "canaries.json"
    path.write_text(text)
    with pytest.raises(BadInput, match=r"canaries\.json': canary file "):
        read_canaries(path, asked)


def test_at_least_one_and_at_most_100_are_named(asked: QuestionFile, tmp_path: Path) -> None:
    for count in (0, 101):
        with pytest.raises(BadInput, match="does not fit the format"):
            read_canaries(written(tmp_path, asked.sha256, ["q"] * count), asked)


def test_a_missing_file_is_named(asked: QuestionFile, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"cannot read the canaries '.*gone': No such file"):
        read_canaries(tmp_path / "gone", asked)
