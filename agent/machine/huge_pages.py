"""Huge pages for weights and vocabulary: the processor finds memory by fewer entries of its address table.

glibc's malloc asks Linux for them if it is told so before a process starts. Other C libraries pass it over,
and where Linux gives none (`never` in /sys/kernel/mm/transparent_hugepage/enabled), it changes nothing.
"""

import os
from collections.abc import Mapping
from typing import Final

TUNABLE: Final = "glibc.malloc.hugetlb"
"""By glibc 2.35 and later; 1 has malloc advise the kernel, 0 leaves it alone."""
_TUNABLES: Final = "GLIBC_TUNABLES"


def environment(options: Mapping[str, str | int | float | bool]) -> dict[str, str]:
    """This process's environment with what the runtime options say of huge pages.

    Args:
        options: of a run's settings; what they leave open stays as it is.
    """
    if TUNABLE not in options:
        return dict(os.environ)
    # The last one counts, and it is what is recorded.
    others = [each for each in os.environ.get(_TUNABLES, "").split(":") if each]
    return {**os.environ, _TUNABLES: ":".join([*others, f"{TUNABLE}={int(options[TUNABLE])}"])}
