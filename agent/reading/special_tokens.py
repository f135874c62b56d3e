"""The special tokens around a question and its context, such as BERT's [CLS] and [SEP]."""

from typing import Final, NamedTuple

from tokenizers import Tokenizer
from tokenizers.processors import BertProcessing, TemplateProcessing

_FRAMING: Final = (BertProcessing, TemplateProcessing)
"""Post-processors that put the same special tokens around any two texts, and do nothing else."""


class Frame(NamedTuple):
    """The token ids around a question and its context."""

    before: list[int]
    """Token ids before the question."""
    between: list[int]
    """Token ids between the question and the context."""
    after: list[int]
    """Token ids after the context."""


def frame_of(tokenizer: Tokenizer) -> Frame | None:
    """The frame that a tokenizer puts around two texts, as its encoding of two letters shows it.

    None if the question with type 0 is not followed by the context with type 1, as in BERT.
    """
    if type(tokenizer.post_processor) not in _FRAMING:
        return None
    try:
        encoding = tokenizer.encode("a", "a")
    except Exception:  # tokenizers raises no narrower class; the first question raises it again
        return None
    sides = encoding.sequence_ids
    if sides.count(0) != 1 or sides.count(1) != 1:
        return None
    question, context = sides.index(0), sides.index(1)
    if encoding.type_ids != [0] * context + [1] * (len(sides) - context):
        return None
    return Frame(encoding.ids[:question], encoding.ids[question + 1 : context], encoding.ids[context + 1 :])
