"""The packages that build a bundle: whether they are there, and their versions for the manifest."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Final

from export.errors import NotInstalled

_TOOLS: Final = (
    "distilbench",
    "numpy",
    "onnx",
    "onnxruntime",
    "optimum",
    "optimum-onnx",
    "peft",
    "tokenizers",
    "torch",
    "transformers",
)
TO_BUILD: Final = ("onnx", "optimum", "peft", "torch", "transformers")
"""What building needs."""


def versions() -> dict[str, str]:
    """Version of each tool that is installed."""
    installed = {name: _version(name) for name in _TOOLS}
    return {name: version for name, version in installed.items() if version is not None}


def check_installed(what: str, needed: tuple[str, ...]) -> None:
    """Refuse to begin what could not end.

    Args:
        what: is to begin, such as `building`.
        needed: packages that it needs.

    Raises:
        NotInstalled: the extra `export` is not installed.
    """
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise NotInstalled(
            f"{what} needs {', '.join(missing)}, not installed here: pip install 'distilbench[export]'"
        )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # distilbench itself, run from a folder where it is not installed
        return None
