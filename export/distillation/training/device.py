"""What the training runs on."""

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "fp16", "bf16"]


def precision(device: "torch.device") -> Precision:
    """In which numbers a device multiplies fastest without harm."""
    import torch

    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def this_device() -> "torch.device":
    """The first GPU where there is one, else the processor."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
