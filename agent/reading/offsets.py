"""Where the tokens of a window stand in its context.

It is asked for some tokens alone, those that may begin or end an answer: so nothing is written down for all.
"""

from typing import Final, NamedTuple, Protocol

from tokenizers import Encoding

from agent.reading.wordpiece import Chars, Tokens

CONTEXT: Final = 1
"""The context's number among the two sequences of an encoding."""


class Offsets(Protocol):
    """Of the context's tokens, by their places in the window."""

    def of_token(self, token: int) -> Chars:
        """The characters of a token."""

    def of_word(self, token: int) -> Chars:
        """The characters of the word of a token, as far as the window shows it."""


class EncodedOffsets(NamedTuple):
    """Those of a window that the tokenizer cut."""

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
    """Those of a window that was cut out of a context's tokens."""

    tokens: Tokens
    shown: range
    """The tokens of the context that the window shows."""
    first: int
    """The place in the window of the first of them."""

    def of_token(self, token: int) -> Chars:
        """See `Offsets`."""
        return self.tokens.chars(self.shown[token - self.first])

    def of_word(self, token: int) -> Chars:
        """See `Offsets`."""
        tokens, shown = self.tokens, self.shown
        at = shown[token - self.first]
        first = start = tokens.starts[at]
        last = start + tokens.lengths[at]
        # A word that the window cuts counts for as much as it shows.
        if shown.start and tokens.starts[shown.start - 1] == start:
            first = tokens.chars(shown.start)[0]
        if shown.stop < len(tokens.ids) and tokens.starts[shown.stop] == start:
            last = tokens.chars(shown.stop - 1)[1]
        return first, last
