"""The chapter on the questions: the question files, and a sample question with each model's answer."""

from functools import partial

from collector.display.numbers import decimals
from collector.findings.comparison import Comparison, Questions, SampleQuestion
from collector.report.names import Names
from collector.report.page import Chapter, Column, Heading, Section, Table, cells, table_of


def questions(comparison: Comparison) -> Chapter:
    """Show the characteristics of the question files, and a sample question with each model's answer."""
    names = Names(comparison)
    sections: list[Section] = []
    if comparison.questions:
        sections.append(Section("Characteristics", tables=(characteristics(comparison.questions),)))
        sections.append(Section("Question words", tables=(question_words(comparison.questions),)))
    for file in comparison.questions:
        if file.sample is not None:
            sections.append(_sample(names, file.name, file.sample))
    return Chapter("questions", "The questions", tuple(sections))


def characteristics(files: tuple[Questions, ...]) -> Table:
    """Show the size of question files, one per row."""
    columns: tuple[Column[Questions], ...] = (
        Column("file", lambda file: file.name, number=False),
        Column("questions", lambda file: f"{file.questions:,}"),
        Column("articles", lambda file: f"{file.articles:,}"),
        Column("passages", lambda file: f"{file.passages:,}"),
        Column("gold answers", lambda file: f"{file.golds:,}"),
        Column("words per context", lambda file: decimals(file.context_words, 1)),
        Column("words in longest context", lambda file: f"{file.longest_context_words:,}"),
        Column("words per question", lambda file: decimals(file.question_words, 1)),
        Column("words per gold answer", lambda file: decimals(file.gold_words, 1)),
        Column("sha256", lambda file: file.questions_sha256[:12], number=False),
    )
    return table_of("Question files", columns, files, names=1)


def question_words(files: tuple[Questions, ...]) -> Table:
    """Show how many questions of each file begin with which word, one file per row."""
    words = sorted({word for file in files for word in file.asked_with})
    columns: tuple[Column[Questions], ...] = (
        Column("file", lambda file: file.name, number=False),
        *(Column(word, partial(_questions_with, word)) for word in words),
    )
    return table_of("Number of questions by first question word", columns, files, names=1)


def _questions_with(word: str, file: Questions) -> str:
    return f"{file.asked_with.get(word, 0):,}"


def _sample(names: Names, file: str, sample: SampleQuestion) -> Section:
    verdicts = {True: "yes", False: "no", None: "not scored"}
    rows: dict[tuple[str, str, str], list[str]] = {}
    for answer in sample.answers:
        key = (names.row(answer.row), answer.text or "(empty)", verdicts[answer.exact_match])
        rows.setdefault(key, []).append(answer.row.machine)
    return Section(
        f"A sample question from {file}: {sample.title}"
        if sample.title
        else f"A sample question from {file}",
        (
            f"Question: {sample.question}",
            f"Context: {sample.context}",
            f"Gold answers: {'; '.join(sample.golds) or 'none'}",
        ),
        (
            Table(
                "What the models answered",
                (
                    Heading("model", number=False),
                    Heading("answer", number=False),
                    Heading("exact match", number=False),
                    Heading("hardware", number=False),
                ),
                tuple(cells(*key, ", ".join(dict.fromkeys(classes))) for key, classes in rows.items()),
                names=1,
            ),
        ),
    )
