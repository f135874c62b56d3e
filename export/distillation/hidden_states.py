"""Records the outputs of a network for a batch of windows, including hidden states, which losses compare."""

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
"""The part of a name by which transformers numbers the layers of an encoder, in all supported families."""
_PROJECTIONS: Final = {
    "query": "queries",
    "q_lin": "queries",
    "key": "keys",
    "k_lin": "keys",
    "value": "values",
    "v_lin": "values",
}


class WindowBatch(NamedTuple):
    """B windows, padded to the T tokens of the longest."""

    inputs: "dict[str, Tensor]"
    """`input_ids`, `token_type_ids` and `attention_mask`, shape (B, T) each."""
    mask: "Tensor"
    """True for tokens and False for padding, shape (B, T)."""
    first: "Tensor"
    """Index of the gold answer's first token, shape (B,); 0 if the window does not contain the answer."""
    last: "Tensor"
    """Index of the gold answer's last token, shape (B,); 0 if the window does not contain the answer."""
    answered: "Tensor"
    """Whether the question has a gold answer, boolean, shape (B,)."""


class Wanted(NamedTuple):
    """The hidden states that losses need, by layer of the student: from 1, and 0 for the embeddings."""

    hidden: frozenset[int] = frozenset()
    """Layers whose outputs are needed."""
    attention: frozenset[int] = frozenset()
    """Layers whose queries and keys are needed."""
    values: frozenset[int] = frozenset()
    """Layers whose values are needed."""

    def union(self, other: "Wanted") -> "Wanted":
        """The hidden states that either needs."""
        return Wanted(*(ours | theirs for ours, theirs in zip(self, other, strict=True)))


class NetworkOutputs(NamedTuple):
    """The outputs and hidden states of one network, by layer of the student, also for the teacher.

    So `teacher.hidden[3]` is the output of the teacher's layer that the student's layer 3 learns from.
    """

    start: "Tensor"
    """Logits of the answer's start, shape (B, T)."""
    end: "Tensor"
    """Logits of the answer's end, shape (B, T)."""
    hidden: "dict[int, Tensor]"
    """Outputs of layers, shape (B, T, H) each; the student's are projected to the teacher's width."""
    queries: "dict[int, Tensor]"
    keys: "dict[int, Tensor]"
    values: "dict[int, Tensor]"
    heads: int
    """Number of attention heads of the network."""


class Listener:
    """Runs a network and records the hidden states that losses need.

    Args:
        network: the reader to run.
        wanted: the hidden states to record.
        layers: the network's layer for each layer of the student, from 0 (embeddings) on: 0, 1, 2, … for the
            student itself.
    """

    def __init__(self, network: "PreTrainedModel", wanted: Wanted, layers: tuple[int, ...]) -> None:
        self.network = network
        self.wanted = wanted
        self._layers = layers
        self._inputs = input_names(network)
        self.heads = heads(network.config)
        self._projections = _projections(network) if wanted.attention or wanted.values else {}

    def outputs(self, batch: WindowBatch) -> NetworkOutputs:
        """Run the network on a batch."""
        inside: dict[str, dict[int, Tensor]] = {"queries": {}, "keys": {}, "values": {}}
        with self._hooked(inside):
            found = self.network(
                **{name: batch.inputs[name] for name in self._inputs},
                output_hidden_states=bool(self.wanted.hidden),
            )
        hidden = {place: found.hidden_states[self._layers[place]] for place in sorted(self.wanted.hidden)}
        return NetworkOutputs(found.start_logits, found.end_logits, hidden, **inside, heads=self.heads)

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


def input_names(network: "PreTrainedModel") -> tuple[str, ...]:
    """Names of the inputs that a network accepts: `token_type_ids` only if it knows two types of token."""
    known = set(inspect.signature(network.forward).parameters)
    if getattr(network.config, "type_vocab_size", 2) < 2:
        known.discard("token_type_ids")
    return tuple(name for name in ("input_ids", "attention_mask", "token_type_ids") if name in known)


def heads(config: Any) -> int:
    """Number of attention heads of a configuration."""
    return int(config.num_attention_heads)


def _projections(network: "PreTrainedModel") -> "dict[tuple[str, int], nn.Module]":
    found = {}
    for name, module in network.named_modules():
        layer, kind = LAYER.search(name), _PROJECTIONS.get(name.rsplit(".", 1)[-1])
        if layer is not None and kind is not None:
            found[kind, int(layer[2]) + 1] = module
    if not found:
        raise BadInput(
            f"distilbench cannot read the attention of a model of type {network.config.model_type!r}: "
            "leave out the losses attention, self_attention and values"
        )
    return found
