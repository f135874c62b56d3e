"""What a report computed before, by the columns it was computed from: equal columns, equal findings."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec

from collector.store.database import Store
from contract.codec import encode

T = TypeVar("T")

RULES: Final = 3
"""To be raised when a rule of `statistics` or of what is computed here changes."""


class FindingsCache:
    """Findings by digest. Those that nobody asked for are forgotten when it is stored."""

    def __init__(self, store: Store) -> None:
        self._known: dict[str, str] = dict(store.tuples("SELECT digest, value FROM findings"))
        self._used: dict[str, str] = {}

    def recall(self, kind: str, of: Iterable[str], shape: Any, compute: Callable[[], T]) -> T:
        """A finding, computed unless it is known.

        Args:
            kind: what is found.
            of: the digests of the columns it depends on, in a meaningful order.
            shape: its type, one that msgspec decodes.
            compute: finds it.
        """
        digest = hashlib.sha256("\n".join((str(RULES), kind, *of)).encode()).hexdigest()
        known = self._known.get(digest)
        if known is None:
            known = encode(compute()).decode()
        self._used[digest] = self._known[digest] = known
        found: T = msgspec.json.decode(known, type=shape)
        return found

    def save(self, store: Store) -> None:
        """Store what was used, and that only; nothing is written when nothing changed."""
        stored = dict(store.tuples("SELECT digest, value FROM findings"))
        if self._used == stored:
            return
        forgotten = sorted((digest,) for digest in stored.keys() - self._used.keys())
        new = sorted(self._used.items() - stored.items())
        with store.writing() as conn:
            conn.executemany("DELETE FROM findings WHERE digest = ?", forgotten)
            conn.executemany("INSERT OR REPLACE INTO findings VALUES (?, ?)", new)
