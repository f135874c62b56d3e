"""The shape of a student: read from numbers such as `layers=3,hidden=384`, or taken from the catalog."""

import copy
import math
from typing import TYPE_CHECKING, Final

from commandline.counted import counted
from export.errors import BadInput

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_ATTRIBUTES: Final = {
    "layers": "num_hidden_layers",
    "hidden": "hidden_size",
    "heads": "num_attention_heads",
    "intermediate": "intermediate_size",
}
_DISTILBERT: Final = {"layers": "n_layers", "hidden": "dim", "heads": "n_heads", "intermediate": "hidden_dim"}
_HEAD_CHANNELS: Final = (64, 32)
"""Channels of an attention head, in order of preference: those of BERT, and those of MiniLM."""


def is_shape(spec: str) -> bool:
    """Whether the description of a student consists of numbers, such as `layers=3,hidden=384`."""
    return "=" in spec


def shaped(spec: str, teacher: "PretrainedConfig") -> "PretrainedConfig":
    """The teacher's configuration with other numbers.

    Args:
        spec: numbers such as `layers=3,hidden=256,heads=4,intermediate=1024`. Those left out are the
            teacher's; but with another width, each head gets 64 or 32 channels, and `intermediate` is four
            times the width.
        teacher: configuration of the teacher.

    Raises:
        BadInput: a number is unknown or impossible, or the teacher's shape has more numbers than these.
    """
    numbers = _numbers(spec)
    if teacher.model_type == "mobilebert":
        raise BadInput(
            f"student {spec!r} cannot be made from a MobileBERT, because its shape has more numbers: give a "
            "model of the catalog or a folder with --student"
        )
    config = copy.deepcopy(teacher)
    attributes = _DISTILBERT if teacher.model_type == "distilbert" else _ATTRIBUTES
    hidden = numbers.get("hidden")
    if hidden is not None and hidden != teacher.hidden_size:
        numbers.setdefault("heads", _heads_for(hidden))
        numbers.setdefault("intermediate", 4 * hidden)
        if getattr(teacher, "embedding_size", hidden) == teacher.hidden_size:
            numbers["embedding"] = hidden
    for name, number in numbers.items():
        attribute = "embedding_size" if name == "embedding" else attributes[name]
        if name != "embedding" or hasattr(teacher, "embedding_size"):
            setattr(config, attribute, number)
    _check_heads(spec, config)
    return config


def _numbers(spec: str) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for part in spec.split(","):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in _ATTRIBUTES:
            raise BadInput(f"student {spec!r} has no number {name!r}: choose from {', '.join(_ATTRIBUTES)}")
        if not number.isascii() or not number.isdigit() or int(number) < 1:
            raise BadInput(f"student {spec!r} sets {name!r} to {number!r}, not to a whole number above 0")
        numbers[name] = int(number)
    return numbers


def _heads_for(hidden: int) -> int:
    fits = (hidden // size for size in _HEAD_CHANNELS if hidden % size == 0)
    return next(fits, math.gcd(hidden, 12))


def _check_heads(spec: str, config: "PretrainedConfig") -> None:
    if config.hidden_size % config.num_attention_heads:
        raise BadInput(
            f"student {spec!r} has {counted(config.hidden_size, 'channel')}, which cannot be divided among "
            f"{config.num_attention_heads} heads: choose a number of heads that divides the channels"
        )


def layer_map(student: int, teacher: int, chosen: str | None) -> tuple[int, ...]:
    """The teacher's layer for each layer of the student: evenly spaced up to the last, or as chosen.

    Args:
        student: number of layers of the student.
        teacher: number of layers of the teacher.
        chosen: the chosen layers of the teacher, such as `2,4,6`; None for evenly spaced ones.

    Raises:
        BadInput: there are not as many as the student has layers, or they are not layers of the teacher in
            ascending order.
    """
    if chosen is None:
        if student > teacher:
            raise BadInput(
                f"the student has {counted(student, 'layer')}, but its teacher has only {teacher}: with "
                "--layers-from, give a layer of the teacher for each layer of the student, and repeat some"
            )
        return tuple(round((place + 1) * teacher / student) for place in range(student))
    parts = [part.strip() for part in chosen.split(",")]
    layers = tuple(int(part) for part in parts if part.isascii() and part.isdigit())
    fits = all(1 <= layer <= teacher for layer in layers) and list(layers) == sorted(layers)
    if len(parts) != student or len(layers) != student or not fits:
        raise BadInput(
            f"--layers-from {chosen!r} must be {counted(student, 'number', 'ascending numbers')} from 1 to "
            f"{teacher}: a layer of the teacher for each layer of the student"
        )
    return layers
