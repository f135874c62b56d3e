"""Chooses the device that the training runs on, and its precision."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "fp16", "bf16"]


def precision(device: "torch.device") -> Precision:
    """The precision in which a device multiplies fastest without harm to the training."""
    import torch

    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def this_device() -> "torch.device":
    """The first GPU if there is one, otherwise the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
