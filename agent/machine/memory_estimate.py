"""Estimates whether a bundle fits into memory before it is loaded, so that no board has to swap or kill it.

The estimate is for the worker process: what Python and its libraries take, the weights as onnxruntime keeps
them, and the activations of one window. Its factors were fitted to the measured peaks in
`docs/measurement.md`; the estimate is at most a quarter above each of them, and never below.
"""

import resource
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from agent.machine.control_group import groups
from agent.machine.system_files import read_kib, read_number, read_text
from contract.bundle import MODEL_FILE, TOKENIZER_FILE, Manifest, Precision

PROCESS_BYTES: Final = 100_000_000
"""What Python, numpy, tokenizers and onnxruntime take."""
WEIGHTS: Final[dict[Precision, float]] = {"fp32": 1.5, "int8": 1.7, "int4": 1.7}
"""Memory per byte of the model file: onnxruntime packs matrices a second time, for its kernels."""
TOKENIZER: Final = 12
"""Memory per byte of the tokenizer file: a vocabulary becomes a table of strings."""
ACTIVATIONS: Final = 12
"""Vectors of the hidden size that are in memory for a token at the same time."""
_FLOAT_BYTES: Final = 4
WINDOW_TOKENS: Final = 384
RESERVED_BYTES: Final = 250_000_000
"""Address space that the worker reserves and never touches: stacks of threads, arenas, mapped libraries."""

_LIMITS: Final = ("memory.max", "memory.limit_in_bytes")
_USES: Final = ("memory.current", "memory.usage_in_bytes")


class Shortage(NamedTuple):
    """How much memory a bundle lacks."""

    needed_bytes: int
    available_bytes: int
    limit: str
    """What limits the memory."""

    @property
    def sentence(self) -> str:
        """The shortage in words."""
        return (
            f"about {self.needed_bytes / 1e6:.0f} MB are needed, but only "
            f"{self.available_bytes / 1e6:.0f} MB of {self.limit} are left"
        )


def needed_bytes(manifest: Manifest, window_tokens: int = WINDOW_TOKENS) -> int:
    """About how many bytes the worker will have resident at its peak."""
    shape = manifest.architecture
    weights = manifest.files[MODEL_FILE].bytes * WEIGHTS[manifest.precision]
    tokenizer = manifest.files[TOKENIZER_FILE].bytes * TOKENIZER
    # Attention's scores are tokens x tokens for each head; the rest grows with the hidden size.
    per_token = shape.hidden_size * ACTIVATIONS + shape.attention_heads * window_tokens
    return int(PROCESS_BYTES + weights + tokenizer + per_token * window_tokens * _FLOAT_BYTES)


def shortage(manifests: Sequence[Manifest], window_tokens: int, root: Path = Path("/")) -> Shortage | None:
    """How much memory bundles lack that are loaded together; None if they fit, or if nothing is known.

    Three things limit the memory: what Linux could free, the control group (as containers have one), and a
    limit on the process's address space (`ulimit -v`).
    """
    each = [needed_bytes(manifest, window_tokens) for manifest in manifests]
    needed = sum(each)
    for available, wanted, limit in (
        *((left, needed, of) for left, of in _memory_left(root)),
        (_address_space(), max(each) + RESERVED_BYTES, "the limit on address space"),
    ):
        if available is not None and available < wanted:
            return Shortage(wanted, available, limit)
    return None


def available_bytes(root: Path = Path("/")) -> int | None:
    """How much memory Linux and the control group have left; None if nothing is known."""
    return min((left for left, _ in _memory_left(root) if left is not None), default=None)


def _memory_left(root: Path) -> tuple[tuple[int | None, str], ...]:
    """How many bytes of what are left; None if that is not known."""
    return (
        (read_kib(root / "proc/meminfo", "MemAvailable:"), "the machine's memory"),
        (_available_in_group(root), "the control group's memory"),
    )


def _available_in_group(root: Path) -> int | None:
    """The least memory that any control group up to the root has left, in version 2 or 1."""
    available = []
    for group in groups(root, "memory"):
        limit, used = (_first_number(group, names) for names in (_LIMITS, _USES))
        if limit is not None and used is not None:
            # Cached files count as used memory, but the kernel drops them when memory is needed.
            available.append(limit - used + _reclaimable(group))
    return min(available, default=None)


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
