"""What has to be downloaded before an encoder can be loaded."""

from fnmatch import fnmatch
from pathlib import Path
from typing import Final

_CONFIG: Final = "config.json"
_WEIGHTS: Final = ("model*.safetensors", "pytorch_model*.bin")
"""Files of weights, in the order in which transformers prefers them."""
_TIMEOUT_SECONDS: Final = 10.0


def download_of(model: str) -> str | None:
    """Say what loading an encoder downloads, and how much that is if the hub tells.

    Args:
        model: a folder, or an id on the Hugging Face hub.

    Returns:
        A sentence; None if nothing is downloaded: the model is a folder, or in the hub's cache.
    """
    if Path(model).is_dir() or _is_cached(model):
        return None
    size = _size_bytes(model)
    of = "" if size is None else f" ({size / 1e6:,.0f} MB)"
    return f"the encoder {model!r} is downloaded from the Hugging Face hub{of}, and kept in its cache"


def _is_cached(model: str) -> bool:
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(model, _CONFIG)
    except HFValidationError:  # not an id; loading it says so
        return True
    return isinstance(config, str) and any(
        path for kind in _WEIGHTS for path in Path(config).parent.glob(kind)
    )


def _size_bytes(model: str) -> int | None:
    """The bytes of the weights on the hub; None if the hub does not tell."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled
    from requests import RequestException

    try:
        told = HfApi().model_info(model, files_metadata=True, timeout=_TIMEOUT_SECONDS).siblings
    except (HfHubHTTPError, OfflineModeIsEnabled, RequestException, ValueError):
        return None
    for kind in _WEIGHTS:
        sizes = [file.size for file in told or () if fnmatch(file.rfilename, kind) and file.size]
        if sizes:
            return sum(sizes)
    return None
