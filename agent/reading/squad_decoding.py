"""The decoding `squad`: the answer of the official scripts for SQuAD v1.1, as papers and MLPerf report it.

The rules are those of `run_squad.py` of google-research/bert, in the form of `run_qa.py` of transformers:

1. In each window, take the 20 best starts and the 20 best ends.
2. Keep the pairs that are an answer of at most 30 tokens, and for which this window shows more context around
   the start than any other.
3. Keep the best 20 pairs over all windows, by the sum of both logits; their softmax is the confidence.

The text is cut out of the context by the tokens' offsets. (The older script guesses it from the tokens' text,
and returns a whole word if they are a part of one.)
"""

from collections.abc import Sequence
from heapq import nlargest
from math import exp, inf
from typing import Final, NamedTuple

from agent.errors import Unanswerable
from agent.reading.decoding import NOT_FINITE, Found
from agent.reading.model import WindowLogits
from agent.reading.windows import Window

_N_BEST: Final = 20
_LENGTH_WEIGHT: Final = 0.01


class _Pair(NamedTuple):
    score: float
    window: int
    start: int
    end: int


def decode(
    windows: Sequence[Window], logits: Sequence[WindowLogits], context: str, max_answer_tokens: int
) -> Found | None:
    """The best answer over all windows; see `decoding.Decode`."""
    contexts = [window.context for window in windows]
    places = [
        range(window.first_token, window.first_token + len(inside))
        for window, inside in zip(windows, contexts, strict=True)
    ]
    pairs: list[_Pair] = []
    for number, (start_logits, end_logits) in enumerate(logits):
        inside = contexts[number]
        starts, ends = start_logits.tolist(), end_logits.tolist()
        if not sum(starts) + sum(ends) < inf:  # NaN compares as false
            raise Unanswerable(NOT_FINITE)
        # Ties go to the earlier token, as in a stable sort.
        best_ends = [at for at in nlargest(_N_BEST, range(len(ends)), key=ends.__getitem__) if at in inside]
        for start in nlargest(_N_BEST, range(len(starts)), key=starts.__getitem__):
            if start in inside and _shows_most(start - inside.start + places[number].start, number, places):
                pairs += [
                    _Pair(starts[start] + ends[end], number, start, end)
                    for end in best_ends
                    if start <= end < start + max_answer_tokens
                ]
    pairs.sort(key=lambda pair: pair.score, reverse=True)
    if not pairs:
        return None
    best = pairs[0]
    offsets = windows[best.window].offsets
    first, last = offsets.of_token(best.start)[0], offsets.of_token(best.end)[1]
    total = sum(exp(pair.score - best.score) for pair in pairs[:_N_BEST])
    return Found(context[first:last], first, last, 1.0 / total)


def _shows_most(token: int, number: int, places: Sequence[range]) -> bool:
    """Whether no other window shows more context around a token of the context."""
    best = max(
        (n for n, place in enumerate(places) if token in place),
        key=lambda n: (
            min(token - places[n].start, places[n].stop - 1 - token) + _LENGTH_WEIGHT * len(places[n])
        ),
    )
    return best == number
