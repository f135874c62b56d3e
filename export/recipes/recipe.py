"""Recipes, which describe as data how a precision is made, and the function that applies them."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from contract.bundle import Architecture, Precision
from export.graph import trace as graph
from export.graph.attention import attend
from export.graph.fold_smoothing import fold
from export.graph.join_qkv import merge, pack
from export.graph.move_biases import move_biases
from export.graph.ort_fusion import fuse
from export.graph.trace import OPSET
from export.quantisation.calibration import Activation
from export.quantisation.int8 import LARGEST, Integers, Spared, quantise_embeddings, quantise_linears, spared
from export.quantisation.ranges import Clipping, ranges
from export.quantisation.smoothing import Smoothed, Strengths, smooth
from export.quantisation.targets import LARGEST_WEIGHT, Target
from export.quantisation.weight_only import quantise_weights_only

LinearWeights = Literal[
    "s8 per channel",
    "s7 per channel",
    "u8 per channel",
    "s8 per tensor",
    "s7 per tensor",
    "u8 per block of 32",
    "u8 per block of 64",
    "u8 per block of 128",
    "u4 per block of 32",
]
_INTEGERS: Final[dict[str, Integers]] = {
    "s8 per channel": Integers(LARGEST),
    "s7 per channel": Integers(63),
    "u8 per channel": Integers(LARGEST, unsigned=True),
    "s8 per tensor": Integers(LARGEST, per_channel=False),
    "s7 per tensor": Integers(63, per_channel=False),
}
_BLOCKS: Final[dict[str, tuple[int, int]]] = {
    "u8 per block of 32": (8, 32),
    "u8 per block of 64": (8, 64),
    "u8 per block of 128": (8, 128),
    "u4 per block of 32": (4, 32),
}
"""Bits of a weight and block size, by the name of the weights."""

AUTOMATIC: Final = "strength by least output error"
UNMASKED: Final = "one operator, unmasked"
WITH_LAYERS: Final = "one operator with its linear layers, unmasked"
MOVED: Final = "moved before skip connections"


class Recipe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All choices that change the graph after tracing; the manifest records them.

    `method` is `plain` for the traced graph, `dynamic` for 8-bit weights and activations with the range of
    each tensor at run time, `static` for activations with ranges fixed by calibration, or `weight-only` for
    weights in blocks, whose inputs are rounded block by block.
    """

    method: Literal["plain", "dynamic", "static", "weight-only"]
    opset: int = OPSET
    target: Target | None = None
    fused: bool = False
    """Whether onnxruntime's optimiser first fuses attention and skip connections into one operator each."""
    linear_weights: LinearWeights | None = None
    embeddings: Literal["s8 per row"] | None = None
    activations: Literal["u8 per tensor", "s8 per tensor"] | None = None
    clipping: Clipping | None = None
    """How calibration fixes the ranges of the method `static`."""
    smoothing: Literal["strength by least output error"] | float | None = None
    """One strength for every input, or the best strength for each; None for no smoothing."""
    attention: Literal["one operator, unmasked", "one operator with its linear layers, unmasked"] | None = (
        None
    )
    """Form of attention; linear layers outside the operator are joined. None leaves it unchanged."""
    biases: Literal["moved before skip connections"] | None = None
    """Whether biases at the end of a block move; for fp32 only, since integer operators add them for free."""
    fp32_layers: Spared | None = None
    """Linear layers that stay fp32, in addition to the head."""


class Ingredients(NamedTuple):
    """The graph that recipes are applied to, and the results of calibration."""

    traced: Path
    """File of the traced graph; it is never changed."""
    inputs: tuple[str, ...]
    """Names of the inputs of the traced graph, in order."""
    shape: Architecture
    activations: Mapping[str, Activation] | None = None
    """Activations from calibration; None for random weights, or if no recipe needs them."""
    strengths: Strengths | None = None
    """Strengths found so far for these activations, reused by the next recipe; None to keep none."""


def recipe(precision: Precision, target: Target) -> Recipe:
    """The default recipe of a precision; only that of int8 depends on the target."""
    if precision == "fp32":
        return Recipe(method="plain", attention=WITH_LAYERS, biases=MOVED)
    if precision == "int4":
        return Recipe(
            method="weight-only",
            linear_weights="u4 per block of 32",
            embeddings="s8 per row",
            attention=UNMASKED,
        )
    return Recipe(
        method="dynamic",
        target=target,
        linear_weights="s7 per channel" if LARGEST_WEIGHT[target] == 63 else "s8 per channel",
        embeddings="s8 per row",
        activations="u8 per tensor",
        smoothing=AUTOMATIC,
        attention=WITH_LAYERS,
    )


def fits(recipe: Recipe, target: Target) -> bool:
    """Whether a recipe gives the same integers on every processor of a target.

    On x86 without VNNI, sums of products of unsigned activations and 8-bit weights can saturate; those of
    blocks and of 7-bit weights never do.
    """
    if recipe.linear_weights not in _INTEGERS:
        return True
    return _INTEGERS[recipe.linear_weights].largest <= LARGEST_WEIGHT[target]


class Written(NamedTuple):
    """The result of applying a recipe."""

    inputs: tuple[str, ...]
    """Names of the inputs of the new graph, in order."""
    found: dict[str, Any]
    """Facts that were found while applying the recipe, for the manifest."""


def write(recipe: Recipe, given: Ingredients, path: Path) -> Written:
    """Apply a recipe, and write the new graph.

    Args:
        recipe: the recipe to apply.
        given: the graph to apply it to.
        path: file of the new graph, on the file system of the traced graph.

    Raises:
        BadInput: the recipe cannot be applied to this network.
    """
    source = given.traced
    if recipe.fused:
        fuse(given.traced, given.shape, path)
        source = path
    if recipe.method == "plain" and recipe.attention is None:
        if not recipe.fused:
            _link(given.traced, path)
        return Written(given.inputs, {})
    model = graph.load(source)
    kept = spared(model.graph, recipe.fp32_layers)
    integers = _INTEGERS.get(recipe.linear_weights or "")
    smoothed: dict[str, Smoothed] = {}
    found: dict[str, Any] = {}
    if recipe.smoothing is not None and integers is not None:
        strength = None if recipe.smoothing == AUTOMATIC else float(recipe.smoothing)
        smoothed = smooth(model, given.activations, integers.largest, strength, kept, given.strengths)
        found["smoothing_strengths"] = [each.strength for each in smoothed.values()]
    if recipe.attention is not None:
        found["attention_operators"] = attend(model)
        fold(model.graph)
        if recipe.attention == WITH_LAYERS:
            found["attention_operators_with_layers"] = pack(model.graph)
        merge(model.graph)
    if recipe.biases is not None:
        found["biases_moved"] = move_biases(model.graph)
    if integers is not None:
        fixed = None
        if recipe.clipping is not None:
            signed = recipe.activations == "s8 per tensor"
            fixed = ranges(given.activations or {}, smoothed, recipe.clipping, signed)
        quantise_linears(model, integers, kept, fixed)
    elif recipe.linear_weights is not None:
        quantise_weights_only(model, *_BLOCKS[recipe.linear_weights], kept)
    if recipe.embeddings is not None:
        quantise_embeddings(model)
    graph.save(model, path)
    return Written(tuple(tensor.name for tensor in model.graph.input), found)


def _link(traced: Path, path: Path) -> None:
    # Copying BERT-Large's 1.3 GB takes longer than quantising it.
    try:
        path.hardlink_to(traced)
    except OSError:  # a file system without hard links, such as FAT
        shutil.copyfile(traced, path)


def described(recipe: Recipe) -> dict[str, Any]:
    """The recipe as the manifest records it."""
    fields: dict[str, Any] = msgspec.to_builtins(recipe)
    return fields
