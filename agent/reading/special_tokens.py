"""The special tokens around a question and its context, such as BERT's [CLS] and [SEP]."""

from typing import Final, NamedTuple

from tokenizers import Tokenizer
from tokenizers.processors import BertProcessing, TemplateProcessing

_FRAMING: Final = (BertProcessing, TemplateProcessing)
"""What puts the same special tokens around any two texts, and does nothing else."""


class Frame(NamedTuple):
    """Token ids."""

    before: list[int]
    """The question."""
    between: list[int]
    """The question and the context."""
    after: list[int]
    """The context."""


def frame_of(tokenizer: Tokenizer) -> Frame | None:
    """The frame that a tokenizer puts around two texts, as its encoding of two letters shows it.

    None where the question does not come first with type 0, up to a context with type 1, as BERT has it.
    """
    if type(tokenizer.post_processor) not in _FRAMING:
        return None
    try:
        encoding = tokenizer.encode("a", "a")
    except Exception:  # tokenizers raises no narrower class; the first question will tell
        return None
    sides = encoding.sequence_ids
    if sides.count(0) != 1 or sides.count(1) != 1:
        return None
    question, context = sides.index(0), sides.index(1)
    if encoding.type_ids != [0] * context + [1] * (len(sides) - context):
        return None
    return Frame(encoding.ids[:question], encoding.ids[question + 1 : context], encoding.ids[context + 1 :])
