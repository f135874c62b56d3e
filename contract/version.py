"""The format version of everything in the contract, and its history.

| version | since | what changed |
|---|---|---|
| 1 | distilbench 0.1 | first |

A change that an older reader would misread or refuse needs the next number, an entry above, and a step
in `codec.UPGRADES` that converts the version before it. Readers upgrade older data and refuse newer data.
"""

from typing import Final

FORMAT_VERSION: Final = 1
