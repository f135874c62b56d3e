"""The losses, which measure how a student differs from its teacher; each cites its paper.

Each loss is a pure function of tensors. Letters of shapes: B windows, T tokens, H channels, A attention
heads. A mask, shape (B, T), is True for tokens and False for padding; padding never counts. Each result is a
scalar that is computed in float32 or better, and is 0 for a student that equals its teacher. Only
`span_cross_entropy` has no teacher.
"""

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor

_NEVER: Final = -1e9
"""Logit of padding: its probability is exactly 0, and 0 times its logarithm is 0, not NaN."""


def span_cross_entropy(
    start: "Tensor", end: "Tensor", first: "Tensor", last: "Tensor", answered: "Tensor", mask: "Tensor"
) -> "Tensor":
    """Negative log-likelihood of the start and the end of the gold answer, the mean of both.

    From BERT (Devlin et al. 2019, https://arxiv.org/abs/1810.04805, section 4.2).

    Args:
        start: logits of the start, shape (B, T).
        end: logits of the end, shape (B, T).
        first: index of the answer's first token, shape (B,); 0, the CLS token, if the window lacks it.
        last: index of the answer's last token, shape (B,).
        answered: whether a gold answer is known, shape (B,); windows without one do not count.
        mask: True for tokens, shape (B, T).
    """
    weights = answered.to(_precise(start).dtype)
    loss = -(_at(_log_softmax(start, mask), first) + _at(_log_softmax(end, mask), last)) / 2
    return (loss * weights).sum() / weights.sum().clamp(min=1)


def soft_logits(student: "Tensor", teacher: "Tensor", mask: "Tensor", temperature: float) -> "Tensor":
    """Kullback-Leibler divergence of the student's distribution over tokens from its teacher's.

    Both are softened by a temperature, and the result is multiplied by its square, so that gradients keep
    their size. From knowledge distillation (Hinton et al. 2015, https://arxiv.org/abs/1503.02531, section 2).

    Args:
        student: logits of starts or ends, shape (B, T).
        teacher: logits of the same, shape (B, T).
        mask: True for tokens, shape (B, T).
        temperature: temperature of the distributions; 1 leaves them unchanged.
    """
    ours = _log_softmax(_precise(student) / temperature, mask)
    theirs = _log_softmax(_precise(teacher) / temperature, mask)
    return temperature**2 * _divergence(ours, theirs).mean()


def hidden_states(student: "Tensor", teacher: "Tensor", mask: "Tensor") -> "Tensor":
    """Mean squared error between the outputs of two layers.

    From TinyBERT (Jiao et al. 2020, https://arxiv.org/abs/1909.10351, equations 8 and 9).

    Args:
        student: output of a layer, shape (B, T, H), projected to the teacher's width.
        teacher: output of a layer, shape (B, T, H).
        mask: True for tokens, shape (B, T).
    """
    squared = (_precise(student) - _precise(teacher)).square().mean(dim=-1)
    return _mean(squared, mask)


def cosine(student: "Tensor", teacher: "Tensor", mask: "Tensor") -> "Tensor":
    """One minus the cosine of the angle between the outputs of two layers, token by token.

    From DistilBERT (Sanh et al. 2019, https://arxiv.org/abs/1910.01108, section 2). The shapes are those of
    `hidden_states`.
    """
    from torch.nn.functional import cosine_similarity

    return _mean(1 - cosine_similarity(_precise(student), _precise(teacher), dim=-1), mask)


def relation(left: "Tensor", right: "Tensor", heads: int) -> "Tensor":
    """Scaled products of each token with every token, head by head, as attention scores are computed.

    For queries and keys, the result is the attention scores; for values and values, it is the value relation
    of MiniLM. The number of heads may differ from that of the network, so that networks with different
    numbers of heads can be compared (MiniLMv2, Wang et al. 2021, https://arxiv.org/abs/2012.15828, section
    3.1).

    Args:
        left: queries or values, shape (B, T, H).
        right: keys or values, shape (B, T, H).
        heads: number of heads to cut the channels into, a divisor of H.

    Returns:
        The products, shape (B, heads, T, T).
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

    From TinyBERT (equation 7). Its authors found that scores are learned faster than probabilities.

    Args:
        student: attention scores, shape (B, A, T, T); see `relation`.
        teacher: attention scores, shape (B, A, T, T).
        mask: True for tokens, shape (B, T).
    """
    pairs = (mask[:, :, None] & mask[:, None, :])[:, None].expand(student.shape)
    return _mean((student - teacher).square(), pairs)


def relation_divergence(student: "Tensor", teacher: "Tensor", mask: "Tensor") -> "Tensor":
    """Kullback-Leibler divergence between two relations, as distributions over tokens.

    From MiniLM (Wang et al. 2020, https://arxiv.org/abs/2002.10957, equations 6 to 9), for self-attention and
    for values. The shapes are those of `attention_scores`.
    """
    keys = mask[:, None, None, :]
    divergence = _divergence(_log_softmax(student, keys), _log_softmax(teacher, keys))
    return _mean(divergence, mask[:, None, :].expand(divergence.shape))


def common_heads(student_width: int, teacher_width: int, teacher_heads: int) -> int:
    """The largest number of heads, at most the teacher's, that both widths can be divided into."""
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
