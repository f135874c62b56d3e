"""Makes a student that is trained, and written, as a PEFT LoRA adapter on layers of a base model."""

from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from commandline.counted import counted
from export.distillation.student import Student
from export.errors import BadInput
from export.models import adapter as adapters
from export.models.load import keep_layers, load_base
from export.models.sources import Source
from export.quiet_libraries import quiet

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from torch import Tensor, nn
    from transformers import PreTrainedModel

_FAMILY: Final = "bert"
"""The only family that distilbench builds whose layers PEFT's own `layer_replication` can choose."""
_WHOLE: Final = ("qa_outputs", "position_embeddings", "token_type_embeddings")
"""Modules that are trained whole: the head, and the embeddings that are small. A base that has never seen two
texts at once has learned no difference between a question and its context; the embeddings of token types
hold it."""
_TARGETS: Final = ("query", "key", "value", "dense")
"""The linear maps of a BERT layer: `dense` is the attention's output, and both of the feed-forward part."""
_NOISE: Final = 1e-5
"""Singular values below this share of the largest are rounding errors of merged weights."""


class Adapter(NamedTuple):
    """The adapter of a student in training."""

    model: "PeftModel"
    """The student's network inside of PEFT's wrapper."""
    rank: int
    base: str
    """Name of the base model, as the adapter states it."""
    layers: tuple[int, ...]
    """Layers of the base that the adapter uses, counted from 0."""
    of_layers: int
    """Number of layers of the base."""


def adapted(young: Student, source: Source, rank: int, seed: int) -> "tuple[Student, Adapter]":
    """Rewrite a student as a LoRA adapter on layers of its teacher's base, to train only the adapter.

    The adapter starts from the difference of student and base. Of each linear map it holds the `rank` largest
    directions, by a singular value decomposition; if the difference has fewer, the others start as in any
    LoRA: at random, with no effect. Biases, the question-answering head, and the embeddings of positions and
    token types are trained whole. All other weights are those of the base.

    Args:
        young: a student made of layers of its teacher, with the teacher's shape in all else.
        source: the teacher's. Its base is the base of its adapter, or the teacher itself.
        rank: rank of the adapter's low-rank maps.
        seed: seed of the directions that start at random.

    Returns:
        The student, with the network to train, and its adapter.

    Raises:
        BadInput: the student is no such student, or the rank is more than its channels.
    """
    import torch
    from peft import get_peft_model

    base = load_base(source)
    if base.config.model_type != _FAMILY:
        raise BadInput(
            f"--adapter works with students of family {_FAMILY!r} only, not {base.config.model_type!r}: "
            "leave it out to train all weights"
        )
    if rank > young.architecture.hidden_size:
        raise BadInput(
            f"--adapter {rank} is more than the {counted(young.architecture.hidden_size, 'channel')} of the "
            "student, so it would not make the student smaller: choose a lower rank"
        )
    layers = base.config.num_hidden_layers
    used = _base_layers(young, source, layers)
    keep_layers(base, used)
    _copy_whole(base, young)
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        model = get_peft_model(base, _lora(rank))
    network: PreTrainedModel = model.get_base_model()  # type: ignore[assignment]  # typed as any module there
    _start_from(network, young.network, rank)
    model.peft_config["default"].base_model_name_or_path = _name(source)
    return young._replace(network=network), Adapter(model, rank, _name(source), used, layers)


def save(adapter: Adapter, folder: Path, commit: str | None) -> None:
    """Write the adapter's files in half precision, as PEFT reads them.

    Args:
        adapter: the adapter; its weights are rounded in place.
        folder: the folder to write to.
        commit: commit of a base on the hub; None for a folder.
    """
    config: LoraConfig = adapter.model.peft_config["default"]  # type: ignore[assignment]  # typed as any config
    if len(adapter.layers) < adapter.of_layers:
        config.layer_replication = adapters.layer_ranges(adapter.layers)
    config.revision = commit
    # Otherwise peft asks the hub whether the vocabulary has changed.
    adapter.model.half().save_pretrained(str(folder), save_embedding_layers=False)


def _lora(rank: int) -> "LoraConfig":
    from peft import LoraConfig

    return LoraConfig(
        r=rank,
        lora_alpha=rank,
        lora_dropout=0.0,
        target_modules=list(_TARGETS),
        bias="all",
        modules_to_save=list(_WHOLE),
    )


def _name(source: Source) -> str:
    assert source.checkpoint is not None, "a teacher has weights"
    return source.checkpoint.location if source.adapter is None else adapters.base_name(source.adapter)


def _base_layers(young: Student, source: Source, layers: int) -> tuple[int, ...]:
    """The layers of the base, counted from 0, that the student's layers come from."""
    every = tuple(range(layers)) if source.adapter is None else adapters.used_layers(source.adapter, layers)
    if not young.copied:
        raise BadInput(
            "--adapter trains layers of the teacher's base, but this student starts from another model "
            f"({young.begun_from}): give numbers such as --student layers=3"
        )
    used = tuple(every[layer - 1] for layer in young.layers)
    if len(set(used)) < len(used):
        raise BadInput(
            f"--adapter needs different layers, but {young.begun_from} repeat one: choose others with "
            "--layers-from"
        )
    return used


def _copy_whole(base: "PreTrainedModel", young: Student) -> None:
    """Copy what is trained whole into the base, and check that the weights that stay are the base's."""
    import torch

    theirs = dict(young.network.named_parameters())
    with torch.no_grad():
        for name, ours in base.named_parameters():
            found = theirs.get(name)
            if found is None or found.shape != ours.shape:
                raise BadInput(
                    f"--adapter keeps the shape of the teacher's base except for its layers, but {name!r} of "
                    "this student differs: give only layers=N with --student"
                )
            if name.endswith("bias") or any(module in name for module in _WHOLE):
                ours.copy_(found)
            elif name.split(".")[-2] not in _TARGETS and not torch.equal(found, ours):
                raise BadInput(
                    f"--adapter keeps {name!r} of the base, but the teacher was trained with another one: "
                    "leave out --adapter to train all weights"
                )


def _start_from(network: "PreTrainedModel", young: "PreTrainedModel", rank: int) -> None:
    """Let the low-rank maps of a network begin with its difference to the student."""
    import torch
    from peft.tuners.lora import LoraLayer

    with torch.no_grad():
        for name, module in network.named_modules():
            if not isinstance(module, LoraLayer):
                continue
            theirs = young.get_submodule(name).weight
            difference: Tensor = theirs - module.get_base_layer().weight  # type: ignore[operator]  # a tensor in a linear map
            left, sizes, right = torch.linalg.svd(difference, full_matrices=False)
            kept = min(rank, int((sizes > _NOISE * sizes[0]).sum()))
            roots = (sizes[:kept] / module.scaling["default"]).sqrt()
            _weight(module.lora_B["default"])[:, :kept] = left[:, :kept] * roots
            _weight(module.lora_A["default"])[:kept] = roots[:, None] * right[:kept]


def _weight(linear: "nn.Module") -> "Tensor":
    weight: Tensor = linear.weight  # type: ignore[assignment]  # torch types attributes of modules loosely
    return weight
