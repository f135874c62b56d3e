"""The packages that build a bundle: whether they are installed, and their versions for the manifest."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Final

from commandline.program.installation import how_to_add
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
"""Packages that building a bundle needs."""


def versions() -> dict[str, str]:
    """The version of each tool that is installed, by package name."""
    installed = {name: _version(name) for name in _TOOLS}
    return {name: version for name, version in installed.items() if version is not None}


def check_installed(what: str, needed: tuple[str, ...]) -> None:
    """Check that the needed packages are installed, before any work starts.

    Args:
        what: the work, for the message, such as `building`.
        needed: names of the packages that the work needs.

    Raises:
        NotInstalled: one of the packages is missing.
    """
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise NotInstalled(
            f"{what} needs packages that are not installed ({', '.join(missing)}); install them with: "
            f"{how_to_add('export')}"
        )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # distilbench itself, run from a folder where it is not installed
        return None
