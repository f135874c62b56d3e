"""Huge pages for weights and vocabulary: the processor needs fewer entries of its address table for them.

glibc's malloc asks Linux for them if a variable is set before the process starts. Other C libraries ignore
it, and if Linux gives none (`never` in /sys/kernel/mm/transparent_hugepage/enabled), it changes nothing.
"""

import os
from collections.abc import Mapping
from typing import Final

TUNABLE: Final = "glibc.malloc.hugetlb"
"""A tunable of glibc 2.35 and later: with 1, malloc asks the kernel for huge pages; with 0 it does not."""
_TUNABLES: Final = "GLIBC_TUNABLES"


def environment(options: Mapping[str, str | int | float | bool]) -> dict[str, str]:
    """This process's environment, with the choice of huge pages in the runtime options.

    Args:
        options: the options in a run's settings; without a choice the environment stays as it is.
    """
    if TUNABLE not in options:
        return dict(os.environ)
    # glibc uses the last one, and this is the recorded one.
    others = [each for each in os.environ.get(_TUNABLES, "").split(":") if each]
    return {**os.environ, _TUNABLES: ":".join([*others, f"{TUNABLE}={int(options[TUNABLE])}"])}
