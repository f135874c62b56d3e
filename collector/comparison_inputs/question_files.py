"""Describes the question files of a report's rows, and chooses a sample question from each."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

import msgspec
import numpy as np

from collector.comparison_inputs.groups import Group
from collector.findings.comparison import Questions, SampleAnswer, SampleQuestion
from collector.scoring.golds import Golds
from collector.store.database import Store
from collector.store.findings_cache import FindingsCache
from collector.summaries.columns import first_texts
from collector.summaries.run_summary import Derived
from contract.squad_metrics import score

_QUESTION_WORD: Final = re.compile(r"\b(what|which|who|whom|whose|when|where|why|how)\b", re.IGNORECASE)


def question_files(
    store: Store, derived: Derived, groups: Sequence[Group], cache: FindingsCache
) -> Iterator[Questions]:
    """Describe the question files that groups were asked and that were added, in order of name."""
    asked = sorted({(group.questions, group.name.questions_sha256) for group in groups})
    for name, sha256 in asked:
        question_set = store.value("SELECT question_set FROM question_sets WHERE sha256 = ?", sha256)
        if question_set is None:
            continue
        of_file = [group for group in groups if group.name.questions_sha256 == sha256]
        place = max((group.place for group in of_file), key=[group.place for group in of_file].count)
        in_place = [group for group in of_file if group.place == place]
        digests = [digest for group in in_place for digest in ("group", *group.digests)]
        describe = partial(_described, store, question_set, name, sha256)
        described = cache.recall("questions", [sha256, name], Questions, describe)
        choose = partial(_sample, store, derived, question_set, in_place)
        sample = cache.recall("sample", [sha256, *digests], SampleQuestion | None, choose)
        yield msgspec.structs.replace(described, sample=sample)


def _described(store: Store, question_set: int, name: str, sha256: str) -> Questions:
    """Describe a question file, without a sample question."""

    def texts(table: str, column: str) -> list[str]:
        sql = f"SELECT {column} FROM {table} WHERE question_set = ?"  # noqa: S608  # our own names
        return [text for (text,) in store.tuples(sql, question_set)]

    questions = texts("questions", "question")
    contexts, golds = texts("passages", "context"), texts("golds", "text")
    asked_with = Counter(_question_word(question) for question in questions)
    return Questions(
        name=name,
        questions_sha256=sha256,
        questions=len(questions),
        articles=store.value(
            "SELECT count(DISTINCT title) FROM passages WHERE question_set = ?", question_set
        ),
        passages=len(contexts),
        golds=len(golds),
        context_words=_mean_words(contexts),
        longest_context_words=max((len(context.split()) for context in contexts), default=0),
        question_words=_mean_words(questions),
        gold_words=_mean_words(golds) if golds else None,
        asked_with=dict(asked_with),
        sample=None,
    )


def _mean_words(texts: Sequence[str]) -> float:
    return sum(len(text.split()) for text in texts) / max(len(texts), 1)


def _question_word(question: str) -> str:
    found = _QUESTION_WORD.search(question)
    return "other" if found is None else found[1].lower()


def _sample(
    store: Store, derived: Derived, question_set: int, groups: Sequence[Group]
) -> SampleQuestion | None:
    """Choose the question with the most different answers; among equals, the one whose hash is lowest."""
    trained = [group for group in groups if group.run.bundle.weights.origin != "random"]
    sides = []
    for group in trained:
        columns = derived.columns(group.runs[-1])
        places = first_texts(columns)
        if len(places.question):
            sides.append((places.question, columns.text[places.value], columns.seq[places.value], group))
    if not sides:
        return None
    questions, asked = np.unique(np.concatenate([side[0] for side in sides]), return_counts=True)
    common = questions[asked == asked.max()]
    texts = np.full((len(sides), len(common)), 0, np.uint64)
    for row, (question, text, _, _) in enumerate(sides):
        places = np.minimum(np.searchsorted(question, common), len(question) - 1)
        texts[row] = np.where(question[places] == common, text[places], 0)
    ordered = np.sort(texts, axis=0)
    distinct = (ordered[1:] != ordered[:-1]).sum(axis=0) if len(sides) > 1 else np.zeros(len(common))
    chosen = common[int(np.argmax(distinct))]
    answers = []
    for question, _, seqs, group in sides:
        for seq in seqs[question == chosen]:
            answers.append((group, *_answer(store, group.runs[-1].stream, int(seq))))
    return _sample_question(store, question_set, answers)


def _answer(store: Store, stream: int, seq: int) -> tuple[str, str]:
    sql = "SELECT question_id, text FROM answers WHERE stream = ? AND seq = ?"
    ((question_id, text),) = store.tuples(sql, stream, seq)
    return question_id, text


def _sample_question(
    store: Store, question_set: int, answers: Sequence[tuple[Group, str, str]]
) -> SampleQuestion | None:
    question_id = answers[0][1]
    found = next(
        store.tuples(
            "SELECT title, context, question FROM questions JOIN passages USING (question_set, passage) "
            "WHERE question_set = ? AND question_id = ?",
            question_set,
            question_id,
        ),
        None,
    )
    if found is None:
        return None
    title, context, question = found
    golds = Golds(store).of(question_set).get(question_id, ())
    return SampleQuestion(
        question_id=question_id,
        title=title,
        context=context,
        question=question,
        golds=golds,
        answers=tuple(
            SampleAnswer(
                row=group.name,
                text=text,
                exact_match=None if group.withheld or not golds else score(text, golds).exact_match,
            )
            for group, _, text in answers
        ),
    )
