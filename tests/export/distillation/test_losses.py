"""Tests the losses: their gradients, the values that they ignore, and 0 for a student that is its teacher."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from export.distillation.training import losses

B, T, H, A = 2, 5, 6, 3
MASK = torch.tensor([[True] * 5, [True, True, True, False, False]])
Loss = Callable[[Tensor, Tensor], Tensor]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def relation(tensor: Tensor) -> Tensor:
    return losses.relation(tensor, tensor.roll(1, dims=-1), A)


PAIRS: dict[str, tuple[Loss, tuple[int, ...]]] = {
    "soft_logits": (lambda s, t: losses.soft_logits(s, t, MASK, 2.0), (B, T)),
    "hidden_states": (lambda s, t: losses.hidden_states(s, t, MASK), (B, T, H)),
    "cosine": (lambda s, t: losses.cosine(s, t, MASK), (B, T, H)),
    "attention_scores": (lambda s, t: losses.attention_scores(relation(s), relation(t), MASK), (B, T, H)),
    "relation_divergence": (
        lambda s, t: losses.relation_divergence(relation(s), relation(t), MASK),
        (B, T, H),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_the_gradient_is_that_of_finite_differences(name: str) -> None:
    loss, shape = PAIRS[name]
    teacher = drawn(*shape, seed=1)
    assert torch.autograd.gradcheck(lambda s: loss(s, teacher), drawn(*shape).requires_grad_())


def test_the_gradient_of_gold_answers_is_that_of_finite_differences() -> None:
    first, last = torch.tensor([1, 0]), torch.tensor([3, 2])
    answered = torch.tensor([True, True])

    def loss(start: Tensor, end: Tensor) -> Tensor:
        return losses.span_cross_entropy(start, end, first, last, answered, MASK)

    assert torch.autograd.gradcheck(
        loss, (drawn(B, T).requires_grad_(), drawn(B, T, seed=1).requires_grad_())
    )


@pytest.mark.parametrize("name", PAIRS)
def test_a_student_that_equals_its_teacher_has_loss_0_and_any_other_more(name: str) -> None:
    loss, shape = PAIRS[name]
    teacher = drawn(*shape)
    assert loss(teacher.clone(), teacher).item() == pytest.approx(0, abs=1e-12)
    assert loss(drawn(*shape, seed=1), teacher).item() > 0.01


@pytest.mark.parametrize("name", PAIRS)
def test_padding_counts_nowhere(name: str) -> None:
    loss, shape = PAIRS[name]
    student, teacher = drawn(*shape), drawn(*shape, seed=1)
    elsewhere = student.clone()
    elsewhere[~MASK] = 100.0
    assert torch.equal(loss(elsewhere, teacher), loss(student, teacher))


def test_gold_answers_count_only_if_they_are_known() -> None:
    start, end = drawn(B, T), drawn(B, T, seed=1)
    first, last = torch.tensor([1, 0]), torch.tensor([3, 2])

    def loss(*answered: bool) -> float:
        return losses.span_cross_entropy(start, end, first, last, torch.tensor(answered), MASK).item()

    expected = torch.nn.functional.cross_entropy(start[:1], first[:1]) / 2
    expected = expected + torch.nn.functional.cross_entropy(end[:1], last[:1]) / 2
    assert loss(True, False) == pytest.approx(expected.item())
    assert loss(True, True) == pytest.approx((loss(True, False) + loss(False, True)) / 2)
    assert loss(False, False) == 0


def test_a_temperature_softens_and_keeps_the_size_of_gradients() -> None:
    student, teacher = drawn(B, T).requires_grad_(), drawn(B, T, seed=1)
    norms = []
    for temperature in (1.0, 20.0):
        (gradient,) = torch.autograd.grad(losses.soft_logits(student, teacher, MASK, temperature), student)
        norms.append(gradient.norm().item())
    assert 0.2 < norms[1] / norms[0] < 5


def test_queries_and_keys_make_the_attention_scores_of_bert() -> None:
    queries, keys = drawn(B, T, H), drawn(B, T, H, seed=1)
    found = losses.relation(queries, keys, A)
    size = H // A
    for head in range(A):
        ours = slice(head * size, (head + 1) * size)
        expected = queries[..., ours] @ keys[..., ours].transpose(1, 2) / size**0.5
        assert torch.allclose(found[:, head], expected)


@pytest.mark.parametrize(
    ("ours", "theirs", "heads", "common"),
    [(384, 768, 12, 12), (256, 384, 12, 8), (312, 384, 12, 12), (30, 7, 7, 1)],
)
def test_networks_of_unlike_widths_are_cut_into_common_heads(
    ours: int, theirs: int, heads: int, common: int
) -> None:
    assert losses.common_heads(ours, theirs, heads) == common
