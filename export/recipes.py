"""How a precision is reached: the recipes as data, and the one place that applies them."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from contract.bundle import Precision
from export import graph
from export.calibration import Activation
from export.graph import OPSET
from export.quantisation import quantise_embeddings, quantise_linears
from export.smoothing import smooth
from export.targets import LARGEST_WEIGHT, Target
from export.weightonly import quantise_weights_only


class Recipe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every choice that changes the graph after tracing; what the manifest records.

    `method` is `plain` for the traced graph, `dynamic` for 8-bit weights and activations whose range is
    taken from each tensor as it comes, or `weight-only` for weights that become fp32 again block by block.
    """

    method: Literal["plain", "dynamic", "weight-only"]
    opset: int = OPSET
    target: Target | None = None
    linear_weights: Literal["s8 per channel", "s7 per channel", "u4 per block of 32"] | None = None
    embeddings: Literal["s8 per row"] | None = None
    activations: Literal["u8 per tensor"] | None = None
    smoothing: Literal["strength by least output error"] | None = None


def recipe(precision: Precision, target: Target) -> Recipe:
    """The recipe of a precision; only that of int8 depends on the target."""
    if precision == "fp32":
        return Recipe(method="plain")
    if precision == "int4":
        return Recipe(method="weight-only", linear_weights="u4 per block of 32", embeddings="s8 per row")
    return Recipe(
        method="dynamic",
        target=target,
        linear_weights="s7 per channel" if LARGEST_WEIGHT[target] == 63 else "s8 per channel",
        embeddings="s8 per row",
        activations="u8 per tensor",
        smoothing="strength by least output error",
    )


def write(
    recipe: Recipe, traced: Path, path: Path, activations: Mapping[str, Activation] | None = None
) -> dict[str, Any]:
    """Make the graph of a recipe from the traced one.

    Args:
        recipe: what to do.
        traced: file of the traced graph; it is not changed.
        path: where the new graph goes, on the same file system.
        activations: from calibration, for a recipe that smooths; None for random weights.

    Returns:
        What the recipe left to be found out, for the manifest.
    """
    if recipe.method == "plain":
        _link(traced, path)
        return {}
    model = graph.load(traced)
    found: dict[str, Any] = {}
    if recipe.method == "weight-only":
        quantise_weights_only(model)
    else:
        assert recipe.target is not None
        largest = LARGEST_WEIGHT[recipe.target]
        found = {"smoothing_strengths": list(smooth(model, activations, largest).values())}
        quantise_linears(model, largest)
    quantise_embeddings(model)
    graph.save(model, path)
    return found


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
