"""The decoding `pipeline`: the answer of Hugging Face's `pipeline("question-answering")` 4.57 by default.

Answers have at most 15 tokens and are widened to whole words; the scores of equal texts are added up over all
windows. There are two differences: a confidence is at most 1 (the pipeline adds up the probabilities of equal
texts, and can exceed it), and a question that contains the text of the CLS token is never part of an answer.
"""

from collections.abc import Sequence
from typing import Final

from agent.reading.decoding import Found
from agent.reading.model import WindowLogits
from agent.reading.spans import best_spans
from agent.reading.windows import Window
from agent.reading.wordpiece import Chars

_CANDIDATES: Final = 12
"""Spans considered per window: 2 x top_k + 10 in the pipeline, since widening to words makes some equal."""


def decode(
    windows: Sequence[Window], logits: Sequence[WindowLogits], context: str, max_answer_tokens: int
) -> Found | None:
    """The best answer over all windows; see `decoding.Decode`."""
    scores: dict[str, float] = {}
    places: dict[str, Chars] = {}
    for window, (start_logits, end_logits) in zip(windows, logits, strict=True):
        words: dict[int, Chars] = {}
        for span in best_spans(start_logits, end_logits, window.context, max_answer_tokens, _CANDIDATES):
            # Most candidates share a start or an end, and looking one up takes longer than remembering it.
            for token in (span.start, span.end):
                if token not in words:
                    words[token] = window.offsets.of_word(token)
            first, last = words[span.start][0], words[span.end][1]
            text = context[first:last].lower()
            if text in scores:
                scores[text] += span.score
            else:
                scores[text] = span.score
                places[text] = first, last
    if not scores:
        return None
    best = max(scores, key=scores.__getitem__)
    first, last = places[best]
    return Found(context[first:last], first, last, min(scores[best], 1.0))
