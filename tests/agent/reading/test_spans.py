import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from agent.reading.spans import best_spans

LOGITS = st.floats(-12.0, 12.0, width=32)


class Window(NamedTuple):
    start: NDArray[np.float32]
    end: NDArray[np.float32]
    context: range


@st.composite
def windows(draw: st.DrawFn) -> Window:
    tokens = draw(st.integers(2, 60))
    question = draw(st.integers(1, tokens - 1))
    context = range(question, draw(st.integers(question + 1, tokens)))
    start, end = (draw(hnp.arrays(np.float32, tokens, elements=LOGITS)) for _ in range(2))
    return Window(start, end, context)


def softmax(logits: NDArray[np.float32], counted: list[int]) -> dict[int, float]:
    powers = {token: math.exp(float(logits[token])) for token in counted}
    return {token: power / sum(powers.values()) for token, power in powers.items()}


@given(window=windows(), longest=st.integers(1, 20))
def test_no_allowed_span_is_better_than_the_best(window: Window, longest: int) -> None:
    counted = [0, *window.context]  # CLS shares the probability, and gets no answer
    starts, ends = softmax(window.start, counted), softmax(window.end, counted)
    every = [
        starts[first] * ends[last]
        for first in window.context
        for last in window.context
        if 0 <= last - first < longest
    ]
    best = best_spans(*window, longest, 12)
    assert [span.score for span in best] == pytest.approx(sorted(every, reverse=True)[:12])
    assert len({span[:2] for span in best}) == len(best)
    for first, last, score in best:
        assert first in window.context and last in window.context and 0 <= last - first < longest
        assert score == pytest.approx(starts[first] * ends[last])


@given(window=windows(), longest=st.integers(1, 20))
def test_the_spans_are_those_of_the_pipeline(window: Window, longest: int) -> None:
    # It takes seconds to import: only the process that runs this test does.
    from transformers.pipelines.question_answering import select_starts_ends

    tokens = len(window.start)
    p_mask = np.array([[token != 0 and token not in window.context for token in range(tokens)]])
    *_, scores, _ = select_starts_ends(  # type: ignore[no-untyped-call]  # transformers has no types here
        window.start[None], window.end[None], p_mask, None, top_k=12, max_answer_len=longest
    )
    ours = [span.score for span in best_spans(*window, longest, 12)]
    # Where there are fewer than 12 spans, the pipeline fills up with impossible ones of score 0.
    assert ours == pytest.approx(scores.tolist()[: len(ours)], rel=1e-4)


def test_spans_come_best_first() -> None:
    start = np.array([0, 5, 0, 9, 0], dtype=np.float32)
    end = np.array([0, 0, 5, 0, 9], dtype=np.float32)
    first, second, *_ = best_spans(start, end, range(1, 5), 2, 12)
    assert first[:2] == (3, 4)
    assert second[:2] == (1, 2)


def test_equal_logits_are_no_worst_case() -> None:
    flat = np.zeros(384, dtype=np.float32)
    assert [span.score for span in best_spans(flat, flat, range(20, 383), 15, 12)] == pytest.approx(
        [1 / 364**2] * 12
    )


def test_a_window_without_context_has_no_span() -> None:
    ones = np.ones(4, dtype=np.float32)
    assert best_spans(ones, ones, range(0), 15, 12) == []


@pytest.mark.parametrize("far", [-3000.0, -700.0, 0.0, 700.0, 3000.0])
def test_only_differences_of_logits_count(far: float) -> None:
    start = np.array([0, 1, 3, 2], dtype=np.float32)
    end = np.array([1, 0, 2, 4], dtype=np.float32)
    near = best_spans(start, end, range(1, 4), 2, 12)
    moved = best_spans(start + np.float32(far), end - np.float32(far), range(1, 4), 2, 12)
    assert [span[:2] for span in moved] == [span[:2] for span in near]
    assert [span.score for span in moved] == pytest.approx([span.score for span in near])
