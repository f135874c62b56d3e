"""Reads the tables back that the report writes in LaTeX."""

import re
import unicodedata

from tests.collector.reports import Rows

_WORDS = {
    r"\textbackslash{}": "\\",
    r"\textasciicircum{}": "^",
    r"\textasciitilde{}": "~",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"\char34{}": '"',
    r"\textasciigrave{}": "`",
    r"\ldots{}": "…",
    r"\allowbreak{}": "",
    r"$\approx$": "≈",
    r"$^\circ$": "°",
    r"$-$": "−",  # noqa: RUF001
    r"$\rightarrow$": "→",
    r"$\times$": "×",  # noqa: RUF001
    "{[}": "[",
    "{*}": "*",
    "-{}": "-",
    "'{}": "'",
    ",{}": ",",
    "---": "—",
    "--": "–",  # noqa: RUF001
}
_COMMAND = re.compile("|".join(re.escape(word) for word in _WORDS) + r"|\\([{}#$%&_])")
_ACCENTS = {"`": "\u0300", "'": "\u0301", "^": "\u0302", "~": "\u0303", '"': "\u0308", "c": "\u0327"}


def read_text(latex: str) -> str:
    """The text that LaTeX prints."""
    latex = re.sub(
        r"\{\\(\W|[a-zA-Z])\{(\w)\}\}",
        lambda found: unicodedata.normalize("NFC", found[2] + _ACCENTS[found[1]]),
        latex,
    )
    return _COMMAND.sub(lambda found: found[1] or _WORDS[found[0]], latex)


class LatexTable:
    """One table: its caption, its headings, and its rows with the notes of each cell."""

    def __init__(self, text: str) -> None:
        begin = r"\\begin\{(?:tabular|longtable)\}"
        caption = re.search(r"\\caption\{(.*)\}\\label\{(.*?)\}", text)
        assert caption is not None
        self.caption, self.label = read_text(caption[1]), caption[2]
        self.is_long = r"\begin{longtable}" in text
        lines = [line[:-3] for line in text.splitlines() if line.endswith(r" \\")]
        heads, rows = (lines[0], lines[2:]) if self.is_long else (lines[0], lines[1:])
        self.headings = [read_text(cell) for cell in heads.split(" & ")]
        self.notes = dict(re.findall(r"\\textsuperscript\{(\w+)\}~(.*?)\\par", text))
        self.rows: Rows = []
        self.notes_of: list[list[list[str]]] = []
        for line in rows:
            parts = [re.fullmatch(r"(.*?)(?:\\textsuperscript\{(.*)\})?", c) for c in line.split(" & ")]
            self.rows.append([read_text(part[1]) for part in parts if part])
            self.notes_of.append(
                [
                    [read_text(self.notes[letter]) for letter in (part[2] or "").split(",") if letter]
                    for part in parts
                    if part
                ]
            )
        assert re.search(begin, text)


def latex_tables(text: str) -> list[LatexTable]:
    """All tables of a document in their order, each of its parts by itself."""
    blocks = re.findall(
        r"\\begin\{table\}.*?\\end\{table\}|\{\\footnotesize\n\\begin\{longtable\}.*?\n\}\n", text, re.DOTALL
    )
    return [LatexTable(block) for block in blocks]


def joined(parts: list[LatexTable], names: int) -> Rows:
    """The rows of a table from its parts, of which each repeats the columns that name a row."""
    first, *others = (part.rows for part in parts)
    return [
        [*row, *(cell for other in others for cell in other[number][names:])]
        for number, row in enumerate(first)
    ]
