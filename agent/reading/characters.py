"""How BERT's normalizer and pre-tokenizer treat single characters; each of them is asked once per character.

BERT's normalizer nearly always replaces a character by one other, whatever is next to it, and its
pre-tokenizer only distinguishes spaces, punctuation and other characters. So `str.translate` and one regular
expression find the same words in a fraction of the time, at the same offsets. Nothing about a character is
decided here: if one does not behave like this, its text is `Irregular`.
"""

import re
import unicodedata
from typing import Final

from tokenizers.normalizers import Normalizer
from tokenizers.pre_tokenizers import PreTokenizer

_PUNCTUATION: Final = (
    r"!-/:-@\[-`{-~\xa1\xa7\xab\xb6\xb7\xbb\xbf\u2010-\u2027\u2030-\u2043\u2045-\u2051\u2053-\u205e"
)
"""Punctuation in ASCII, Latin-1 and the block General Punctuation; text with any other is irregular."""

WORD: Final = re.compile(f"[^ {_PUNCTUATION}]+|[{_PUNCTUATION}]")
"""A word, or one character of punctuation, in normalized text."""

_MOST: Final = 4096
"""Most characters to remember, which take half a megabyte; ordinary text in all alphabets has fewer."""
_NO_CHARACTERS: Final = frozenset({"Cn", "Cs"})
"""Categories of unassigned characters (Python may know an older Unicode than the normalizer), surrogates."""


class Irregular(Exception):
    """A text that only the tokenizer itself can split."""


class Characters(dict[int, str]):
    """A normalizing table for `str.translate`; raises `Irregular` if a character depends on its neighbours.

    Args:
        normalizer: the tokenizer's; it must treat each character by itself, except combining marks.
        pre_tokenizer: the tokenizer's; it must treat each character by itself.
    """

    def __init__(self, normalizer: Normalizer, pre_tokenizer: PreTokenizer) -> None:
        self._normalizer = normalizer
        self._pre_tokenizer = pre_tokenizer

    def __missing__(self, code: int) -> str:
        character = chr(code)
        # Combining marks are reordered together with their neighbours.
        if unicodedata.combining(character) or unicodedata.category(character) in _NO_CHARACTERS:
            raise Irregular
        normal: str = self._normalizer.normalize_str(character)
        if len(normal) != 1 or len(self) == _MOST:
            raise Irregular
        between = f"a{normal}a"
        if [word for word, _ in self._pre_tokenizer.pre_tokenize_str(between)] != WORD.findall(between):
            raise Irregular
        self[code] = normal
        return normal
