"""Findings that earlier reports computed, by the columns that they were computed from."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec

from collector.store.database import Store
from contract.codec import encode

T = TypeVar("T")

RULES: Final = 7
"""Version of the rules; raise it when a rule of `statistics` or of a finding changes."""


class FindingsCache:
    """Findings by digest. Saving the cache drops the findings that were not used."""

    def __init__(self, store: Store) -> None:
        self._known: dict[str, str] = dict(store.tuples("SELECT digest, value FROM findings"))
        self._used: dict[str, str] = {}

    def recall(self, kind: str, of: Iterable[str], shape: Any, compute: Callable[[], T]) -> T:
        """Return a finding, computed only if it is not known.

        Args:
            kind: the kind of finding.
            of: the digests of the columns that it depends on, in a meaningful order.
            shape: the finding's type, one that msgspec decodes.
            compute: computes the finding.
        """
        digest = hashlib.sha256("\n".join((str(RULES), kind, *of)).encode()).hexdigest()
        known = self._known.get(digest)
        if known is None:
            known = encode(compute()).decode()
        self._used[digest] = self._known[digest] = known
        found: T = msgspec.json.decode(known, type=shape)
        return found

    def save(self, store: Store) -> None:
        """Store only the findings that were used; nothing is written if nothing changed."""
        stored = dict(store.tuples("SELECT digest, value FROM findings"))
        if self._used == stored:
            return
        forgotten = sorted((digest,) for digest in stored.keys() - self._used.keys())
        new = sorted(self._used.items() - stored.items())
        with store.writing() as conn:
            conn.executemany("DELETE FROM findings WHERE digest = ?", forgotten)
            conn.executemany("INSERT OR REPLACE INTO findings VALUES (?, ?)", new)
