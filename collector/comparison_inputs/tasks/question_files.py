"""Describes the question files of a report's rows, and chooses a sample question from each."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

import msgspec
import numpy as np

from collector.comparison_inputs.answers import Answers
from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.tasks.task import Memo, Task
from collector.findings.between_rows import RowName
from collector.findings.comparison import Questions, SampleAnswer, SampleQuestion
from collector.store.database import Store
from collector.store.runs import Run
from collector.summaries.columns import first_texts
from contract.squad_metrics import score

_QUESTION_WORD: Final = re.compile(r"\b(what|which|who|whom|whose|when|where|why|how)\b", re.IGNORECASE)


class _AddedFile(NamedTuple):
    """A question file that was added."""

    question_set: int
    name: str
    sha256: str


class _Answerer(NamedTuple):
    """The newest run of a row, whose answers to the sample question may be shown."""

    row: RowName
    run: Run
    withheld: bool


def question_files(store: Store, groups: Sequence[Group], memo: Memo) -> Iterator[Questions]:
    """Describe the question files that groups were asked and that were added, in order of name."""
    asked = sorted({(group.questions, group.name.questions_sha256) for group in groups})
    for name, sha256 in asked:
        question_set = store.value("SELECT question_set FROM question_sets WHERE sha256 = ?", sha256)
        if question_set is None:
            continue
        file = _AddedFile(question_set, name, sha256)
        of_file = [group for group in groups if group.name.questions_sha256 == sha256]
        place = max((group.place for group in of_file), key=[group.place for group in of_file].count)
        in_place = [group for group in of_file if group.place == place]
        described = memo.recall(Task("questions", (sha256, name), Questions, partial(_described, file)))
        yield msgspec.structs.replace(described, sample=memo.recall(_sample_of(file, in_place)))


def _sample_of(file: _AddedFile, groups: Sequence[Group]) -> Task[SampleQuestion | None]:
    trained = tuple(
        _Answerer(group.name, group.runs[-1], group.withheld is not None)
        for group in groups
        if group.run.bundle.weights.origin != "random"
    )
    digests = (digest for group in groups for digest in ("group", *group.source.digests))
    return Task("sample", (file.sha256, *digests), SampleQuestion | None, partial(_sample, file, trained))


def _described(file: _AddedFile, answers: Answers) -> Questions:
    """Describe a question file, without a sample question."""
    store = answers.store

    def texts(table: str, column: str, order: str) -> list[str]:
        sql = f"SELECT {column} FROM {table} WHERE question_set = ? ORDER BY {order}"  # noqa: S608  # our own names
        return [text for (text,) in store.tuples(sql, file.question_set)]

    questions = texts("questions", "question", "question_id")
    contexts, golds = texts("passages", "context", "passage"), texts("golds", "text", "question_id, position")
    asked_with = Counter(_question_word(question) for question in questions)
    return Questions(
        name=file.name,
        questions_sha256=file.sha256,
        questions=len(questions),
        articles=store.value(
            "SELECT count(DISTINCT title) FROM passages WHERE question_set = ?", file.question_set
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


def _sample(file: _AddedFile, trained: Sequence[_Answerer], answers: Answers) -> SampleQuestion | None:
    """Choose the question with the most different answers; among equals, the one whose hash is lowest."""
    sides = []
    for answerer in trained:
        columns = answers.of_run(answerer.run)
        places = first_texts(columns)
        if len(places.question):
            sides.append((places.question, columns.text[places.value], columns.seq[places.value], answerer))
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
    given = []
    for question, _, seqs, answerer in sides:
        for seq in seqs[question == chosen]:
            given.append((answerer, *answers.text(answerer.run, int(seq))))
    return _sample_question(file, given, answers)


def _sample_question(
    file: _AddedFile, given: Sequence[tuple[_Answerer, str, str]], answers: Answers
) -> SampleQuestion | None:
    question_id = given[0][1]
    found = next(
        answers.store.tuples(
            "SELECT title, context, question FROM questions JOIN passages USING (question_set, passage) "
            "WHERE question_set = ? AND question_id = ?",
            file.question_set,
            question_id,
        ),
        None,
    )
    if found is None:
        return None
    title, context, question = found
    golds = answers.golds.of(file.question_set).get(question_id, ())
    return SampleQuestion(
        question_id=question_id,
        title=title,
        context=context,
        question=question,
        golds=golds,
        answers=tuple(
            SampleAnswer(
                row=answerer.row,
                text=text,
                exact_match=None if answerer.withheld or not golds else score(text, golds).exact_match,
            )
            for answerer, _, text in given
        ),
    )
