"""Writes text for LaTeX, so that every character is printed as it is and none is a command.

The result works in pdflatex, xelatex and lualatex, with each font encoding, and inside a table.
"""

import unicodedata
from typing import Final

from collector.display.untrusted_text import plain

_COMMANDS: Final = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "#": r"\#",
    "$": r"\$",
    "%": r"\%",
    "&": r"\&",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\char34{}",
    "`": r"\textasciigrave{}",
    # After the end of a row, these two would be read as its arguments.
    "[": "{[}",
    "*": "{*}",
    # Two in a row would be joined to a dash or a quotation mark.
    "-": "-",
    "'": "'",
    ",": ",",
    "–": "--",  # noqa: RUF001  # an en dash
    "—": "---",
    "−": "$-$",  # noqa: RUF001  # a minus sign
    "≈": r"$\approx$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "×": r"$\times$",  # noqa: RUF001  # a multiplication sign
    "±": r"$\pm$",
    "√": r"$\surd$",
    "→": r"$\rightarrow$",
    "·": r"$\cdot$",
    "µ": r"$\mu$",
    "μ": r"$\mu$",
    "°": r"$^\circ$",
    "…": r"\ldots{}",
    "‘": "`",  # noqa: RUF001  # a quotation mark
    "’": "'",  # noqa: RUF001  # a quotation mark
    "“": "``",
    "”": "''",
    "®": r"\textregistered{}",
    "™": r"\texttrademark{}",
    "©": r"\copyright{}",
    "ß": r"{\ss}",
    "æ": r"{\ae}",
    "Æ": r"{\AE}",
    "œ": r"{\oe}",
    "Œ": r"{\OE}",
    "ø": r"{\o}",
    "Ø": r"{\O}",
    "ł": r"{\l}",
    "Ł": r"{\L}",
    "ı": r"{\i}",  # noqa: RUF001  # an i without a dot
}
_JOINED: Final = "-',"
"""Characters of which a font joins two to another one."""
_ACCENTS: Final = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
"""Combining characters and LaTeX's names of them."""
_LONGEST_WORD: Final = 24
_PIECE: Final = 8


def latex_text(text: str) -> str:
    """Escape a text for LaTeX, on one line.

    Letters with accents become LaTeX's commands for them. A character that not every font has, such as one of
    another script, is written by its number: `[U+4E2D]`. Long words, such as hashes, may be broken anywhere.
    """
    return " ".join(map(_word, plain(text).split(" ")))


def _word(word: str) -> str:
    written = [_character(c, word[i + 1 : i + 2]) for i, c in enumerate(word)]
    if len(word) <= _LONGEST_WORD:
        return "".join(written)
    pieces = ("".join(written[i : i + _PIECE]) for i in range(0, len(written), _PIECE))
    return r"\allowbreak{}".join(pieces)


def _character(character: str, following: str) -> str:
    if character in _COMMANDS:
        joined = character in _JOINED and character == following
        return _COMMANDS[character] + "{}" * joined
    if character.isascii():
        return character
    letter, *marks = list(unicodedata.normalize("NFD", character))
    if len(marks) == 1 and marks[0] in _ACCENTS and letter.isascii() and letter.isalpha():
        return f"{{\\{_ACCENTS[marks[0]]}{{{letter}}}}}"
    return f"{{[}}U+{ord(character):04X}]"
