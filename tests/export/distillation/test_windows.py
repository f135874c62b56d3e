"""Gold answers that cannot be learned because they are not in the context."""

from typing import Any, cast

from contract.questions import Gold, Question
from export.answering.inference import Cutter
from export.distillation.training_data import TrainingData
from export.distillation.windows import INPUTS, labelled, placed_gold
from export.models.sources import tokenizer_file

CONTEXT = "it opened in 1932 ."


def asked(*golds: Gold) -> Question:
    return Question("q", "when ?", CONTEXT, golds, "")


def test_the_first_gold_answer_that_is_in_the_context_is_learned() -> None:
    tokenizer = tokenizer_file(None)
    assert tokenizer is not None
    cutter = Cutter(tokenizer.path.read_text(), INPUTS)
    absent, there = Gold("1933", 13), Gold("1932", 13)
    questions = (asked(absent, there), asked(absent), asked())
    assert [placed_gold(question) for question in questions] == [there, None, None]
    windows = labelled(questions, cutter)
    assert [window.answered for window in windows] == [True, False, False]
    assert windows[0].first == windows[0].last == 7  # [CLS] when ? [SEP] it opened in 1932


def test_questions_whose_gold_answers_cannot_be_learned_are_counted() -> None:
    def data(*questions: Question) -> TrainingData:
        return TrainingData(questions, [], cast(Any, None), "", 0)

    said = data(asked(Gold("1933", 13)), asked(Gold("1932", 13)), asked()).remark()
    assert said is not None
    assert said.startswith("1 question has no gold answer that is in the context, such as 'q'")
    assert data(asked(Gold("1932", 13)), asked()).remark() is None
