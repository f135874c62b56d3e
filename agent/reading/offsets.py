"""Finds the characters of the context that belong to a token of a window.

Only tokens that may begin or end an answer are looked up, so nothing is stored for all tokens.
"""

from typing import Final, NamedTuple, Protocol

from tokenizers import Encoding

from agent.reading.wordpiece import Chars, Tokens

CONTEXT: Final = 1
"""The context's number among the two sequences of an encoding."""


class Offsets(Protocol):
    """Finds characters of the context by the places of its tokens in the window."""

    def of_token(self, token: int) -> Chars:
        """The characters of a token."""

    def of_word(self, token: int) -> Chars:
        """The characters of the word that a token is part of, as far as the window shows it."""


class EncodedOffsets(NamedTuple):
    """The offsets in a window that the tokenizer cut."""

    encoding: Encoding

    def of_token(self, token: int) -> Chars:
        """See `Offsets`."""
        chars: Chars = self.encoding.token_to_chars(token)
        return chars

    def of_word(self, token: int) -> Chars:
        """See `Offsets`."""
        chars: Chars = self.encoding.word_to_chars(self.encoding.token_to_word(token), CONTEXT)
        return chars


class TokenOffsets(NamedTuple):
    """The offsets in a window that was cut out of a context's tokens."""

    tokens: Tokens
    shown: range
    """The tokens of the context that the window shows."""
    first: int
    """The place of the first of them in the window."""

    def of_token(self, token: int) -> Chars:
        """See `Offsets`."""
        return self.tokens.chars(self.shown[token - self.first])

    def of_word(self, token: int) -> Chars:
        """See `Offsets`."""
        tokens, shown = self.tokens, self.shown
        at = shown[token - self.first]
        first = start = tokens.starts[at]
        last = start + tokens.lengths[at]
        # Of a word that the window cuts, only the part that it shows counts.
        if shown.start and tokens.starts[shown.start - 1] == start:
            first = tokens.chars(shown.start)[0]
        if shown.stop < len(tokens.ids) and tokens.starts[shown.stop] == start:
            last = tokens.chars(shown.stop - 1)[1]
        return first, last
