import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from transformers.pipelines.question_answering import select_starts_ends

from agent.spans import Span, best_spans

LOGITS = st.floats(-12.0, 12.0, width=32)


@st.composite
def windows(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    tokens = draw(st.integers(2, 60))
    question = draw(st.integers(1, tokens - 1))
    allowed = np.zeros(tokens, dtype=np.bool_)
    allowed[question : draw(st.integers(question + 1, tokens))] = True
    start, end = (draw(hnp.arrays(np.float32, tokens, elements=LOGITS)) for _ in range(2))
    return start, end, allowed


def softmax(logits: NDArray[np.float32], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    powers = np.where(counted, np.exp(logits.astype(np.float64)), 0.0)
    probabilities: NDArray[np.float64] = powers / powers.sum()
    return probabilities


@given(window=windows(), longest=st.integers(1, 20))
def test_no_allowed_span_is_better_than_the_best(
    window: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]], longest: int
) -> None:
    start, end, allowed = window
    counted = allowed.copy()
    counted[0] = True  # CLS shares the probability, and gets no answer
    starts, ends = softmax(start, counted), softmax(end, counted)
    every = [
        starts[first] * ends[last]
        for first in np.flatnonzero(allowed).tolist()
        for last in range(first, min(first + longest, len(allowed)))
        if allowed[last]
    ]
    best = best_spans(start, end, allowed, longest, 12)
    assert [span.score for span in best] == pytest.approx(sorted(every, reverse=True)[:12], rel=1e-4)
    for first, last, _ in best:
        assert allowed[first] and allowed[last]
        assert 0 <= last - first < longest


@given(window=windows(), longest=st.integers(1, 20))
def test_the_spans_are_those_of_the_pipeline(
    window: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]], longest: int
) -> None:
    start, end, allowed = window
    p_mask = ~allowed[None]
    p_mask[0, 0] = False
    theirs = select_starts_ends(  # type: ignore[no-untyped-call]  # transformers has no types here
        start[None], end[None], p_mask, None, top_k=12, max_answer_len=longest
    )
    expected = [score for score in theirs[2].tolist() if score > 0.0]
    ours = best_spans(start, end, allowed, longest, 12)
    assert [span.score for span in ours] == pytest.approx(expected, rel=1e-5)


def test_spans_come_best_first() -> None:
    start = np.array([0, 5, 0, 9, 0], dtype=np.float32)
    end = np.array([0, 0, 5, 0, 9], dtype=np.float32)
    allowed = np.array([False, True, True, True, True])
    first, second, *_ = best_spans(start, end, allowed, 2, 12)
    assert first[:2] == (3, 4)
    assert second[:2] == (1, 2)


def test_a_window_without_context_has_no_span() -> None:
    nothing: list[Span] = best_spans(
        np.ones(4, dtype=np.float32), np.ones(4, dtype=np.float32), np.zeros(4, dtype=np.bool_), 15, 12
    )
    assert nothing == []
