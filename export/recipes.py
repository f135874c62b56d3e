"""How a precision is reached: the recipes as data, and the one place that applies them."""

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from contract.bundle import Precision
from export.graph import OPSET
from export.quantisation import quantise_embeddings, quantise_linears

if TYPE_CHECKING:
    from onnx import ModelProto


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


def apply(recipe: Recipe, model: "ModelProto") -> None:
    """Change a traced graph in place as the recipe says."""
    if recipe.method == "dynamic":
        quantise_linears(model)
        quantise_embeddings(model)


def described(recipe: Recipe) -> dict[str, Any]:
    """The recipe as the manifest holds it."""
    fields: dict[str, Any] = msgspec.to_builtins(recipe)
    return fields
