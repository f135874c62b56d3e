"""Finds the best spans of one window in its logits, as Hugging Face's question-answering pipeline picks them.

The source of the rules is `transformers.pipelines.question_answering` 4.57 (`select_starts_ends`,
`decode_spans`), with its defaults: the softmax runs over the context's tokens and the first token (CLS), the
probability of CLS is then set to 0, and a span's score is its start's probability times its end's.

The pipeline computes every pair of tokens. Here starts are tried from the best on, until no end could
bring another one into the result. That is plain Python on purpose: after a run of the network the caches are
cold, and each call of a numpy function costs more than the few hundred steps that are left.
"""

from heapq import heappush, heapreplace
from math import exp, isnan, log
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from agent.errors import Unanswerable
from agent.reading.decoding import NOT_FINITE

_CLS: Final = 0
_EXP_IS_SAFE: Final = 500.0
"""Logits are some tens at most; `exp` overflows a float at 709, and underflows at -745."""


class Span(NamedTuple):
    """Tokens `start` to `end` of a window, both included."""

    start: int
    end: int
    score: float
    """Probability of the start times that of the end."""


def best_spans(
    start_logits: npt.NDArray[np.float32],
    end_logits: npt.NDArray[np.float32],
    context: range,
    max_answer_tokens: int,
    count: int,
) -> list[Span]:
    """The best spans of a window, best first.

    Args:
        start_logits: shape (tokens,).
        end_logits: shape (tokens,).
        context: the tokens that may be in an answer; the first token, CLS, is not among them.
        max_answer_tokens: longest answer in tokens.
        count: most spans to return.

    Raises:
        Unanswerable: a logit is NaN or positive infinity, or all are negative infinity.
    """
    starts, ends = start_logits.tolist(), end_logits.tolist()
    total = _log_total(starts, context) + _log_total(ends, context)
    if isnan(total):  # as each of these makes it; to look at every logit would take longer
        raise Unanswerable(NOT_FINITE)
    best_end = max(ends[context.start : context.stop], default=0.0)
    kept: list[tuple[float, int, int]] = []
    for first in sorted(context, key=starts.__getitem__, reverse=True):
        start = starts[first]
        if len(kept) == count and start + best_end <= kept[0][0]:
            break
        within = ends[first : min(first + max_answer_tokens, context.stop)]
        if len(kept) == count and start + max(within) <= kept[0][0]:
            continue
        for last, end in enumerate(within, start=first):
            logit = start + end
            if len(kept) < count:
                heappush(kept, (logit, first, last))
            elif logit > kept[0][0]:
                heapreplace(kept, (logit, first, last))
    kept.sort(reverse=True)
    return [Span(first, last, exp(logit - total)) for logit, first, last in kept]


def _log_total(logits: list[float], context: range) -> float:
    """Logarithm of the softmax's denominator."""
    counted = [logits[_CLS], *logits[context.start : context.stop]]
    highest = max(counted)
    if abs(highest) < _EXP_IS_SAFE:
        # The highest is not subtracted first: that alone would cost as much as all the rest.
        return log(sum(map(exp, counted)))
    return highest + log(sum([exp(logit - highest) for logit in counted]))
