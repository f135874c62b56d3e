"""How this distilbench was installed, and the command that adds an extra to it.

distilbench is not on a package index, so no message says `pip install distilbench`: that would install
whatever someone may publish there under this name.
"""

import json
import shlex
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

TORCH_INDEX: Final = "https://download.pytorch.org/whl/cpu"
"""The index of torch's CPU builds; those on PyPI for Linux contain gigabytes of CUDA."""

_TORCH_EXTRAS: Final = frozenset({"demo", "export", "score"})
_PIPX_FILE: Final = "pipx_metadata.json"
_UV_FILE: Final = "uv-receipt.toml"
_ANY_WHEEL: Final = "distilbench-VERSION-py3-none-any.whl"


class InstalledFrom(NamedTuple):
    """What distilbench was installed from."""

    path: str
    """A clone or a wheel."""
    is_editable: bool
    """Whether changes of the clone take effect at once."""
    installer: str
    """The program that installed it, such as `pip`; empty if that is not known."""


def how_to_add(extra: str) -> str:
    """Return the shell command that adds an extra of distilbench to the environment of this program.

    Args:
        extra: the name of the extra, such as `collector`.
    """
    origin = _installed_from()
    what = [*(["--editable"] if origin.is_editable else []), f"{origin.path}[{extra}]"]
    torch = ["--extra-index-url", TORCH_INDEX] if extra in _TORCH_EXTRAS else []
    if Path(sys.prefix, _PIPX_FILE).exists():
        return shlex.join(
            ["pipx", "install", "--force", *([f"--pip-args={shlex.join(torch)}"] if torch else []), *what]
        )
    if Path(sys.prefix, _UV_FILE).exists():
        return shlex.join(["uv", "tool", "install", "--force", *what])
    if origin.installer == "uv":
        return shlex.join(["uv", "pip", "install", "--python", sys.executable, *what])
    return shlex.join([sys.executable, "-m", "pip", "install", *torch, *what])


def _installed_from() -> InstalledFrom:
    try:
        installed = distribution("distilbench")
    except PackageNotFoundError:  # run from a clone that is not installed
        return InstalledFrom(str(Path(__file__).parents[2]), True, "")
    installer = (installed.read_text("INSTALLER") or "").strip()
    recorded = json.loads(installed.read_text("direct_url.json") or "{}")  # PEP 610
    path = Path(unquote(urlsplit(recorded.get("url", "")).path))
    if not path.name or not path.exists():
        return InstalledFrom(_ANY_WHEEL, False, installer)
    return InstalledFrom(str(path), recorded.get("dir_info", {}).get("editable", False), installer)
