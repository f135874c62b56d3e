"""Measures how long questions are in a model's tokens, and into how many windows they are cut."""

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from contract.questions import Question
from export.answering.inference import MAX_TOKENS, STRIDE_TOKENS
from export.errors import BadInput

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_BATCH_TEXTS: Final = 1_000


class Lengths(NamedTuple):
    """Lengths in tokens: question, context and special tokens together, before they are cut into windows."""

    p50: int
    p90: int
    max: int
    windows: int
    """Number of windows of at most 384 tokens; neighbouring windows share 128 tokens."""
    too_long: int
    """Number of questions that leave no room for their context in a window; they have no windows."""


def lengths(questions: tuple[Question, ...], tokenizer: Path) -> Lengths:
    """Measure questions with a `tokenizer.json`.

    Every context is tokenised once, whatever the number of its questions. Percentiles are lengths of actual
    questions.

    Raises:
        BadInput: the file is not a tokenizer.
    """
    from tokenizers import Tokenizer

    try:
        loaded = Tokenizer.from_file(str(tokenizer))
    except Exception as error:  # tokenizers raises Exception itself
        raise BadInput(f"'{tokenizer}' is not a tokenizer.json: {error}") from None
    loaded.no_padding()
    loaded.no_truncation()
    asked = _counts(loaded, [q.question for q in questions])
    texts = list(dict.fromkeys(q.context for q in questions))
    of_text = dict(zip(texts, _counts(loaded, texts), strict=True))
    contexts = np.array([of_text[q.context] for q in questions])
    room = MAX_TOKENS - loaded.num_special_tokens_to_add(True) - asked
    total = contexts - room + MAX_TOKENS
    fits = (contexts <= room) | (room > STRIDE_TOKENS)
    further = -((room - contexts) // np.maximum(room - STRIDE_TOKENS, 1))
    windows = np.where(fits, 1 + np.maximum(further, 0), 0)
    p50, p90 = np.percentile(total, (50, 90), method="inverted_cdf")
    return Lengths(int(p50), int(p90), int(total.max()), int(windows.sum()), int((~fits).sum()))


def _counts(tokenizer: "Tokenizer", texts: list[str]) -> NDArray[np.int64]:
    """Number of tokens of each text; in batches, because the tokenizer's results take 100 bytes per token."""
    found = [
        len(encoding.ids)
        for first in range(0, len(texts), _BATCH_TEXTS)
        for encoding in tokenizer.encode_batch_fast(
            texts[first : first + _BATCH_TEXTS], add_special_tokens=False
        )
    ]
    return np.array(found, dtype=np.int64)
