"""Answers one question: cuts the context into windows, runs each, and decodes the best span over all.

This is what is timed.
"""

import time
from collections.abc import Sequence
from math import isnan
from typing import Final, NamedTuple

from agent.bundles.bundle import Bundle, verified_tokenizer
from agent.errors import Unanswerable
from agent.reading import pipeline_decoding as pipeline
from agent.reading import squad_decoding as squad
from agent.reading.decoding import NOT_FINITE, Decode, Found
from agent.reading.model import Model, WindowLogits
from agent.reading.windows import Cutter, Window
from contract.records import Settings

MAX_ANSWER_CHARS: Final = 10_000
"""A "word" can be as long as its context; an answer has to fit into a message."""

_DECODINGS: Final[dict[str, Decode]] = {"pipeline": pipeline.decode, "squad": squad.decode}


class Reading(NamedTuple):
    """An answer, its times and its size."""

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


class Reader:
    """A loaded bundle that answers questions.

    Args:
        bundle: its tokenizer and its model are verified and loaded here.
        settings: decoding, window and answer lengths, threads and runtime options.

    Raises:
        BundleRefused: a file does not match the manifest, or cannot be loaded.
    """

    def __init__(self, bundle: Bundle, settings: Settings) -> None:
        self._cutter = Cutter(verified_tokenizer(bundle), settings.max_tokens, settings.stride_tokens)
        self._decode = _DECODINGS[settings.decoding]
        self._max_answer_tokens = settings.max_answer_tokens
        self._model = Model(bundle, settings.threads, settings.options)

    def read(self, question: str, context: str) -> Reading:
        """Answer one question.

        Raises:
            Unanswerable: the question does not fit, or no part of the context can be an answer.
        """
        begun = time.perf_counter_ns()
        windows = self._cutter.cut(question, context)
        tokenized = time.perf_counter_ns()
        logits = [self._model.run(window.ids, window.type_ids) for window in windows]
        inferred = time.perf_counter_ns()
        best = self._best(windows, logits, context)
        decoded = time.perf_counter_ns()
        return Reading(
            text=best.text,
            start_char=best.start_char,
            end_char=best.end_char,
            confidence=best.confidence,
            tokenize_ns=tokenized - begun,
            infer_ns=inferred - tokenized,
            decode_ns=decoded - inferred,
            windows=len(windows),
            tokens=sum(window.ids.size for window in windows),
        )

    def read_batch(self, asked: Sequence[tuple[str, str]]) -> list[Reading | Unanswerable]:
        """Answer questions whose windows go through the network at once, padded to the longest of them.

        The times of each are those of its own tokenising and decoding, and a share of the batch's inference
        in proportion to its windows.

        Args:
            asked: pairs of question and context.
        """
        cut: list[tuple[list[Window], int] | Unanswerable] = []
        for question, context in asked:
            begun = time.perf_counter_ns()
            try:
                cut.append((self._cutter.cut(question, context), time.perf_counter_ns() - begun))
            except Unanswerable as reason:
                cut.append(reason)
        every = [window for found in cut if isinstance(found, tuple) for window in found[0]]
        begun = time.perf_counter_ns()
        logits = iter(self._model.run_batch([w.ids for w in every], [w.type_ids for w in every]))
        infer_ns = time.perf_counter_ns() - begun
        readings: list[Reading | Unanswerable] = []
        for found, (_, context) in zip(cut, asked, strict=True):
            if isinstance(found, Unanswerable):
                readings.append(found)
                continue
            windows, tokenize_ns = found
            own = [next(logits) for _ in windows]
            begun = time.perf_counter_ns()
            try:
                best = self._best(windows, own, context)
            except Unanswerable as reason:
                readings.append(reason)
                continue
            readings.append(
                Reading(
                    **best._asdict(),
                    tokenize_ns=tokenize_ns,
                    infer_ns=infer_ns * len(windows) // len(every),
                    decode_ns=time.perf_counter_ns() - begun,
                    windows=len(windows),
                    tokens=sum(window.ids.size for window in windows),
                )
            )
        return readings

    def _best(self, windows: Sequence[Window], logits: Sequence[WindowLogits], context: str) -> Found:
        for window, (start, end) in zip(windows, logits, strict=True):
            tokens = window.ids.shape[1:]
            if start.shape != tokens or end.shape != tokens:
                raise Unanswerable(
                    f"the model gives logits of the shapes {start.shape} and {end.shape} for a window of the "
                    f"shape {tokens}"
                )
        best = self._decode(windows, logits, context, self._max_answer_tokens)
        if best is None:
            raise Unanswerable(_why_none(windows, context))
        if isnan(best.confidence):
            raise Unanswerable(NOT_FINITE)
        if len(best.text) > MAX_ANSWER_CHARS:
            raise Unanswerable(
                f"the answer has {len(best.text)} characters, and at most {MAX_ANSWER_CHARS} are allowed"
            )
        return best


def _why_none(windows: Sequence[Window], context: str) -> str:
    if not context.strip():
        return "the context is empty"
    if not any(window.context for window in windows):
        return "the context has no tokens"
    return "none of the model's best start and end positions form a valid answer"
