from pathlib import Path

import msgspec
import pytest

from collector.scoring import golds as module
from collector.scoring.golds import Golds, KnownScores
from collector.scoring.question_sets import add_questions
from collector.store.opening import open_store


def squad(gold: str) -> bytes:
    asked = {"id": "q1", "question": "Who wrote it?", "answers": [{"text": gold, "answer_start": 0}]}
    paragraphs = [{"context": "Ada Lovelace and Grace Hopper", "qas": [asked]}]
    return msgspec.json.encode({"data": [{"title": "", "paragraphs": paragraphs}]})


def test_known_scores_are_of_the_texts_and_not_of_a_database(tmp_path: Path) -> None:
    known = KnownScores()
    for name, gold, f1 in (("a", "Ada Lovelace", 1.0), ("b", "Ada", 2 / 3), ("a", "Ada Lovelace", 1.0)):
        (tmp_path / "q.json").write_bytes(squad(gold))
        with open_store(tmp_path / f"{name}.db", create=True) as store:
            add_questions(store, tmp_path / "q.json")
            score = Golds(store, known).score(1, "q1", "Ada Lovelace")
        assert score is not None and score.f1 == pytest.approx(f1)


def test_many_scores_are_not_all_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SCORES_HELD", 10)
    known = KnownScores()
    for number in range(100):
        assert known.of(f"word {number}", ("word 7",)).exact_match == (number == 7)
    assert len(known._known) <= 10
