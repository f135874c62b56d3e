"""The objective of a training: a weighted sum of losses, such as `--loss soft=1,hard=0.5`."""

import difflib
import importlib
import inspect
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from export.distillation.hidden_states import NetworkOutputs, Wanted, WindowBatch
from export.distillation.training import losses
from export.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[[NetworkOutputs, NetworkOutputs, WindowBatch], "Tensor"]
"""A function of the student's outputs, the teacher's outputs and the batch, to a differentiable scalar."""

PRESETS: Final[Mapping[str, str]] = {
    "distilbert": "soft=5,hard=2,cosine=1",
    "tinybert": "hidden=1,attention=1,soft=1,hard=0.5",
    "minilm": "self_attention=1,values=1,soft=1,hard=0.5",
}
"""Weighted losses by the model that introduced them. DistilBERT's weights are those of its authors, with gold
answers instead of masked words. TinyBERT and MiniLM were trained in stages, first on hidden states and then
on answers; here the student learns both at once."""


class Term(NamedTuple):
    """One loss with its weight."""

    name: str
    weight: float
    loss: Loss
    wanted: Wanted

    @property
    def needs_teacher(self) -> bool:
        """Whether the loss uses the teacher; `hard` uses only gold answers."""
        return self.name != "hard"


class Objective(NamedTuple):
    """The weighted sum of losses."""

    terms: tuple[Term, ...]

    @property
    def needs_teacher(self) -> bool:
        """Whether any loss uses the teacher."""
        return any(term.needs_teacher for term in self.terms)

    @property
    def wanted(self) -> Wanted:
        """The hidden states that the losses need."""
        wanted = Wanted()
        for term in self.terms:
            wanted = wanted.union(term.wanted)
        return wanted

    def measure(
        self, student: NetworkOutputs, teacher: NetworkOutputs, batch: WindowBatch
    ) -> "tuple[Tensor, dict[str, Tensor]]":
        """The weighted sum, which can be differentiated, and each loss without its weight."""
        found = {term.name: term.loss(student, teacher, batch) for term in self.terms}
        weighted = [term.weight * found[term.name] for term in self.terms]
        total = weighted[0]
        for more in weighted[1:]:
            total = total + more
        return total, {name: value.detach() for name, value in found.items()}


def parse(text: str, layers: int, temperature: float) -> Objective:
    """Parse losses such as `soft=1,hard=0.5,mypackage.mymodule:my_loss=0.3`, or the name of a preset.

    Args:
        text: the losses as the user wrote them.
        layers: number of layers of the student.
        temperature: temperature of the soft loss.

    Raises:
        BadInput: the text is not a list of losses with positive weights, or a loss is unknown or cannot be
            imported.
    """
    known = _losses(layers, temperature)
    weights: dict[str, float] = {}
    for part in PRESETS.get(text.strip(), text).split(","):
        name, equals, number = (piece.strip() for piece in part.partition("="))
        weight = _number(number) if equals else 1.0
        if weight is None or weight <= 0 or not name:
            raise BadInput(
                f"loss {part.strip()!r} is not NAME=WEIGHT with a weight above 0, such as soft=0.5"
            )
        if name in weights:
            raise BadInput(f"loss {name!r} is named twice in {text!r}")
        weights[name] = weight
    return Objective(tuple(_term(name, weight, known, layers) for name, weight in weights.items()))


def _term(name: str, weight: float, known: "dict[str, tuple[Loss, Wanted]]", layers: int) -> Term:
    if name in known:
        return Term(name, weight, *known[name])
    if ":" in name:
        every = frozenset(range(layers + 1))
        return Term(name, weight, _imported(name), Wanted(every, every - {0}, every - {0}))
    near = difflib.get_close_matches(name.lower(), [*known, *PRESETS], n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"the losses are {', '.join(known)}"
    raise BadInput(f"there is no loss {name!r}: {hint}")


def _imported(name: str) -> Loss:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, SyntaxError) as error:
        raise BadInput(
            f"loss {name!r} cannot be imported: {error} (set PYTHONPATH=. to import from this folder)"
        ) from None
    try:
        inspect.signature(found).bind(None, None, None)
    except TypeError:
        raise BadInput(
            f"loss {name!r} must be a function of three arguments: the student's outputs, the teacher's "
            "outputs, and the batch"
        ) from None
    loss: Loss = found
    return loss


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _losses(layers: int, temperature: float) -> "dict[str, tuple[Loss, Wanted]]":
    """The named losses as functions of the networks' outputs, each with the hidden states that it needs."""
    every, last = frozenset(range(layers + 1)), frozenset({layers})

    def hard(student: NetworkOutputs, teacher: NetworkOutputs, batch: WindowBatch) -> "Tensor":
        return losses.span_cross_entropy(
            student.start, student.end, batch.first, batch.last, batch.answered, batch.mask
        )

    def soft(student: NetworkOutputs, teacher: NetworkOutputs, batch: WindowBatch) -> "Tensor":
        starts = losses.soft_logits(student.start, teacher.start, batch.mask, temperature)
        return (starts + losses.soft_logits(student.end, teacher.end, batch.mask, temperature)) / 2

    def hidden(student: NetworkOutputs, teacher: NetworkOutputs, batch: WindowBatch) -> "Tensor":
        return _over(every, lambda i: losses.hidden_states(student.hidden[i], teacher.hidden[i], batch.mask))

    def cosine(student: NetworkOutputs, teacher: NetworkOutputs, batch: WindowBatch) -> "Tensor":
        return losses.cosine(student.hidden[layers], teacher.hidden[layers], batch.mask)

    def attention(student: NetworkOutputs, teacher: NetworkOutputs, batch: WindowBatch) -> "Tensor":
        return _over(
            every - {0}, lambda i: losses.attention_scores(*_attention(student, teacher, i), batch.mask)
        )

    def self_attention(student: NetworkOutputs, teacher: NetworkOutputs, batch: WindowBatch) -> "Tensor":
        return losses.relation_divergence(*_attention(student, teacher, layers), batch.mask)

    def values(student: NetworkOutputs, teacher: NetworkOutputs, batch: WindowBatch) -> "Tensor":
        heads = _heads(student, teacher, student.values[layers], teacher.values[layers])
        ours, theirs = (
            losses.relation(side.values[layers], side.values[layers], heads) for side in (student, teacher)
        )
        return losses.relation_divergence(ours, theirs, batch.mask)

    return {
        "hard": (hard, Wanted()),
        "soft": (soft, Wanted()),
        "hidden": (hidden, Wanted(hidden=every)),
        "cosine": (cosine, Wanted(hidden=last)),
        "attention": (attention, Wanted(attention=every - {0})),
        "self_attention": (self_attention, Wanted(attention=last)),
        "values": (values, Wanted(values=last)),
    }


def _attention(student: NetworkOutputs, teacher: NetworkOutputs, layer: int) -> "tuple[Tensor, Tensor]":
    heads = _heads(student, teacher, student.queries[layer], teacher.queries[layer])
    return (
        losses.relation(student.queries[layer], student.keys[layer], heads),
        losses.relation(teacher.queries[layer], teacher.keys[layer], heads),
    )


def _heads(student: NetworkOutputs, teacher: NetworkOutputs, ours: "Tensor", theirs: "Tensor") -> int:
    if student.heads == teacher.heads:
        return teacher.heads
    return losses.common_heads(ours.shape[-1], theirs.shape[-1], teacher.heads)


def _over(layers: frozenset[int], loss: "Callable[[int], Tensor]") -> "Tensor":
    found = [loss(layer) for layer in sorted(layers)]
    total = found[0]
    for more in found[1:]:
        total = total + more
    return total / len(found)
