"""What was asked: the question files, and a sample question with what each model answered."""

from functools import partial

from collector.display.numbers import decimals
from collector.findings.comparison import Comparison, Questions, SampleQuestion
from collector.report.names import Names, hardware
from collector.report.page import Chapter, Column, Heading, Section, Table, cells, table_of


def questions(comparison: Comparison) -> Chapter:
    """Characteristics of the question files, and a sample question with each model's answer."""
    names = Names(comparison)
    sections: list[Section] = []
    if comparison.questions:
        sections.append(Section("Characteristics", tables=(_characteristics(comparison.questions),)))
        sections.append(Section("Asked with", tables=(_asked_with(comparison.questions),)))
    for file in comparison.questions:
        if file.sample is not None:
            sections.append(_sample(names, file.name, file.sample))
    return Chapter("questions", "The questions", tuple(sections))


def _characteristics(files: tuple[Questions, ...]) -> Table:
    columns: tuple[Column[Questions], ...] = (
        Column("file", lambda file: file.name, number=False),
        Column("questions", lambda file: f"{file.questions:,}"),
        Column("articles", lambda file: f"{file.articles:,}"),
        Column("passages", lambda file: f"{file.passages:,}"),
        Column("gold answers", lambda file: f"{file.golds:,}"),
        Column("words a context", lambda file: decimals(file.context_words, 1)),
        Column("longest context", lambda file: f"{file.longest_context_words:,}"),
        Column("words a question", lambda file: decimals(file.question_words, 1)),
        Column("words an answer", lambda file: decimals(file.gold_words, 1)),
        Column("sha256", lambda file: file.questions_sha256[:12], number=False),
    )
    return table_of("Question files", columns, files, names=1)


def _asked_with(files: tuple[Questions, ...]) -> Table:
    words = sorted({word for file in files for word in file.asked_with})
    columns: tuple[Column[Questions], ...] = (
        Column("file", lambda file: file.name, number=False),
        *(Column(word, partial(_asked_with_word, word)) for word in words),
    )
    return table_of("Questions by their first question word", columns, files, names=1)


def _asked_with_word(word: str, file: Questions) -> str:
    return f"{file.asked_with.get(word, 0):,}"


def _sample(names: Names, file: str, sample: SampleQuestion) -> Section:
    judged = {True: "exact", False: "not exact", None: "not judged"}
    rows: dict[tuple[str, str, str], list[str]] = {}
    for told in sample.answers:
        key = (names.row(told.row), told.text or "(nothing)", judged[told.exact_match])
        rows.setdefault(key, []).append(hardware(told.row.hardware_class))
    return Section(
        f"A sample question of {file}: {sample.title}" if sample.title else f"A sample question of {file}",
        (
            f"Question: {sample.question}",
            f"Context: {sample.context}",
            f"People answered: {'; '.join(sample.golds) or 'nothing'}",
        ),
        (
            Table(
                "What the models answered",
                (
                    Heading("model", number=False),
                    Heading("answer", number=False),
                    Heading("exact match", number=False),
                    Heading("on", number=False),
                ),
                tuple(cells(*key, ", ".join(dict.fromkeys(where))) for key, where in rows.items()),
                names=1,
            ),
        ),
    )
