"""Computes the arithmetic of a network per question, on which its latency mostly depends."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from contract.bundle import Architecture

FAMILIES: Final = frozenset({"bert", "distilbert", "roberta"})
"""Families whose arithmetic follows from `Architecture`; it lacks the bottlenecks of MobileBERT."""

_MOST_LAYERS: Final = 1000
_WIDEST: Final = 10_000_000
"""Larger than in any real model; these limits keep the numbers of an untrusted manifest finite."""


class Length(NamedTuple):
    """The length of a question for a model."""

    windows: int
    tokens: int
    """Number of tokens of all windows together."""


def is_known(shape: Architecture) -> bool:
    """Whether a network's arithmetic follows from its shape, and the shape is plausible."""
    sizes = (shape.hidden_size, shape.intermediate_size, shape.vocab_size, shape.max_positions)
    plausible = 0 < shape.layers <= _MOST_LAYERS and 0 < min(sizes) <= max(sizes) <= _WIDEST
    return plausible and shape.family in FAMILIES


def gigaflops(shape: Architecture, lengths: Sequence[Length]) -> float:
    """Mean floating-point operations per question, in 10^9; a multiplication and an addition count as two.

    A layer multiplies each token by four attention matrices and by two feed-forward matrices, and each token
    with every other token twice. The rest (embeddings, normalisation, head) is little.

    Args:
        shape: shape of the network.
        lengths: lengths of the questions; each has at least one window.
    """
    matrices = 4 * shape.hidden_size**2 + 2 * shape.hidden_size * shape.intermediate_size
    total = 0.0
    for length in lengths:
        tokens = length.tokens / length.windows
        total += length.windows * (tokens * matrices + 2 * tokens**2 * shape.hidden_size)
    return 2 * shape.layers * total / len(lengths) / 1e9


def parameters(shape: Architecture, token_types: int = 2) -> int:
    """Number of parameters of a BERT of that shape with its question-answering head."""
    width, inner = shape.hidden_size, shape.intermediate_size
    embeddings = (shape.vocab_size + shape.max_positions + token_types + 2) * width
    layer = 4 * (width + 1) * width + (width + 1) * inner + (inner + 1) * width + 4 * width
    return embeddings + shape.layers * layer + 2 * (width + 1)
