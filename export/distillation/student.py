"""Makes the untrained student: a network, and the weights that it starts with."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from contract.bundle import Architecture
from export.distillation import load as sources
from export.distillation import shapes
from export.distillation.hidden_states import LAYER
from export.distillation.request import DistilRequest
from export.errors import BadInput
from export.models import catalog
from export.models.catalog import architecture
from export.models.load import configuration, untrained

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

_FROM_BERT: Final = (
    (re.compile(r"^distilbert\.transformer\."), "bert.encoder."),
    (re.compile(r"^distilbert\."), "bert."),
    (re.compile(r"\.attention\.q_lin\."), ".attention.self.query."),
    (re.compile(r"\.attention\.k_lin\."), ".attention.self.key."),
    (re.compile(r"\.attention\.v_lin\."), ".attention.self.value."),
    (re.compile(r"\.attention\.out_lin\."), ".attention.output.dense."),
    (re.compile(r"\.sa_layer_norm\."), ".attention.output.LayerNorm."),
    (re.compile(r"\.ffn\.lin1\."), ".intermediate.dense."),
    (re.compile(r"\.ffn\.lin2\."), ".output.dense."),
    (re.compile(r"\.output_layer_norm\."), ".output.LayerNorm."),
)
"""Replacements that turn the names of DistilBERT's weights into those of BERT, from which it was made."""


class Student(NamedTuple):
    """An untrained student, and the source of its weights."""

    network: "PreTrainedModel"
    architecture: Architecture
    layers: tuple[int, ...]
    """The teacher's layer for each layer of the student, counted from 1."""
    begun_from: str
    """Source of the first weights, for people."""
    parameters: int
    """Number of parameters of the network with its head."""
    copied: int
    """Number of parameters that were copied from the teacher."""
    name: str
    title: str


def student(
    request: DistilRequest,
    teacher: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    teacher_name: str,
) -> Student:
    """Make the student of a request: from layers of its teacher, or from a base model.

    Raises:
        BadInput: there is no such student, or it does not fit its teacher.
        HubUnavailable: its base model cannot be downloaded.
    """
    spec = request.student
    known = None if shapes.is_shape(spec) or _is_place(spec) else catalog.find(spec)
    if shapes.is_shape(spec):
        config = shapes.shaped(spec, teacher.config)
    elif known is not None:
        config = configuration(known)
        config.vocab_size = teacher.config.vocab_size
    else:
        return _from_base(request, spec, teacher, tokenizer, Path(spec).name, Path(spec).name)
    if known is not None and _begin(request, config, teacher) == "base":
        if known.base_id is None:
            raise BadInput(f"the catalog knows no base model of {spec!r}: use --begin teacher")
        return _from_base(request, known.base_id, teacher, tokenizer, known.name, known.title)
    layers = shapes.layer_map(config.num_hidden_layers, teacher.config.num_hidden_layers, request.layers_from)
    network = untrained(config, request.seed)
    copied = copy(network, teacher, layers)
    shape = architecture(config.to_dict())
    name = f"{teacher_name}-l{shape.layers}" + (
        "" if shape.hidden_size == teacher.config.hidden_size else f"-h{shape.hidden_size}"
    )
    return Student(
        network,
        shape,
        layers,
        f"{'layer' if len(layers) == 1 else 'layers'} {', '.join(map(str, layers))} of the teacher",
        _parameters(network),
        copied,
        known.name if known else name,
        known.title if known else name,
    )


def _is_place(spec: str) -> bool:
    return Path(spec).is_dir() or "/" in spec


def _begin(request: DistilRequest, config: "PretrainedConfig", teacher: "PreTrainedModel") -> str:
    fits = config.hidden_size == teacher.config.hidden_size
    return request.begin or ("teacher" if fits else "base")


def _from_base(
    request: DistilRequest,
    base: str,
    teacher: "PreTrainedModel",
    tokenizer: "PreTrainedTokenizerFast",
    name: str,
    title: str,
) -> Student:
    network, base_tokenizer = sources.load_base(base)
    if base_tokenizer.get_vocab() != tokenizer.get_vocab():
        raise BadInput(
            f"the vocabulary of the student {base!r} differs from its teacher's, so their tokens cannot be "
            "compared: choose a student that is cased or uncased like its teacher"
        )
    layers = shapes.layer_map(
        network.config.num_hidden_layers, teacher.config.num_hidden_layers, request.layers_from
    )
    shape = architecture(network.config.to_dict())
    return Student(network, shape, layers, base, _parameters(network), 0, name, title)


def _parameters(network: "PreTrainedModel") -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def copy(student: "PreTrainedModel", teacher: "PreTrainedModel", layers: tuple[int, ...]) -> int:
    """Copy the weights of a teacher that have the same shape in its student into the student.

    Args:
        student: the untrained student, which is changed in place.
        teacher: a teacher of the same family, or a BERT if the student is a DistilBERT.
        layers: the teacher's layer for each layer of the student.

    Returns:
        The number of parameters that were copied.
    """
    import torch

    theirs = teacher.state_dict()
    ours = student.state_dict()
    learned = {name for name, _ in student.named_parameters()}
    copied = 0
    with torch.no_grad():
        for name, tensor in ours.items():
            found = theirs.get(_teachers_name(name, layers, teacher))
            if found is not None and found.shape == tensor.shape:
                tensor.copy_(found)
                copied += tensor.numel() if name in learned else 0
    return copied


def _teachers_name(name: str, layers: tuple[int, ...], teacher: "PreTrainedModel") -> str:
    renamed = LAYER.sub(lambda match: f"{match[1]}layer.{layers[int(match[2])] - 1}.", name)
    if name.startswith("distilbert.") and teacher.config.model_type == "bert":
        for pattern, replacement in _FROM_BERT:
            renamed = pattern.sub(replacement, renamed)
    return renamed
