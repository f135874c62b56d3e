"""How a precision is reached: the recipes as data, and the one place that applies them."""

import shutil
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from contract.bundle import Precision
from export import graph
from export.graph import OPSET
from export.quantisation import quantise_embeddings, quantise_linears


class Recipe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every choice that changes the graph after tracing; what the manifest records.

    `method` is `plain` for the traced graph, or `dynamic` for 8-bit weights and activations whose range is
    taken from each tensor as it comes.
    """

    method: Literal["plain", "dynamic"]
    opset: int
    linear_weights: Literal["s8 per channel"] | None = None
    embeddings: Literal["s8 per row"] | None = None
    activations: Literal["u8 per tensor"] | None = None


RECIPES: Final[dict[Precision, Recipe]] = {
    "fp32": Recipe(method="plain", opset=OPSET),
    "int8": Recipe(
        method="dynamic",
        opset=OPSET,
        linear_weights="s8 per channel",
        embeddings="s8 per row",
        activations="u8 per tensor",
    ),
}


def write(recipe: Recipe, traced: Path, path: Path) -> None:
    """Make the graph of a recipe from the traced one.

    Args:
        recipe: what to do.
        traced: file of the traced graph; it is not changed.
        path: where the new graph goes, on the same file system.
    """
    if recipe.method == "plain":
        _link(traced, path)
        return
    model = graph.load(traced)
    quantise_linears(model)
    quantise_embeddings(model)
    graph.save(model, path)


def _link(traced: Path, path: Path) -> None:
    # Copying BERT-Large's 1.3 GB takes longer than quantising it.
    try:
        path.hardlink_to(traced)
    except OSError:  # a file system without hard links, such as a memory stick's
        shutil.copyfile(traced, path)


def described(recipe: Recipe) -> dict[str, Any]:
    """The recipe as the manifest holds it."""
    fields: dict[str, Any] = msgspec.to_builtins(recipe)
    return fields
