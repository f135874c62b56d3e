r"""The report's tables in LaTeX, with the rules of the package booktabs.

A document takes them in with `\input`, or they are a document by themselves. A table that is wider than a
page is split into parts, which repeat the columns that name a row.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from collector.display.untrusted_text import plain
from collector.findings.comparison import Comparison
from collector.report.layout import lay_out
from collector.report.page import Cell, Chapter, Section, Table, letter
from collector.report.papers.file_names import unique_names
from collector.report.papers.latex_text import latex_text

CHAPTERS: Final = ("answer", "hardware", "scenarios", "evidence", "study")
"""The chapters whose tables are written unless one is chosen: those with results."""
PACKAGES: Final = ("array", "booktabs", "longtable")
"""The packages that the tables need."""
_WIDEST: Final = 76
"""Characters of a line: as many of \\footnotesize are as wide as the text of the class `article`."""
_WIDEST_ALONE: Final = 106
"""The same for a page of A4 with a margin of 20 mm."""
_GAP: Final = 3
"""The gap between two columns, in characters."""
_LONGEST_LINE: Final = 30
"""A cell with more characters is broken into lines."""
_EM_PER_CHARACTER: Final = 0.5
_MOST_ROWS: Final = 36
"""A table with more rows may be longer than a page, so it is one that can be broken."""
_NOT_IN_LABEL: Final = re.compile(r"[^a-z0-9]+")


def as_latex(comparison: Comparison, chapter: str | None = None, *, standalone: bool = False) -> str:
    r"""Write the tables of a comparison.

    Args:
        comparison: what to show.
        chapter: the name of the only chapter to write; None for `CHAPTERS`.
        standalone: whether to write a document that compiles by itself, instead of tables for `\input`.
    """
    page = lay_out(comparison)
    chosen = CHAPTERS if chapter is None else (chapter,)
    shown = [chapter for chapter in page.chapters if chapter.name in chosen]
    writer = _Writer(shown, standalone=standalone)
    lines = [
        "% Tables of distilbench, written by `collector report --format latex` from the comparison of",
        f"% {plain(comparison.generated_at)}. Every interval covers 95 %.",
        *(_preamble() if standalone else [f"% The preamble needs {_usepackage()}"]),
    ]
    for each in shown:
        lines += writer.chapter(each)
    for remark in page.remarks:
        lines += writer.words(remark)
    if standalone:
        lines.append(r"\end{document}")
    return "\n".join(lines) + "\n"


def _usepackage() -> str:
    return f"\\usepackage{{{','.join(PACKAGES)}}}"


def _preamble() -> Iterator[str]:
    yield r"\documentclass[10pt,a4paper]{article}"
    yield r"\usepackage[margin=20mm]{geometry}"
    yield r"\usepackage{float}"
    yield _usepackage()
    yield r"\begin{document}"


def _tables(chapter: Chapter, section: Section) -> Iterator[tuple[str, Table]]:
    """Yield the tables of a section that have rows, each with its caption."""
    begun = f"{chapter.title}: {section.title}" if section.title else chapter.title
    for table in section.tables:
        if table.rows:
            yield f"{begun}, {table.title}" if len(section.tables) > 1 else begun, table


def _label(caption: str) -> str:
    """Make a label from a caption, which stays the same if the database gets more rows."""
    return _NOT_IN_LABEL.sub("-", caption.casefold()).strip("-") or "table"


class _Writer:
    """Writes the tables of one document."""

    def __init__(self, chapters: Sequence[Chapter], *, standalone: bool) -> None:
        self._standalone = standalone
        self._widest = _WIDEST_ALONE if standalone else _WIDEST
        captions = [
            caption
            for chapter in chapters
            for section in chapter.sections
            for caption, _ in _tables(chapter, section)
        ]
        self._labels = iter(unique_names((_label(caption), caption) for caption in captions))

    def chapter(self, chapter: Chapter) -> Iterator[str]:
        """Write the tables of a chapter."""
        title = plain(chapter.title)
        yield f"\n\\section*{{{latex_text(title)}}}" if self._standalone else f"\n% {title}"
        for section in chapter.sections:
            tables = list(_tables(chapter, section))
            for number, (caption, table) in enumerate(tables):
                yield from self._parts(table, caption, section, section.words if number == 0 else ())
            if not tables:
                for sentence in section.words:
                    yield from self.words(sentence)

    def words(self, sentence: str) -> Iterator[str]:
        """Write a sentence that belongs to no table; for another text, it is a comment."""
        yield f"\n{latex_text(sentence)}\n" if self._standalone else f"% {plain(sentence)}"

    def _parts(self, table: Table, caption: str, section: Section, words: Sequence[str]) -> Iterator[str]:
        """Write a table, in as many parts as the width of a page makes of it."""
        label = f"tab:{next(self._labels)}"
        parts = list(self._columns(table))
        for number, part in enumerate(parts, start=1):
            marks: dict[int, str] = {}
            heads = [latex_text(table.headings[i].text) for i in part]
            rows = [[_cell(row[i], marks) for i in part] for row in table.rows]
            below = [latex_text(sentence) for sentence in words if number == 1]
            for note, raised in marks.items():
                below.append(f"{_raised(raised)}~{latex_text(section.footnotes[note - 1])}")
            of = f" (part {number} of {len(parts)})" if len(parts) > 1 else ""
            yield from self._table(
                f"\\caption{{{latex_text(caption + of)}}}"
                f"\\label{{{label if number == 1 else f'{label}--part-{number}'}}}",
                "".join(self._alignment(table, i) for i in part),
                [f"{' & '.join(cells)} \\\\" for cells in (heads, *rows)],
                [f"{sentence}\\par" for sentence in below],
            )

    def _table(self, caption: str, columns: str, lines: Sequence[str], below: Sequence[str]) -> Iterator[str]:
        """Write a table that stays on a page, or one that can be broken if it has many rows."""
        head, *body = lines
        if len(body) > _MOST_ROWS:
            yield r"{\footnotesize"
            yield f"\\begin{{longtable}}{{{columns}}}"
            yield f"{caption}\\\\"
            for end in ("first", ""):
                yield from (r"\toprule", head, r"\midrule", f"\\end{end}head")
            yield from (r"\bottomrule", r"\endfoot", *body, r"\end{longtable}")
            if below:
                yield from (r"\noindent\begin{minipage}{\linewidth}\raggedright", *below, r"\end{minipage}")
            yield "}"
            return
        yield f"\\begin{{table}}[{'H' if self._standalone else 'htbp'}]"
        yield from (r"\centering\footnotesize", caption, f"\\begin{{tabular}}{{{columns}}}")
        yield from (r"\toprule", head, r"\midrule", *body, r"\bottomrule", r"\end{tabular}")
        if below:
            yield from (r"\par\smallskip", r"\begin{minipage}{\linewidth}\raggedright")
            yield from (*below, r"\end{minipage}")
        yield r"\end{table}"

    def _columns(self, table: Table) -> Iterator[list[int]]:
        """Split the columns into parts that fit on a page; each starts with the names of the rows."""
        names = list(range(table.names))
        part = names.copy()
        for i in range(table.names, len(table.headings)):
            width = sum(self._width(table, j) + _GAP for j in [*part, i])
            if part != names and width - _GAP > self._widest:
                yield part
                part = names.copy()
            part.append(i)
        yield part

    def _width(self, table: Table, column: int) -> int:
        """Return the width of a column in characters."""
        heading = len(plain(table.headings[column].text))
        return max(heading, min(_longest(table, column), self._line(table, column)))

    def _line(self, table: Table, column: int) -> int:
        """Return the longest line of a column: names leave half of the page to the numbers."""
        if column >= table.names:
            return _LONGEST_LINE
        return min(_LONGEST_LINE, self._widest // 2 // table.names - _GAP)

    def _alignment(self, table: Table, column: int) -> str:
        heading, line = table.headings[column], self._line(table, column)
        if not heading.number and _longest(table, column) > line:
            ems = max(line, len(plain(heading.text))) * _EM_PER_CHARACTER
            return f">{{\\raggedright\\arraybackslash}}p{{{ems:g}em}}"
        return "r" if heading.number else "l"


def _cell(cell: Cell, marks: dict[int, str]) -> str:
    """Write a cell; its footnotes get letters, since a number could be read as an exponent."""
    letters = [marks.setdefault(note, letter(len(marks) + 1)) for note in cell.notes]
    return latex_text(cell.text) + (_raised(",".join(letters)) if letters else "")


def _raised(letters: str) -> str:
    return f"\\textsuperscript{{{letters}}}"


def _longest(table: Table, column: int) -> int:
    return max(len(plain(row[column].text)) + 2 * len(row[column].notes) for row in table.rows)
