"""The int8 recipes that a search tries, as data: a new recipe is one line.

Recipes that onnxruntime's CPU kernels cannot run are left out: s8 activations with the range of each tensor
at run time (DynamicQuantizeLinear makes only u8).
"""

from typing import Any, Final, NamedTuple

import msgspec

from export.recipes.recipe import AUTOMATIC, UNMASKED, WITH_LAYERS, Recipe


class Candidate(NamedTuple):
    """A recipe, and its name in tables."""

    name: str
    recipe: Recipe


def _dynamic(weights: str, **choices: Any) -> Recipe:
    fields = {
        "method": "dynamic",
        "linear_weights": weights,
        "embeddings": "s8 per row",
        "activations": "u8 per tensor",
        "attention": WITH_LAYERS,
    }
    return msgspec.convert(fields | choices, Recipe)


def _static(activations: str, clipping: str, **choices: Any) -> Recipe:
    fields = {"method": "static", "activations": activations, "clipping": clipping, "attention": UNMASKED}
    return _dynamic("s8 per channel", **fields, **choices)


def _blocks(weights: str) -> Recipe:
    fields = {
        "method": "weight-only",
        "linear_weights": weights,
        "embeddings": "s8 per row",
        "attention": UNMASKED,
    }
    return msgspec.convert(fields, Recipe)


_BEST: Final = {"smoothing": AUTOMATIC}

CANDIDATES: Final = (
    Candidate("s8, smoothed", _dynamic("s8 per channel", **_BEST)),
    Candidate("s7, smoothed", _dynamic("s7 per channel", **_BEST)),
    Candidate(
        "s8, smoothed, layers beside attention", _dynamic("s8 per channel", attention=UNMASKED, **_BEST)
    ),
    Candidate("s8, smoothed, attention as traced", _dynamic("s8 per channel", attention=None, **_BEST)),
    Candidate("s8, smoothed, fused", _dynamic("s8 per channel", fused=True, attention=None, **_BEST)),
    Candidate("s7, smoothed, fused", _dynamic("s7 per channel", fused=True, attention=None, **_BEST)),
    Candidate("s8", _dynamic("s8 per channel")),
    Candidate("s7", _dynamic("s7 per channel")),
    Candidate("s8, fused", _dynamic("s8 per channel", fused=True, attention=None)),
    Candidate("s8, strength 0.5", _dynamic("s8 per channel", smoothing=0.5)),
    Candidate("s8, strength 0.6", _dynamic("s8 per channel", smoothing=0.6)),
    Candidate("s8, strength 0.7", _dynamic("s8 per channel", smoothing=0.7)),
    Candidate("s8, strength 0.8", _dynamic("s8 per channel", smoothing=0.8)),
    Candidate("s8, strength 0.9", _dynamic("s8 per channel", smoothing=0.9)),
    Candidate("s7, strength 0.7", _dynamic("s7 per channel", smoothing=0.7)),
    Candidate("s7, strength 0.8", _dynamic("s7 per channel", smoothing=0.8)),
    Candidate("s7, strength 0.9", _dynamic("s7 per channel", smoothing=0.9)),
    Candidate("u8, smoothed", _dynamic("u8 per channel", **_BEST)),
    Candidate("s8 per tensor, smoothed", _dynamic("s8 per tensor", **_BEST)),
    Candidate("s7 per tensor, smoothed", _dynamic("s7 per tensor", **_BEST)),
    Candidate("s8, smoothed, last layer fp32", _dynamic("s8 per channel", fp32_layers="last layer", **_BEST)),
    Candidate("s7, smoothed, last layer fp32", _dynamic("s7 per channel", fp32_layers="last layer", **_BEST)),
    Candidate(
        "s8, smoothed, attention outputs fp32",
        _dynamic("s8 per channel", fp32_layers="attention outputs", **_BEST),
    ),
    Candidate(
        "s8, smoothed, feed-forward outputs fp32",
        _dynamic("s8 per channel", fp32_layers="feed-forward outputs", **_BEST),
    ),
    Candidate("static u8, smoothed", _static("u8 per tensor", "never", **_BEST)),
    Candidate("static u8, smoothed, clipped", _static("u8 per tensor", "beyond 99.99 %", **_BEST)),
    Candidate("static s8, smoothed", _static("s8 per tensor", "never", **_BEST)),
    Candidate("static s8, smoothed, clipped", _static("s8 per tensor", "beyond 99.99 %", **_BEST)),
    Candidate("static u8", _static("u8 per tensor", "never")),
    Candidate("u8 in blocks of 32", _blocks("u8 per block of 32")),
    Candidate("u8 in blocks of 64", _blocks("u8 per block of 64")),
    Candidate("u8 in blocks of 128", _blocks("u8 per block of 128")),
)
"""The first two are the recipes that are built without a search."""
