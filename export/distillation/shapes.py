"""The shape of a student: read from numbers such as `layers=3,hidden=384`, or taken from the catalog."""

import copy
import math
from typing import TYPE_CHECKING, Final

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
"""Of one attention head, by preference; BERT's, and that of MiniLM."""


def is_shape(spec: str) -> bool:
    """Whether a student is given by numbers, such as `layers=3,hidden=384`."""
    return "=" in spec


def shaped(spec: str, teacher: "PretrainedConfig") -> "PretrainedConfig":
    """The teacher's configuration with other numbers.

    Args:
        spec: such as `layers=3,hidden=256,heads=4,intermediate=1024`. What is left out is the teacher's; with
            another width, `heads` gets 64 or 32 channels each and `intermediate` four times the width.
        teacher: its configuration.

    Raises:
        BadInput: an unknown or impossible number, or a teacher whose shape is more than these.
    """
    numbers = _numbers(spec)
    if teacher.model_type == "mobilebert":
        raise BadInput(
            f"a student {spec!r} cannot be made from a MobileBERT, whose shape takes more numbers: name a "
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
            raise BadInput(f"student {spec!r} names no number {name!r}: there are {', '.join(_ATTRIBUTES)}")
        if not number.isascii() or not number.isdigit() or int(number) < 1:
            raise BadInput(f"student {spec!r} gives {name!r} {number!r}, which is not a whole number above 0")
        numbers[name] = int(number)
    return numbers


def _heads_for(hidden: int) -> int:
    fits = (hidden // size for size in _HEAD_CHANNELS if hidden % size == 0)
    return next(fits, math.gcd(hidden, 12))


def _check_heads(spec: str, config: "PretrainedConfig") -> None:
    if config.hidden_size % config.num_attention_heads:
        raise BadInput(
            f"student {spec!r} has {config.hidden_size} channels, which {config.num_attention_heads} heads "
            "do not divide: give heads that do"
        )


def layer_map(student: int, teacher: int, chosen: str | None) -> tuple[int, ...]:
    """The teacher's layer for each of the student's: evenly spaced up to the last, or as chosen.

    Args:
        student: its layers.
        teacher: its layers.
        chosen: such as `2,4,6`.

    Raises:
        BadInput: not as many as the student has, or not layers of the teacher in ascending order.
    """
    if chosen is None:
        if student > teacher:
            raise BadInput(
                f"the student has {student} layers and its teacher {teacher}: give the teacher's layer for "
                "each of the student's with --layers-from, repeating some"
            )
        return tuple(round((place + 1) * teacher / student) for place in range(student))
    parts = [part.strip() for part in chosen.split(",")]
    layers = tuple(int(part) for part in parts if part.isascii() and part.isdigit())
    fits = all(1 <= layer <= teacher for layer in layers) and list(layers) == sorted(layers)
    if len(parts) != student or len(layers) != student or not fits:
        raise BadInput(
            f"layers {chosen!r} are not {student} ascending numbers from 1 to {teacher}, the teacher's layer "
            "for each of the student's"
        )
    return layers
