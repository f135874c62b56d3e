import itertools
import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from collector.findings.comparison import Comparison
from collector.report.formats.render import render
from collector.report.layout import lay_out
from collector.report.page import PARTS, Section, Table
from collector.report.papers.latex import CHAPTERS, PACKAGES
from collector.report.papers.latex_text import latex_text
from collector.store.database import Store
from tests import installed
from tests.collector.command import invoked
from tests.collector.report.papers.latex_reader import LatexTable, joined, latex_tables, read_text
from tests.collector.reports import hostile, three_models

EVERY_CHARACTER = "".join(
    chr(number) for number in (*range(0x20, 0x7F), *range(0xA1, 0x180), 0x3BC, *range(0x2013, 0x2027))
)


@pytest.fixture
def comparison(store_with_golds: Store) -> Comparison:
    return three_models(store_with_golds)


def compiled(text: str, folder: Path) -> str:
    """What pdflatex writes about a document that it can compile, and what was typeset of it."""
    pdflatex = installed.program("pdflatex")
    (folder / "report.tex").write_text(text)
    command = [pdflatex, "-halt-on-error", "-interaction=nonstopmode", "report.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "report.pdf").stat().st_size > 1000
    return done.stdout


def parts_of(found: list[LatexTable]) -> list[list[LatexTable]]:
    """The parts of each table: the label of a further part is that of the first one and its number."""
    by_table = itertools.groupby(found, key=lambda table: re.sub(r"--part-\d+$", "", table.label))
    return [list(parts) for _, parts in by_table]


def test_the_tables_have_the_cells_and_notes_that_were_laid_out(comparison: Comparison) -> None:
    chapters = lay_out(comparison).chapters
    for standalone, part in itertools.product((False, True), (None, *PARTS)):
        text = render(comparison, "latex", part=part or "first-screen", standalone=standalone)
        chosen = CHAPTERS if part is None else (part,)
        expected = [
            (section, table)
            for chapter in chapters
            if chapter.name in chosen
            for section in chapter.sections
            for table in section.tables
            if table.rows
        ]
        found = parts_of(latex_tables(text))
        assert len(found) == len(expected) > 0
        for parts, (section, table) in zip(found, expected, strict=True):
            assert_same(parts, section, table)


def assert_same(parts: list[LatexTable], section: Section, table: Table) -> None:
    """The parts of a table have its cells, its headings and its footnotes."""
    first, *others = parts
    assert joined(parts, table.names) == [[cell.text for cell in row] for row in table.rows]
    headings = [*first.headings, *(text for other in others for text in other.headings[table.names :])]
    assert headings == [heading.text for heading in table.headings]
    notes = [
        [*of_row, *(n for other in others for n in other.notes_of[number][table.names :])]
        for number, of_row in enumerate(first.notes_of)
    ]
    assert notes == [
        [[section.footnotes[note - 1] for note in cell.notes] for cell in row] for row in table.rows
    ]


def test_labels_are_unique_and_name_what_they_show(comparison: Comparison) -> None:
    labels = [table.label for table in latex_tables(render(comparison, "latex"))]
    assert len(set(labels)) == len(labels)
    assert {"tab:raspberry-pi-5-model-b-4-cores-rivers", "tab:model-comparative-summary"} <= set(labels)
    again = latex_tables(render(msgspec.structs.replace(comparison, generated_at="later"), "latex"))
    assert [table.label for table in again] == labels


@pytest.mark.parametrize("others", [("Pi 5", "pi-5"), ("Pi", "Pi-2", "Pi!"), ("Wide", "Wide--part-2")])
def test_captions_that_are_alike_have_labels_of_their_own(
    comparison: Comparison, others: tuple[str, ...]
) -> None:
    def labels(machines: tuple[str, ...]) -> dict[str, str]:
        rows = tuple(
            msgspec.structs.replace(row, machine=machine) for machine in machines for row in comparison.rows
        )
        many = msgspec.structs.replace(comparison, rows=rows, labels=(), traces=(), distributions=())
        found = latex_tables(render(many, "latex", part="hardware"))
        assert len({table.label for table in found}) == len(found) >= len(machines)
        return {table.caption: table.label for table in found}

    assert labels(others) == labels(others[::-1]), "a table keeps its label in another order"


def test_a_document_by_itself_compiles_and_no_table_leaves_the_page(
    comparison: Comparison, tmp_path: Path
) -> None:
    said = compiled(render(comparison, "latex", standalone=True), tmp_path)
    assert not re.search(r"Overfull \\hbox \((\d{2,}|[3-9])", said)


def test_tables_compile_in_another_document_and_fit_its_lines(comparison: Comparison, tmp_path: Path) -> None:
    (tmp_path / "tables.tex").write_text(render(comparison, "latex"))
    packages = ",".join(PACKAGES)
    said = compiled(
        f"\\documentclass{{article}}\\usepackage{{{packages}}}\\begin{{document}}\n"
        "\\input{tables}\nTable~\\ref{tab:model-comparative-summary}.\n\\end{document}\n",
        tmp_path,
    )
    assert not re.search(r"Overfull \\hbox \((\d{2,}|[3-9])", said)


def test_an_attack_is_printed_as_text(store_with_golds: Store, tmp_path: Path) -> None:
    attack = hostile(
        store_with_golds, r"\input{/etc/passwd} $x_1^2$ #&~%{} \\[1em]* ``-- <>|\immediate\write18"
    )
    for part in ("first-screen", *PARTS):
        text = render(attack, "latex", part=part, standalone=True)
        assert not re.search(r"\\(input|write18|immediate)", text)
        compiled(text, tmp_path)


def test_every_character_compiles_with_each_font_encoding(tmp_path: Path) -> None:
    words = "\n\n".join(latex_text(each + "x" + each + each) for each in EVERY_CHARACTER)
    for encoding in ("OT1", "T1"):
        compiled(
            f"\\documentclass{{article}}\\usepackage[{encoding}]{{fontenc}}\\usepackage{{booktabs}}"
            f"\\begin{{document}}\n{words}\n{latex_text('日本語')}\\end{{document}}\n",
            tmp_path,
        )


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("100 % of R&D_1", r"100 \% of R\&D\_1"),
        ("72.8 to 81.1 ≈", r"72.8 to 81.1 $\approx$"),
        ("–", "--"),  # noqa: RUF001
        ("score --bertscore", r"score -{}-bertscore"),
        ("[2] *", "{[}2] {*}"),
        ("Müller", r"M{\"{u}}ller"),
        ("日本", "{[}U+65E5]{[}U+672C]"),
        ("a" * 26, r"aaaaaaaa\allowbreak{}aaaaaaaa\allowbreak{}aaaaaaaa\allowbreak{}aa"),
    ],
)
def test_text_is_escaped(text: str, written: str) -> None:
    assert latex_text(text) == written
    assert read_text(written) == text or "U+" in written


def test_a_table_of_many_rows_may_be_broken_over_pages(comparison: Comparison, tmp_path: Path) -> None:
    row = comparison.rows[1]
    rows = tuple(msgspec.structs.replace(row, model=f"m{n}", title=f"M{n}") for n in range(80))
    text = render(msgspec.structs.replace(comparison, rows=rows), "latex", standalone=True)
    long = [table for table in latex_tables(text) if table.is_long]
    assert long and all(len(table.rows) in {80, 83} for table in long)
    compiled(text, tmp_path)


def test_the_command_writes_it(comparison: Comparison, database: Path, tmp_path: Path) -> None:
    del comparison
    target = tmp_path / "tables.tex"
    done = invoked("report", "--to", target, "--section", "hardware", "--db", database)
    assert (done.returncode, done.stderr) == (0, f"wrote {target}\n")
    first, *_ = latex_tables(target.read_text())
    assert first.caption.startswith("Raspberry Pi 5 Model B, 4 cores, rivers (part 1")
    done = invoked("report", "--format", "latex", "--standalone", "--db", database)
    assert done.stdout.startswith("% Tables of distilbench") and r"\begin{document}" in done.stdout
    assert "4 cores" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--standalone",), "--standalone needs --format latex"),
        (("--section", "study", "--format", "csv"), "--section needs --format table or latex"),
    ],
)
def test_options_that_do_not_fit_are_refused(database: Path, options: tuple[str, ...], message: str) -> None:
    done = invoked("report", *options, "--db", database)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
