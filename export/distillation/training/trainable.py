"""The student in training: its network, and the projections to the teacher's width that losses may need."""

from typing import TYPE_CHECKING, Any, NamedTuple

from export.distillation.hidden_states import Listener, NetworkOutputs, Wanted, WindowBatch

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer
    from transformers import PreTrainedModel


class Trainable(NamedTuple):
    """The parts that are trained: the network, and its projections."""

    listener: Listener
    projections: "nn.ModuleDict"
    """A learned linear map for each layer whose output losses compare, by its number; empty if student and
    teacher are equally wide. The maps are discarded after the training."""

    @property
    def network(self) -> "PreTrainedModel":
        """The student."""
        return self.listener.network

    def outputs(self, given: WindowBatch) -> NetworkOutputs:
        """The student's outputs for a batch, with hidden states in the teacher's width."""
        found = self.listener.outputs(given)
        if not len(self.projections):
            return found
        hidden = {place: self.projections[str(place)](tensor) for place, tensor in found.hidden.items()}
        return found._replace(hidden=hidden)

    def modules(self) -> "tuple[nn.Module, nn.Module]":
        """The modules whose weights are trained."""
        return self.network, self.projections

    def optimiser(self, learning_rate: float, weight_decay: float) -> "Optimizer":
        """AdamW without weight decay of biases and normalisations, as BERT was trained."""
        from torch.optim import AdamW

        named = [
            pair for module in self.modules() for pair in module.named_parameters() if pair[1].requires_grad
        ]
        groups: list[dict[str, Any]] = [
            {"params": [p for name, p in named if _decays(name)], "weight_decay": weight_decay},
            {"params": [p for name, p in named if not _decays(name)], "weight_decay": 0.0},
        ]
        return AdamW(groups, lr=learning_rate)


def trainable(network: "PreTrainedModel", wanted: Wanted, width: int, seed: int) -> Trainable:
    """Prepare a student for training.

    Args:
        network: network of the student.
        wanted: the hidden states that losses need.
        width: width of the teacher's hidden states.
        seed: seed of the projections.
    """
    import torch
    from torch import nn

    projections = nn.ModuleDict()
    if network.config.hidden_size != width:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for place in sorted(wanted.hidden):
                projections[str(place)] = nn.Linear(network.config.hidden_size, width, bias=False)
    layers = tuple(range(network.config.num_hidden_layers + 1))
    return Trainable(Listener(network, wanted, layers), projections.to(network.device))


def _decays(name: str) -> bool:
    return not name.endswith("bias") and "norm" not in name.lower()
