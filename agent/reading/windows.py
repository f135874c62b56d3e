"""Cuts a question and its context into windows of tokens that fit into a network.

Each window contains the whole question and a part of the context, and shares the end of that part with the
next window. Nothing is padded. If `agent.reading.wordpiece` can tokenize question and context, the windows
are cut here; otherwise the tokenizer cuts them. The result is the same.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from agent.errors import BundleRefused, Unanswerable
from agent.reading.characters import Irregular
from agent.reading.offsets import CONTEXT, EncodedOffsets, Offsets, TokenOffsets
from agent.reading.special_tokens import Frame, frame_of
from agent.reading.wordpiece import Tokens, WordPieces, is_bert
from contract.codec import printable


class Window(NamedTuple):
    """One input of the network."""

    ids: npt.NDArray[np.int64]
    """Shape (1, tokens)."""
    type_ids: npt.NDArray[np.int64]
    """0 for the question and 1 for the context, shape (1, tokens)."""
    context: range
    """The places of the context's tokens in the window, which are contiguous."""
    first_token: int
    """The place of the window's first context token among the tokens of the whole context."""
    offsets: Offsets


class Cutter:
    """Cuts questions with their contexts into windows.

    Args:
        tokenizer_json: the bytes of a `tokenizer.json`.
        max_tokens: longest window, question and special tokens included.
        stride_tokens: tokens of context that consecutive windows share.

    Raises:
        BundleRefused: tokenizers cannot load it.
    """

    def __init__(self, tokenizer_json: bytes, max_tokens: int, stride_tokens: int) -> None:
        with _failing_as(BundleRefused, "tokenizers cannot load the tokenizer"):
            self._tokenizer = Tokenizer.from_buffer(tokenizer_json)
        self._max_tokens = max_tokens
        self._stride_tokens = stride_tokens
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        self._frame = frame_of(self._tokenizer)
        self._wordpieces = WordPieces(self._tokenizer) if is_bert(self._tokenizer) else None
        # BERT's normaliser makes no text longer in bytes; NFKC, for one, makes 18 letters of one character.
        self._normalizer = None if is_bert(self._tokenizer) else self._tokenizer.normalizer
        self._truncate()
        # Zeros, then ones: the types of a window are a slice of it, which costs less than a new array.
        self._types = np.repeat(np.array([0, 1], dtype=np.int64), max_tokens)[None]
        special = self._tokenizer.num_special_tokens_to_add(is_pair=True)
        # The tokenizer cuts the context only if the windows can advance by more than their stride.
        self._max_question_tokens = max_tokens - special - stride_tokens - 1

    def cut(self, question: str, context: str) -> list[Window]:
        """The windows, at least one, in the order of the context.

        Raises:
            Unanswerable: the question does not fit, or the tokenizer fails on it.
        """
        # A token takes at least a byte of normalised text, so only long questions need to be counted.
        if self._normalizer is not None or len(question) > self._max_question_tokens // 4:
            self._check_length(question, context)
        if self._frame is not None and self._wordpieces is not None:
            try:
                # The context first: it is more likely to be irregular.
                shown = self._wordpieces.tokens(context)
                asked = self._wordpieces.tokens(question)
            except Irregular:
                pass
            else:
                return self._cut(self._frame, asked, shown)
        return self._cut_by_tokenizer(question, context)

    def _cut(self, frame: Frame, question: Tokens, context: Tokens) -> list[Window]:
        before = [*frame.before, *question.ids, *frame.between]
        room = self._max_tokens - len(before) - len(frame.after)
        zeros = self._max_tokens - len(before)
        # A context that fits into one window may leave no room to advance, and needs none.
        step = max(room - self._stride_tokens, 1)
        windows = []
        for start in range(0, max(len(context.ids) - self._stride_tokens, 1), step):
            shown = range(start, min(start + room, len(context.ids)))
            ids = np.array(before + context.ids[start : shown.stop] + frame.after, dtype=np.int64)[None]
            type_ids = self._types[:, zeros : zeros + ids.size]
            inside = range(len(before), len(before) + len(shown))
            windows.append(Window(ids, type_ids, inside, start, TokenOffsets(context, shown, len(before))))
        return windows

    def _cut_by_tokenizer(self, question: str, context: str) -> list[Window]:
        with _failing_as(Unanswerable, "the tokenizer fails on the question with its context"):
            encoding = self._tokenizer.encode(question, context)
        first = _window(encoding)
        rest = encoding.overflowing
        if not rest:
            return [first]
        step = len(first.context) - self._stride_tokens
        return [first, *(_window(part, step * number) for number, part in enumerate(rest, start=1))]

    def _check_length(self, question: str, context: str) -> None:
        longest = len(question.encode())
        if self._normalizer is not None:
            with _failing_as(Unanswerable, "the tokenizer cannot normalise the question"):
                # A tokenizer may put one token before a text.
                longest = len(self._normalizer.normalize_str(question).encode()) + 1
        if longest <= self._max_question_tokens:
            return
        self._tokenizer.no_truncation()
        try:
            with _failing_as(Unanswerable, "the tokenizer fails on the question with its context"):
                asked = len(self._tokenizer.encode(question, add_special_tokens=False).ids)
                whole = len(self._tokenizer.encode(question, context).ids)
        finally:
            self._truncate()
        if asked > self._max_question_tokens and whole > self._max_tokens:
            raise Unanswerable(
                f"the question has {asked} tokens, but at most {self._max_question_tokens} leave room "
                "for its context"
            )

    def _truncate(self) -> None:
        self._tokenizer.enable_truncation(
            self._max_tokens, stride=self._stride_tokens, strategy="only_second"
        )


@contextmanager
def _failing_as(refusal: type[BundleRefused | Unanswerable], what: str) -> Iterator[None]:
    """Raise an error of ours if tokenizers fails: it raises `Exception` itself, or panics.

    A panic of Rust is not an `Exception`, and its class cannot be imported.
    """
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise refusal(f"{what}: {printable(str(error))}") from None


def _window(encoding: Encoding, first_token: int = 0) -> Window:
    sequences = encoding.sequence_ids
    first = sequences.index(CONTEXT) if CONTEXT in sequences else 0
    return Window(
        np.array(encoding.ids, dtype=np.int64)[None],
        np.array(encoding.type_ids, dtype=np.int64)[None],
        range(first, first + sequences.count(CONTEXT)),
        first_token,
        EncodedOffsets(encoding),
    )
