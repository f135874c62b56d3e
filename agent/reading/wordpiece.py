"""Tokenizes as BERT's tokenizers do, by the library's own model but in half of the library's time.

After inference the caches are cold, and what a tokenizer writes for every byte, word and token then costs
more than its work. Here a text is normalized and split into words (`agent.reading.characters`), each word is
looked up whole in the tokenizer's vocabulary, and only a word that is not there is cut into pieces, by the
tokenizer's own model. No text, word or token is remembered, so that a repeated question is
answered no faster than a new one.
"""

from bisect import bisect_left
from typing import NamedTuple

from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from agent.reading.characters import WORD, Characters, Irregular

Chars = tuple[int, int]
"""First and last character of a part of a text, end exclusive."""


class Tokens(NamedTuple):
    """The tokens of one text."""

    ids: list[int]
    starts: list[int]
    """The character at which the word of each token starts."""
    lengths: list[int]
    """The number of characters in the word of each token."""
    text: str
    """The normalized text, which is as long as the original."""
    model: WordPiece

    def chars(self, token: int) -> Chars:
        """The characters of a token."""
        start = self.starts[token]
        word = self.text[start : start + self.lengths[token]]
        piece = self.model.tokenize(word)[token - bisect_left(self.starts, start)]
        first, last = (len(word.encode()[:size].decode()) for size in piece.offsets)
        return start + first, start + last


class WordPieces:
    """Splits texts into tokens.

    Args:
        tokenizer: one for which `is_bert` holds. It is shared and not changed.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._characters = Characters(tokenizer.normalizer, tokenizer.pre_tokenizer)
        self._added = tuple(token.content for token in tokenizer.get_added_tokens_decoder().values())
        self._model = tokenizer.model
        self._max_chars: int = self._model.max_input_chars_per_word

    def tokens(self, text: str) -> Tokens:
        """The tokens of a text, without special ones.

        Raises:
            Irregular: only the tokenizer itself can split the text.
        """
        normal = text.translate(self._characters)
        # The tokenizer finds added tokens before it normalizes; none may be lost or created here.
        for added in self._added:
            if added in text or added in normal:
                raise Irregular
        ids: list[int] = []
        starts: list[int] = []
        lengths: list[int] = []
        whole = self._model.token_to_id
        for match in WORD.finditer(normal):
            word = match[0]
            length = len(word)
            token = whole(word) if length <= self._max_chars else None
            if token is not None:
                ids.append(token)
                starts.append(match.start())
                lengths.append(length)
            else:
                pieces = [piece.id for piece in self._model.tokenize(word)]
                ids += pieces
                starts += [match.start()] * len(pieces)
                lengths += [length] * len(pieces)
        return Tokens(ids, starts, lengths, normal, self._model)


def is_bert(tokenizer: Tokenizer) -> bool:
    """Whether a tokenizer is made of BERT's parts, which treat each character and each word by itself."""
    added = tokenizer.get_added_tokens_decoder().values()
    return (
        type(tokenizer.normalizer) is BertNormalizer
        and type(tokenizer.pre_tokenizer) is BertPreTokenizer
        and type(tokenizer.model) is WordPiece
        and not any(token.normalized for token in added)
    )
