"""Findings that earlier reports computed, by the columns that they were computed from."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import msgspec

from collector.store.database import Store
from collector.store.transaction import Transaction
from contract.codec import encode

T = TypeVar("T")

RULES: Final = 7
"""Version of the rules; raise it when a rule of `statistics` or of a finding changes."""


class FindingsCache:
    """Findings by digest. Saving the cache drops the findings that were not used.

    Only the findings that are not stored yet are in memory, and the digests of all; the others are read when
    they are asked for.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stored = {digest for (digest,) in store.tuples("SELECT digest FROM findings")}
        self._new: dict[str, str] = {}
        self._used: set[str] = set()

    def recall(self, kind: str, of: Iterable[str], shape: Any, compute: Callable[[], T]) -> T:
        """Return a finding, computed only if it is not known.

        Args:
            kind: the kind of finding.
            of: the digests of the columns that it depends on, in a meaningful order.
            shape: the finding's type, one that msgspec decodes.
            compute: computes the finding.
        """
        digest = digest_of(kind, of)
        known = self.known(digest)
        if known is None:
            known = encode(compute()).decode()
            self.add(digest, known)
        self._used.add(digest)
        found: T = msgspec.json.decode(known, type=shape)
        return found

    def known(self, digest: str) -> str | None:
        """Return a finding as JSON, new or stored; None if it has to be computed."""
        new = self._new.get(digest)
        if new is not None:
            return new
        if digest not in self._stored:
            return None
        return stored_finding(self._store, digest)

    def has(self, digest: str) -> bool:
        """Return whether a finding does not have to be computed."""
        return digest in self._new or digest in self._stored

    def add(self, digest: str, value: str) -> None:
        """Add a finding, as JSON, that was computed elsewhere."""
        self._new[digest] = value

    def new(self, digest: str) -> str | None:
        """Return a finding as JSON that other processes do not know, since it is not stored yet."""
        return self._new.get(digest)

    def use(self, digest: str) -> None:
        """Count a finding as used, if it is known."""
        self._used.add(digest)

    def save(self) -> None:
        """Store only the findings that were used; nothing is written if nothing changed."""
        stored = self._store.tuples("SELECT digest FROM findings")
        forgotten = sorted(row for row in stored if row[0] not in self._used)
        new = sorted(item for item in self._new.items() if item[0] in self._used)
        if not (forgotten or new):
            return

        def write(conn: Transaction) -> None:
            conn.executemany("DELETE FROM findings WHERE digest = ?", forgotten)
            conn.executemany(
                "INSERT INTO findings VALUES (?, ?) "
                "ON CONFLICT (digest) DO UPDATE SET value = excluded.value",
                new,
            )

        self._store.written(write)


def stored_finding(store: Store, digest: str) -> str | None:
    """Read a finding as JSON; None if it is not stored."""
    stored: str | None = store.value("SELECT value FROM findings WHERE digest = ?", digest)
    return stored


def digest_of(kind: str, of: Iterable[str]) -> str:
    """Return the digest that names a finding: that of its kind, of the rules and of what it depends on."""
    return hashlib.sha256("\n".join((str(RULES), kind, *of)).encode()).hexdigest()
