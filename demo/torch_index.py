"""Prints the package index of PyTorch's CPU builds if it answers, else nothing: `python -m demo.torch_index`.

The Makefile runs it before there is an environment, so it needs only Python itself. On PyPI, torch for Linux
is a CUDA build of several gigabytes; the CPU build has a tenth of that, and does all that distilbench needs.
"""

import os
import sys
import threading
from http.client import HTTPException
from typing import Final
from urllib.request import urlopen

CPU_INDEX: Final = "https://download.pytorch.org/whl/cpu"
SECONDS: Final = 3.0
"""How long the index may take to answer, with the look-up of its name: behind a firewall it may never do."""


def answers(index: str, seconds: float = SECONDS) -> bool:
    """Return whether an index answers about torch within a number of seconds."""
    heard: list[int] = []

    def ask() -> None:
        try:
            with urlopen(f"{index}/torch/", timeout=seconds) as page:  # noqa: S310  # our own https address
                heard.append(page.status)
        except (HTTPException, OSError):
            return

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return heard == [200]


def main() -> int:
    """Print the index or nothing, and do not wait for an answer that does not come."""
    if answers(CPU_INDEX):
        sys.stdout.write(f"{CPU_INDEX}\n")
        sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
