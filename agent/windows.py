"""A question and its context as windows of tokens that a network can take.

The tokenizer cuts: each window holds the whole question and a part of the context, shares the end of that
part with the next one, and is as long as it is (nothing is padded).
"""

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from agent.errors import BundleRefused, Unanswerable
from contract.codec import printable

CONTEXT: Final = 1
"""The context's number among the two sequences of an encoding."""


class Window(NamedTuple):
    """One piece of work for the network."""

    encoding: Encoding
    ids: npt.NDArray[np.int64]
    """Shape (1, tokens)."""
    type_ids: npt.NDArray[np.int64]
    """0 for the question and 1 for the context, shape (1, tokens)."""
    first_token: int = 0
    """The place of its first context token among those of the whole context."""

    @property
    def context(self) -> range:
        """The tokens of the context, which stand together."""
        sequences = self.encoding.sequence_ids
        if CONTEXT not in sequences:
            return range(0)
        first = sequences.index(CONTEXT)
        return range(first, first + sequences.count(CONTEXT))


class Cutter:
    """Cuts questions with their contexts into windows.

    Args:
        tokenizer_json: the bytes of a `tokenizer.json`.
        max_tokens: longest window, question and special tokens included.
        stride_tokens: tokens of context that consecutive windows share.

    Raises:
        BundleRefused: not a tokenizer.
    """

    def __init__(self, tokenizer_json: bytes, max_tokens: int, stride_tokens: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_buffer(tokenizer_json)
        except Exception as error:  # tokenizers raises no narrower class
            raise BundleRefused(f"tokenizers cannot load the tokenizer: {printable(str(error))}") from None
        self._max_tokens = max_tokens
        self._stride_tokens = stride_tokens
        self._tokenizer.no_padding()
        self._truncate()
        special = self._tokenizer.num_special_tokens_to_add(is_pair=True)
        # The tokenizer cuts the context only where the windows can advance past their stride.
        self._max_question_tokens = max_tokens - special - stride_tokens - 1

    def cut(self, question: str, context: str) -> list[Window]:
        """The windows, at least one, in the order of the context.

        Raises:
            Unanswerable: the question does not fit.
        """
        # A token takes at least a byte of text, so only long questions need to be counted.
        if len(question) > self._max_question_tokens // 4:
            self._check_length(question, context)
        encoding = self._tokenizer.encode(question, context)
        first = _window(encoding)
        rest = encoding.overflowing
        if not rest:
            return [first]
        step = len(first.context) - self._stride_tokens
        return [first, *(_window(part, step * number) for number, part in enumerate(rest, start=1))]

    def _check_length(self, question: str, context: str) -> None:
        if len(question.encode()) <= self._max_question_tokens:
            return
        self._tokenizer.no_truncation()
        try:
            asked = len(self._tokenizer.encode(question, add_special_tokens=False).ids)
            whole = len(self._tokenizer.encode(question, context).ids)
        finally:
            self._truncate()
        if asked > self._max_question_tokens and whole > self._max_tokens:
            raise Unanswerable(
                f"the question has {asked} tokens, and more than {self._max_question_tokens} leave no room "
                "for windows of its context"
            )

    def _truncate(self) -> None:
        self._tokenizer.enable_truncation(
            self._max_tokens, stride=self._stride_tokens, strategy="only_second"
        )


def _window(encoding: Encoding, first_token: int = 0) -> Window:
    return Window(
        encoding,
        np.array(encoding.ids, dtype=np.int64)[None],
        np.array(encoding.type_ids, dtype=np.int64)[None],
        first_token,
    )
