"""Chooses the device that the training runs on, and its precision."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import torch

Precision = Literal["fp32", "fp16", "bf16"]

_NATIVE: Final = ("avx512_bf16", "amx_bf16")
"""Capabilities of processors that multiply bfloat16 themselves; on others it is emulated."""


def precision(device: "torch.device") -> Precision:
    """The precision in which a device multiplies fastest without harm to the training."""
    import torch

    if device.type != "cuda":
        return "bf16" if _multiplies_bf16() else "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def this_device() -> "torch.device":
    """The first GPU if there is one, otherwise the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _multiplies_bf16() -> bool:
    import torch

    # Older versions of torch do not tell.
    capabilities: Callable[[], Mapping[str, object]] = getattr(torch.cpu, "get_capabilities", dict)
    found = capabilities()
    return any(found.get(name) for name in _NATIVE)
