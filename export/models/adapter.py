"""Reads what a PEFT adapter folder says of its base: which model it is, and which of its layers are used."""

from pathlib import Path
from typing import Any, Final

import msgspec

from commandline.counted import counted
from export.errors import BadInput
from export.models.json_file import FIELDS, read_json

ADAPTER_CONFIG: Final = "adapter_config.json"

_LAYER_COUNT: Final = "num_hidden_layers"


def base_name(folder: Path) -> str:
    """The name or the path of the base that an adapter folder states.

    Raises:
        BadInput: it states none.
    """
    named = _config(folder).get("base_model_name_or_path")
    if not isinstance(named, str) or not named:
        raise BadInput(f"'{folder / ADAPTER_CONFIG}' names no base model")
    return named


def base_revision(folder: Path) -> str | None:
    """The commit, branch or tag of the base that an adapter folder states; None if it states none."""
    revision = _config(folder).get("revision")
    return revision if isinstance(revision, str) and revision else None


def used_layers(folder: Path, layers: int) -> tuple[int, ...]:
    """The layers of the base that an adapter uses, counted from 0, in order.

    PEFT's field `layer_replication` lists them as ranges: `[[1, 2], [3, 4]]` are the layers 1 and 3.

    Args:
        folder: folder of the adapter.
        layers: number of layers of its base.

    Raises:
        BadInput: the field holds no such ranges, a layer that the base does not have, or a layer twice.
    """
    stated = _config(folder).get("layer_replication")
    if not stated:
        return tuple(range(layers))
    where = f"'{folder / ADAPTER_CONFIG}': layer_replication {stated!r}"
    try:
        ranges = msgspec.convert(stated, list[tuple[int, int]])
    except msgspec.ValidationError:
        raise BadInput(f"{where} is not a list of ranges of layers, such as [[1, 2], [3, 4]]") from None
    if any(not 0 <= start < end <= layers for start, end in ranges):
        raise BadInput(
            f"{where} has a range that is empty or outside of the base's {counted(layers, 'layer')}: give "
            f"ranges [START, END] with 0 <= START < END <= {layers}"
        )
    used = tuple(layer for start, end in ranges for layer in range(start, end))
    if list(used) != sorted(set(used)):
        raise BadInput(
            f"{where} repeats a layer or changes their order, which distilbench cannot build: list each "
            "layer at most once, in ascending order"
        )
    return used


def cut_config(folder: Path, base: dict[str, Any]) -> dict[str, Any]:
    """The transformers configuration of a base after it is cut to the layers that an adapter uses.

    Raises:
        BadInput: see `used_layers`, or the base does not state its number of layers.
    """
    if not _config(folder).get("layer_replication"):
        return base
    layers = base.get(_LAYER_COUNT)
    if not isinstance(layers, int):
        raise BadInput(
            f"'{folder / ADAPTER_CONFIG}' uses some layers of a base of type {base.get('model_type')!r}, but "
            f"only bases that state {_LAYER_COUNT} can be cut"
        )
    return {**base, _LAYER_COUNT: len(used_layers(folder, layers))}


def layer_ranges(used: tuple[int, ...]) -> list[tuple[int, int]]:
    """The layers, counted from 0, as ranges for PEFT's `layer_replication`; see `used_layers`."""
    return [(layer, layer + 1) for layer in used]


def _config(folder: Path) -> dict[str, Any]:
    return read_json(folder / ADAPTER_CONFIG, FIELDS)
