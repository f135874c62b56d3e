"""What can differ between a student and its teacher, each as a pure function of tensors, with its paper.

Letters of shapes: B windows, T tokens, H channels, A attention heads. A mask is True where there is a token
and False where there is padding, shape (B, T); padding never counts. Each result is a scalar: 0 for a student
that equals its teacher (`span_cross_entropy` apart, which knows no teacher), computed in float32 at least.
"""

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor

_NEVER: Final = -1e9
"""Of a logit: its probability is 0 exactly, and 0 times its logarithm is 0 and not NaN."""


def span_cross_entropy(
    start: "Tensor", end: "Tensor", first: "Tensor", last: "Tensor", answered: "Tensor", mask: "Tensor"
) -> "Tensor":
    """Negative log-likelihood of the gold answer's ends, the mean of both.

    BERT (Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 4.2).

    Args:
        start: logits, shape (B, T).
        end: the same.
        first: place of the answer's first token, shape (B,); 0, the CLS token, where the window lacks it.
        last: of its last token, the same.
        answered: False where no gold answer is known, which then counts nowhere, shape (B,).
        mask: where there are tokens.
    """
    told = answered.to(_precise(start).dtype)
    loss = -(_at(_log_softmax(start, mask), first) + _at(_log_softmax(end, mask), last)) / 2
    return (loss * told).sum() / told.sum().clamp(min=1)


def soft_logits(student: "Tensor", teacher: "Tensor", mask: "Tensor", temperature: float) -> "Tensor":
    """Kullback-Leibler divergence of the student's distribution over tokens from its teacher's.

    Both are softened by a temperature, and the result is multiplied by its square, so that gradients keep
    their size. Knowledge distillation (Hinton et al. 2015, https://arxiv.org/abs/1503.02531, section 2).

    Args:
        student: logits of starts or ends, shape (B, T).
        teacher: the same.
        mask: where there are tokens.
        temperature: 1 for the distributions as they are.
    """
    ours = _log_softmax(_precise(student) / temperature, mask)
    theirs = _log_softmax(_precise(teacher) / temperature, mask)
    return temperature**2 * _divergence(ours, theirs).mean()


def hidden_states(student: "Tensor", teacher: "Tensor", mask: "Tensor") -> "Tensor":
    """Mean squared error between the outputs of two layers.

    TinyBERT (Jiao et al. 2020, https://arxiv.org/abs/1909.10351, equations 8 and 9).

    Args:
        student: shape (B, T, H), projected to the teacher's width.
        teacher: the same.
        mask: where there are tokens.
    """
    squared = (_precise(student) - _precise(teacher)).square().mean(dim=-1)
    return _mean(squared, mask)


def cosine(student: "Tensor", teacher: "Tensor", mask: "Tensor") -> "Tensor":
    """One less the cosine of the angle between the outputs of two layers, token by token.

    DistilBERT (Sanh et al. 2019, https://arxiv.org/abs/1910.01108, section 2). Shapes as `hidden_states`.
    """
    from torch.nn.functional import cosine_similarity

    return _mean(1 - cosine_similarity(_precise(student), _precise(teacher), dim=-1), mask)


def relation(left: "Tensor", right: "Tensor", heads: int) -> "Tensor":
    """Scaled products of each token with each other, head by head: how attention scores are made.

    With queries and keys they are the attention scores, with values twice the value relation of MiniLM. The
    channels can be cut into another number of heads than the network has, so that networks of unlike heads
    can be compared (MiniLMv2, Wang et al. 2021, https://arxiv.org/abs/2012.15828, section 3.1).

    Args:
        left: shape (B, T, H).
        right: the same.
        heads: a divisor of H.

    Returns:
        Shape (B, heads, T, T).
    """
    size = left.shape[-1] // heads
    ours, theirs = (
        _precise(side).view(*side.shape[:-1], heads, size).transpose(1, 2) / size**0.25
        for side in (left, right)
    )
    scores: Tensor = ours @ theirs.transpose(-1, -2)
    return scores


def attention_scores(student: "Tensor", teacher: "Tensor", mask: "Tensor") -> "Tensor":
    """Mean squared error between the attention scores of two layers, before their softmax.

    TinyBERT (equation 7), whose authors found scores to be learned faster than probabilities.

    Args:
        student: shape (B, A, T, T), see `relation`.
        teacher: the same.
        mask: where there are tokens.
    """
    pairs = (mask[:, :, None] & mask[:, None, :])[:, None].expand(student.shape)
    return _mean((student - teacher).square(), pairs)


def relation_divergence(student: "Tensor", teacher: "Tensor", mask: "Tensor") -> "Tensor":
    """Kullback-Leibler divergence between two relations, as distributions over tokens.

    MiniLM (Wang et al. 2020, https://arxiv.org/abs/2002.10957, equations 6 to 9), for self-attention and for
    values. Shapes as `attention_scores`.
    """
    keys = mask[:, None, None, :]
    divergence = _divergence(_log_softmax(student, keys), _log_softmax(teacher, keys))
    return _mean(divergence, mask[:, None, :].expand(divergence.shape))


def common_heads(student_width: int, teacher_width: int, teacher_heads: int) -> int:
    """The largest number of heads, the teacher's at most, into which both widths can be cut."""
    return max(
        heads for heads in range(1, teacher_heads + 1) if math.gcd(student_width, teacher_width) % heads == 0
    )


def _precise(tensor: "Tensor") -> "Tensor":
    return tensor if tensor.element_size() >= 4 else tensor.float()


def _log_softmax(logits: "Tensor", mask: "Tensor") -> "Tensor":
    return _precise(logits).masked_fill(~mask, _NEVER).log_softmax(dim=-1)


def _divergence(ours: "Tensor", theirs: "Tensor") -> "Tensor":
    return (theirs.exp() * (theirs - ours)).sum(dim=-1)


def _at(values: "Tensor", places: "Tensor") -> "Tensor":
    return values.gather(1, places[:, None])[:, 0]


def _mean(values: "Tensor", mask: "Tensor") -> "Tensor":
    return values.masked_fill(~mask, 0).sum() / mask.sum().clamp(min=1)
