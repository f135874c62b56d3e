"""How a precision is reached: the recipes as data, and the one place that applies them."""

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
"""Bits and block size."""

AUTOMATIC: Final = "strength by least output error"
UNMASKED: Final = "one operator, unmasked"
WITH_LAYERS: Final = "one operator with its linear layers, unmasked"
MOVED: Final = "moved before skip connections"


class Recipe(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Every choice that changes the graph after tracing; what the manifest records.

    `method` is `plain` for the traced graph, `dynamic` for 8-bit weights and activations whose range is
    taken from each tensor as it comes, `static` for ranges fixed by calibration, or `weight-only` for weights
    in blocks, whose inputs are rounded block by block.
    """

    method: Literal["plain", "dynamic", "static", "weight-only"]
    opset: int = OPSET
    target: Target | None = None
    fused: bool = False
    """Attention and skip connections made one operator each by onnxruntime's optimiser first."""
    linear_weights: LinearWeights | None = None
    embeddings: Literal["s8 per row"] | None = None
    activations: Literal["u8 per tensor", "s8 per tensor"] | None = None
    clipping: Clipping | None = None
    """How calibration fixes the ranges of `static`."""
    smoothing: Literal["strength by least output error"] | float | None = None
    """One strength for every input, or the best for each."""
    attention: Literal["one operator, unmasked", "one operator with its linear layers, unmasked"] | None = (
        None
    )
    """Linear layers beside it are joined; None for what tracing or the optimiser gave."""
    biases: Literal["moved before skip connections"] | None = None
    """Of fp32: those of a block's end, where they cost nothing; integer operators add theirs for nothing."""
    fp32_layers: Spared | None = None
    """Linear layers left as they are, besides the head."""


class Ingredients(NamedTuple):
    """What recipes are applied to."""

    traced: Path
    """File of the traced graph; never changed."""
    inputs: tuple[str, ...]
    """Names of its inputs, in order."""
    shape: Architecture
    activations: Mapping[str, Activation] | None = None
    """From calibration; None for random weights, and where no recipe needs them."""
    strengths: Strengths | None = None
    """Found so far for these activations, and kept here for the next recipe; None to keep none."""


def recipe(precision: Precision, target: Target) -> Recipe:
    """The recipe of a precision without a search; only that of int8 depends on the target."""
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
    """Whether a recipe's integers are the same on every processor of a target.

    Unsigned activations times weights of eight bits saturate where there is no VNNI; blocks and seven bits
    never do.
    """
    if recipe.linear_weights not in _INTEGERS:
        return True
    return _INTEGERS[recipe.linear_weights].largest <= LARGEST_WEIGHT[target]


class Written(NamedTuple):
    """What came of a recipe."""

    inputs: tuple[str, ...]
    """Names of the graph's inputs, in order."""
    found: dict[str, Any]
    """What the recipe left to be found out, for the manifest."""


def write(recipe: Recipe, given: Ingredients, path: Path) -> Written:
    """Make the graph of a recipe.

    Args:
        recipe: what to do.
        given: what to do it to.
        path: where the new graph goes, on the file system of the traced one.

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
    except OSError:  # a file system without hard links, such as a memory stick's
        shutil.copyfile(traced, path)


def described(recipe: Recipe) -> dict[str, Any]:
    """The recipe as the manifest holds it."""
    fields: dict[str, Any] = msgspec.to_builtins(recipe)
    return fields
