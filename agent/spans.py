"""From logits to the best spans of one window, as Hugging Face's question-answering pipeline picks them.

The source of the rules is `transformers.pipelines.question_answering` 4.57 (`select_starts_ends`,
`decode_spans`), with its defaults: the softmax runs over the tokens that may be in an answer and the first
token (CLS), CLS then gets nothing, and a span's score is its start's probability times its end's.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

_NEVER = np.float32(-10000.0)


class Span(NamedTuple):
    """Tokens `start` to `end` of a window, both included."""

    start: int
    end: int
    score: float
    """Probability of the start times that of the end."""


def best_spans(
    start_logits: npt.NDArray[np.float32],
    end_logits: npt.NDArray[np.float32],
    allowed: npt.NDArray[np.bool_],
    max_answer_tokens: int,
    count: int,
) -> list[Span]:
    """The best spans of a window, best first.

    Args:
        start_logits: shape (tokens,).
        end_logits: shape (tokens,).
        allowed: which tokens may be in an answer, shape (tokens,). The first token is CLS, and never is.
        max_answer_tokens: longest answer in tokens.
        count: how many spans to give, at most.

    Returns:
        At most `count` spans with a score above 0, starting and ending in allowed tokens.
    """
    start = _probabilities(start_logits, allowed)
    end = _probabilities(end_logits, allowed)
    tokens = len(start)
    # Only spans of allowed length are multiplied out: a band of the pipeline's tokens x tokens matrix.
    padded = np.zeros(tokens + max_answer_tokens - 1, dtype=end.dtype)
    padded[:tokens] = end
    ends_from = np.lib.stride_tricks.sliding_window_view(padded, max_answer_tokens)
    scores = (start[:, None] * ends_from).ravel()
    best = np.argpartition(scores, -count)[-count:] if len(scores) > count else np.arange(len(scores))
    best = best[np.argsort(-scores[best], kind="stable")]
    starts, lengths = np.divmod(best, max_answer_tokens)
    return [
        Span(first, first + further, score)
        for first, further, score in zip(
            starts.tolist(), lengths.tolist(), scores[best].tolist(), strict=True
        )
        if score > 0.0
    ]


def _probabilities(
    logits: npt.NDArray[np.float32], allowed: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    counted = allowed.copy()
    counted[0] = True
    masked = np.where(counted, logits, _NEVER)
    powers = np.exp(masked - masked.max())
    probabilities: npt.NDArray[np.float32] = powers / powers.sum()
    probabilities[0] = 0.0
    # A score of exactly 0 marks what may not be answered; exp(-10000) is 0 already, whatever the logits.
    probabilities[~counted] = 0.0
    return probabilities
