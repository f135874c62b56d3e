"""Computes fixed ranges of activations from calibration, for static quantisation."""

from collections.abc import Mapping
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from export.quantisation.calibration import Activation
from export.quantisation.int8 import Range
from export.quantisation.smoothing import Smoothed

Clipping = Literal["never", "beyond 99.99 %"]
"""Values that a range leaves out: none of those seen in calibration, or the outermost, which are clipped."""
_TAIL_PERCENT: Final = 0.005
"""Percentage of the values to clip at each end."""


def ranges(
    activations: Mapping[str, Activation], smoothed: Mapping[str, Smoothed], clipping: Clipping, signed: bool
) -> dict[str, Range]:
    """The range of each input of linear layers, after smoothing.

    The range of a smoothed input is returned under both its old and its new name, because folding removes the
    new one.

    Args:
        activations: the activations by name in the traced graph.
        smoothed: the inputs that smoothing divides.
        clipping: the values that a range leaves out.
        signed: whether ranges are s8, symmetric about zero, instead of u8.
    """
    found = {}
    for source, activation in activations.items():
        factors = smoothed[source].factors if source in smoothed else np.float32(1)
        low, high = _bounds(activation, factors, clipping)
        found[source] = _signed(low, high) if signed else _unsigned(low, high)
        if source in smoothed:
            found[f"{source}_smooth"] = found[source]
    return found


def _bounds(
    activation: Activation, factors: "NDArray[np.float32] | np.float32", clipping: Clipping
) -> tuple[float, float]:
    if clipping == "never":
        low, high = (activation.lowest / factors).min(), (activation.highest / factors).max()
    else:
        values = np.concatenate([(window / factors).ravel() for window in activation.windows])
        low, high = np.percentile(values, (_TAIL_PERCENT, 100 - _TAIL_PERCENT))
    return min(float(low), 0.0), max(float(high), 0.0)


def _unsigned(low: float, high: float) -> Range:
    scale = np.float32((high - low or 1.0) / 255)
    return Range(scale, np.array(np.clip(np.rint(-low / scale), 0, 255), np.uint8))


def _signed(low: float, high: float) -> Range:
    return Range(np.float32((max(-low, high) or 1.0) / 127), np.array(0, np.int8))
