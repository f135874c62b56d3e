"""The decoding `pipeline`: the answer of Hugging Face's `pipeline("question-answering")` 4.57 by default.

Answers of at most 15 tokens, widened to whole words, equal texts added up over all windows. Where it differs:
a confidence ends at 1 (the pipeline adds up the probabilities of equal texts, and can exceed it), and a
question that holds the text of the CLS token is never part of an answer.
"""

from collections.abc import Sequence
from typing import Final

from tokenizers import Encoding

from agent.decoding import Found
from agent.model import WindowLogits
from agent.spans import best_spans
from agent.windows import CONTEXT, Window

_Chars = tuple[int, int]

_CANDIDATES: Final = 12
"""Spans looked at per window: 2 x top_k + 10 in the pipeline, since widening to words makes some equal."""


def decode(
    windows: Sequence[Window], logits: Sequence[WindowLogits], context: str, max_answer_tokens: int
) -> Found | None:
    """The best answer over all windows; see `decoding.Decode`."""
    found: dict[str, Found] = {}
    # Most candidates share a start or an end, and asking the tokenizer takes longer than remembering.
    for window, (start_logits, end_logits) in zip(windows, logits, strict=True):
        words: dict[int, _Chars | None] = {}
        for span in best_spans(start_logits, end_logits, window.context, max_answer_tokens, _CANDIDATES):
            first, last = _chars(window.encoding, span.start, span.end, words)
            text = context[first:last]
            before = found.get(text.lower())
            if before is None:
                found[text.lower()] = Found(text, first, last, span.score)
            else:
                found[text.lower()] = before._replace(confidence=before.confidence + span.score)
    if not found:
        return None
    best = max(found.values(), key=lambda candidate: candidate.confidence)
    return best._replace(confidence=min(best.confidence, 1.0))


def _chars(encoding: Encoding, start: int, end: int, words: dict[int, _Chars | None]) -> _Chars:
    """The characters from the beginning of the word of one token to the end of the word of another.

    Args:
        encoding: of the window.
        start: the first token.
        end: the last token.
        words: the characters of the words of tokens that were looked up before; it is added to.
    """
    for token in (start, end):
        if token not in words:
            word = encoding.token_to_word(token)
            words[token] = None if word is None else encoding.word_to_chars(word, CONTEXT)
    first, last = words[start], words[end]
    if first is not None and last is not None:
        return first[0], last[1]
    return encoding.offsets[start][0], encoding.offsets[end][1]
