import pytest

from collector.comparison.compare import compare
from collector.report.layout import lay_out
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from tests.collector.delivering import take
from tests.collector.factory import batch, run_records


def test_characteristics_by_hand(store_with_golds: Store) -> None:
    take(store_with_golds, batch(run_records()))
    score_answers(store_with_golds)
    comparison = compare(store_with_golds)
    (file,) = comparison.questions
    assert (file.questions, file.articles, file.passages, file.golds) == (4, 1, 2, 5)
    # contexts of 13 and 6 words, questions of 5, 5, 2 and 4, golds of 3, 2, 2, 3 and 1
    assert (file.context_words, file.longest_context_words) == (9.5, 13)
    assert file.question_words == pytest.approx(16 / 4)
    assert file.gold_words == pytest.approx(11 / 5)
    assert file.asked_with == {"which": 2, "how": 1, "where": 1}
    (chapter,) = [chapter for chapter in lay_out(comparison).chapters if chapter.anchor == "questions"]
    assert [section.title for section in chapter.sections][:2] == ["Characteristics", "Question words"]
