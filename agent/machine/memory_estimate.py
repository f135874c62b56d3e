"""Does a bundle fit into memory? Told before it is loaded, since a board that swaps or kills tells it late.

The estimate is for the worker process: what Python and its libraries take, the weights as onnxruntime keeps
them, and the activations of one window. Its factors were fitted to measured peaks, which
`docs/measurement.md` lists; it is at most a quarter above them there, and not below.
"""

import resource
from pathlib import Path
from typing import Final, NamedTuple

from agent.machine.system_files import read_kib, read_number, read_text
from contract.bundle import MODEL_FILE, TOKENIZER_FILE, Manifest, Precision

PROCESS_BYTES: Final = 100_000_000
"""Python, numpy, tokenizers and onnxruntime."""
WEIGHTS: Final[dict[Precision, float]] = {"fp32": 1.5, "int8": 1.7, "int4": 1.7}
"""Times the file: onnxruntime packs matrices a second time, for the processor's kernels."""
TOKENIZER: Final = 12
"""Times the file: a vocabulary becomes a table of strings."""
ACTIVATIONS: Final = 12
"""Vectors of the hidden size that are alive for a token at once."""
_FLOAT_BYTES: Final = 4
WINDOW_TOKENS: Final = 384
RESERVED_BYTES: Final = 250_000_000
"""Address space that the worker reserves and never touches: stacks of threads, arenas, mapped libraries."""

_LIMITS: Final = ("memory.max", "memory.limit_in_bytes")
_USES: Final = ("memory.current", "memory.usage_in_bytes")


class Shortage(NamedTuple):
    """A bundle that does not fit."""

    needed_bytes: int
    available_bytes: int
    limit: str
    """What bounds it."""

    @property
    def sentence(self) -> str:
        """Both numbers, for people."""
        return (
            f"about {self.needed_bytes / 1e6:.0f} MB are needed, and {self.available_bytes / 1e6:.0f} MB "
            f"are left of {self.limit}"
        )


def needed_bytes(manifest: Manifest, window_tokens: int = WINDOW_TOKENS) -> int:
    """What the worker will have resident at its peak, about."""
    shape = manifest.architecture
    weights = manifest.files[MODEL_FILE].bytes * WEIGHTS[manifest.precision]
    tokenizer = manifest.files[TOKENIZER_FILE].bytes * TOKENIZER
    # Attention's scores are tokens x tokens for each head; the rest grows with the hidden size.
    a_token = shape.hidden_size * ACTIVATIONS + shape.attention_heads * window_tokens
    return int(PROCESS_BYTES + weights + tokenizer + a_token * window_tokens * _FLOAT_BYTES)


def shortage(manifest: Manifest, window_tokens: int, root: Path = Path("/")) -> Shortage | None:
    """What is lacking for a bundle; None when it fits, or nothing is known.

    Three things bound it: the memory that Linux could make free, the control group, as containers have one,
    and a limit on the process's address space (`ulimit -v`).
    """
    needed = needed_bytes(manifest, window_tokens)
    for left, wanted, limit in (
        (read_kib(root / "proc/meminfo", "MemAvailable:"), needed, "the machine's memory"),
        (_left_in_group(root), needed, "the control group's memory"),
        (_address_space(), needed + RESERVED_BYTES, "the limit on address space"),
    ):
        if left is not None and left < wanted:
            return Shortage(wanted, left, limit)
    return None


def _left_in_group(root: Path) -> int | None:
    """The least that any group up to the root leaves, by control groups of version 2 or 1."""
    left = []
    for line in read_text(root / "proc/self/cgroup").splitlines():
        _, controllers, place = line.split(":", 2)
        if controllers not in {"", "memory"}:
            continue
        top = root / "sys/fs/cgroup" / controllers
        group = top / place.removeprefix("/")
        while group.is_relative_to(top):
            limit, used = (_first_number(group, names) for names in (_LIMITS, _USES))
            if limit is not None and used is not None:
                # Files that were read are counted as used, and given back when they are in the way.
                left.append(limit - used + _reclaimable(group))
            group = group.parent
    return min(left, default=None)


def _reclaimable(group: Path) -> int:
    for line in read_text(group / "memory.stat").splitlines():
        if line.startswith(("inactive_file ", "total_inactive_file ")):
            return int(line.split()[1])
    return 0


def _address_space() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if soft == resource.RLIM_INFINITY else soft


def _first_number(group: Path, names: tuple[str, ...]) -> int | None:
    numbers = (read_number(group / name) for name in names)
    return next((number for number in numbers if number is not None), None)
