"""What a network says of a batch of windows, inside as well as out: what losses compare."""

import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from export.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor, nn
    from transformers import PreTrainedModel

LAYER: Final = re.compile(r"(^|\.)layer\.(\d+)\.")
"""Where transformers keeps the layers of an encoder, in all families that distilbench knows."""
_PROJECTIONS: Final = {
    "query": "queries",
    "q_lin": "queries",
    "key": "keys",
    "k_lin": "keys",
    "value": "values",
    "v_lin": "values",
}


class WindowBatch(NamedTuple):
    """Windows, padded to the longest; B of them, T tokens."""

    inputs: "dict[str, Tensor]"
    """`input_ids`, `token_type_ids` and `attention_mask`, shape (B, T) each."""
    mask: "Tensor"
    """Where there are tokens, boolean, shape (B, T)."""
    first: "Tensor"
    """Place of the gold answer's first token, shape (B,); 0 where the window lacks it."""
    last: "Tensor"
    """Of its last token."""
    answered: "Tensor"
    """Where a gold answer is known, boolean, shape (B,)."""


class Wanted(NamedTuple):
    """What losses look at, by layers of the student: 1 and up, and 0 for the embeddings."""

    hidden: frozenset[int] = frozenset()
    attention: frozenset[int] = frozenset()
    """Queries and keys."""
    values: frozenset[int] = frozenset()

    def union(self, other: "Wanted") -> "Wanted":
        """What either wants."""
        return Wanted(*(ours | theirs for ours, theirs in zip(self, other, strict=True)))


class NetworkOutputs(NamedTuple):
    """What one network says; what is inside goes by layers of the student, in the teacher's as well.

    So `teacher.hidden[3]` is the output of the teacher's layer that the student's layer 3 learns from.
    """

    start: "Tensor"
    """Logits, shape (B, T)."""
    end: "Tensor"
    hidden: "dict[int, Tensor]"
    """Outputs of layers, shape (B, T, H) each; the student's are projected to the teacher's width."""
    queries: "dict[int, Tensor]"
    keys: "dict[int, Tensor]"
    values: "dict[int, Tensor]"
    heads: int
    """Attention heads of the network."""


class Listener:
    """Runs a network and keeps what is wanted of its inside.

    Args:
        network: a reader.
        wanted: what to keep.
        layers: the network's layer for each of the student, from 0 (embeddings) on: 0, 1, 2, … for the
            student itself.
    """

    def __init__(self, network: "PreTrainedModel", wanted: Wanted, layers: tuple[int, ...]) -> None:
        self.network = network
        self.wanted = wanted
        self._layers = layers
        self._takes = takes(network)
        self.heads = heads(network.config)
        self._projections = _projections(network) if wanted.attention or wanted.values else {}

    def hear(self, batch: WindowBatch) -> NetworkOutputs:
        """What the network says of a batch."""
        inside: dict[str, dict[int, Tensor]] = {"queries": {}, "keys": {}, "values": {}}
        with self._hooked(inside):
            said = self.network(
                **{name: batch.inputs[name] for name in self._takes},
                output_hidden_states=bool(self.wanted.hidden),
            )
        hidden = {place: said.hidden_states[self._layers[place]] for place in sorted(self.wanted.hidden)}
        return NetworkOutputs(said.start_logits, said.end_logits, hidden, **inside, heads=self.heads)

    @contextmanager
    def _hooked(self, inside: "dict[str, dict[int, Tensor]]") -> Iterator[None]:
        handles = []
        for kind, places in (
            ("queries", self.wanted.attention),
            ("keys", self.wanted.attention),
            ("values", self.wanted.values),
        ):
            for place in sorted(places):

                def keep(
                    module: "nn.Module", given: Any, out: "Tensor", kind: str = kind, place: int = place
                ) -> None:
                    inside[kind][place] = out

                module = self._projections[kind, self._layers[place]]
                handles.append(module.register_forward_hook(keep))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()


def takes(network: "PreTrainedModel") -> tuple[str, ...]:
    """Names of the inputs that a network takes; DistilBERT knows no `token_type_ids`."""
    known = inspect.signature(network.forward).parameters
    return tuple(name for name in ("input_ids", "attention_mask", "token_type_ids") if name in known)


def heads(config: Any) -> int:
    """Attention heads of a configuration."""
    return int(config.num_attention_heads)


def _projections(network: "PreTrainedModel") -> "dict[tuple[str, int], nn.Module]":
    found = {}
    for name, module in network.named_modules():
        layer, kind = LAYER.search(name), _PROJECTIONS.get(name.rsplit(".", 1)[-1])
        if layer is not None and kind is not None:
            found[kind, int(layer[2]) + 1] = module
    if not found:
        raise BadInput(
            f"nothing is known about the attention of a model of type {network.config.model_type!r}: "
            "leave out the losses attention, self_attention and values"
        )
    return found
