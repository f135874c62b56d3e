"""One question to one answer: cut the context into windows, run each, decode the best span over all.

This is what is timed. The decoding named `pipeline` gives the answer of Hugging Face's
`pipeline("question-answering")` 4.57 with its defaults: windows of 384 tokens that share 128, answers of
at most 15 tokens, widened to whole words, equal texts added up over all windows. Where it differs:
nothing is padded (the pipeline's padding is masked, so answers are equal), a confidence ends at 1 (the
pipeline adds up the probabilities of equal texts, and can exceed it), and a question that holds the text of
the CLS token is never part of an answer.
"""

import time
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from agent.bundle import Bundle, verified_tokenizer
from agent.errors import BundleRefused
from agent.model import Model, WindowLogits
from agent.spans import best_spans
from contract.codec import printable
from contract.records import Settings

MAX_ANSWER_CHARS: Final = 10_000
"""A "word" can be as long as its context; an answer has to fit a message."""

_CANDIDATES: Final = 12
"""Spans looked at per window: 2 x top_k + 10 in the pipeline, since widening to words makes some equal."""
_CONTEXT: Final = 1


class Unanswerable(Exception):
    """This question can't be answered; the reason is recorded as the answer's error."""


class Reading(NamedTuple):
    """An answer and what it cost."""

    text: str
    start_char: int
    end_char: int
    """The span in code points of the context, end exclusive."""
    confidence: float
    tokenize_ns: int
    infer_ns: int
    decode_ns: int
    windows: int
    tokens: int


class _Window(NamedTuple):
    encoding: Encoding
    ids: npt.NDArray[np.int64]
    type_ids: npt.NDArray[np.int64]


class _Candidate(NamedTuple):
    text: str
    start_char: int
    end_char: int
    score: float


class Reader:
    """A loaded bundle that answers questions.

    Args:
        bundle: its tokenizer and its model are verified and loaded here.
        settings: decoding, window and answer lengths, threads and runtime options.

    Raises:
        BundleRefused: a file is not what the manifest says, or cannot be loaded.
    """

    def __init__(self, bundle: Bundle, settings: Settings) -> None:
        data = verified_tokenizer(bundle)
        try:
            self._tokenizer = Tokenizer.from_buffer(data)
        except Exception as error:  # tokenizers raises no narrower class
            raise BundleRefused(f"tokenizers cannot load the tokenizer: {printable(str(error))}") from None
        self._settings = settings
        self._tokenizer.no_padding()
        self._cut_windows()
        special = self._tokenizer.num_special_tokens_to_add(is_pair=True)
        # The tokenizer cuts the context only where the windows can advance past their stride.
        self._max_question_tokens = settings.max_tokens - special - settings.stride_tokens - 1
        self._model = Model(bundle, settings.threads, settings.options)

    def read(self, question: str, context: str) -> Reading:
        """Answer one question.

        Raises:
            Unanswerable: the question does not fit, or the context has nothing to answer with.
        """
        begun = time.perf_counter_ns()
        windows = self._windows(question, context)
        tokenized = time.perf_counter_ns()
        logits = [self._model.run(window.ids, window.type_ids) for window in windows]
        inferred = time.perf_counter_ns()
        best = self._best(windows, logits, context)
        decoded = time.perf_counter_ns()
        return Reading(
            text=best.text,
            start_char=best.start_char,
            end_char=best.end_char,
            confidence=min(best.score, 1.0),
            tokenize_ns=tokenized - begun,
            infer_ns=inferred - tokenized,
            decode_ns=decoded - inferred,
            windows=len(windows),
            tokens=sum(window.ids.size for window in windows),
        )

    def _windows(self, question: str, context: str) -> list[_Window]:
        # A token takes at least a byte of text, so only long questions need to be counted.
        if len(question) > self._max_question_tokens // 4:
            self._check_length(question, context)
        encoding = self._tokenizer.encode(question, context)
        return [
            _Window(
                part,
                np.array(part.ids, dtype=np.int64)[None],
                np.array(part.type_ids, dtype=np.int64)[None],
            )
            for part in (encoding, *encoding.overflowing)
        ]

    def _check_length(self, question: str, context: str) -> None:
        if len(question.encode()) <= self._max_question_tokens:
            return
        self._tokenizer.no_truncation()
        try:
            asked = len(self._tokenizer.encode(question, add_special_tokens=False).ids)
            whole = len(self._tokenizer.encode(question, context).ids)
        finally:
            self._cut_windows()
        if asked > self._max_question_tokens and whole > self._settings.max_tokens:
            raise Unanswerable(
                f"the question has {asked} tokens, and more than {self._max_question_tokens} leave no room "
                "for windows of its context"
            )

    def _cut_windows(self) -> None:
        self._tokenizer.enable_truncation(
            self._settings.max_tokens, stride=self._settings.stride_tokens, strategy="only_second"
        )

    def _best(self, windows: list[_Window], logits: list[WindowLogits], context: str) -> _Candidate:
        found: dict[str, _Candidate] = {}
        for window, (start_logits, end_logits) in zip(windows, logits, strict=True):
            spans = best_spans(
                start_logits,
                end_logits,
                _context(window.encoding),
                self._settings.max_answer_tokens,
                _CANDIDATES,
            )
            for span in spans:
                first, last = _chars(window.encoding, span.start, span.end)
                text = context[first:last]
                before = found.get(text.lower())
                if before is None:
                    found[text.lower()] = _Candidate(text, first, last, span.score)
                else:
                    found[text.lower()] = before._replace(score=before.score + span.score)
        if not found:
            raise Unanswerable("the context is empty" if not context.strip() else "the context has no tokens")
        best = max(found.values(), key=lambda candidate: candidate.score)
        if len(best.text) > MAX_ANSWER_CHARS:
            raise Unanswerable(
                f"the answer has {len(best.text)} characters, and at most {MAX_ANSWER_CHARS} are kept"
            )
        return best


def _context(encoding: Encoding) -> range:
    """The tokens of the context, which stand together."""
    sequences = encoding.sequence_ids
    if _CONTEXT not in sequences:
        return range(0)
    first = sequences.index(_CONTEXT)
    return range(first, first + sequences.count(_CONTEXT))


def _chars(encoding: Encoding, start: int, end: int) -> tuple[int, int]:
    """The characters from the beginning of the word of one token to the end of the word of another."""
    first_word, last_word = encoding.token_to_word(start), encoding.token_to_word(end)
    if first_word is not None and last_word is not None:
        first = encoding.word_to_chars(first_word, _CONTEXT)
        last = encoding.word_to_chars(last_word, _CONTEXT)
        if first is not None and last is not None:
            return first[0], last[1]
    return encoding.offsets[start][0], encoding.offsets[end][1]
