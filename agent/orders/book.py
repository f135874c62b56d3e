"""The device's memory of its orders: what is open, how far it is, and what has ended.

It is one file in the state folder, which is replaced as a whole and is on the disk before anything is done.
An order is carried out once, since its id stays here after it has ended.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec.structs import replace

from agent.errors import StateUnusable
from agent.outbox.damage import move_aside
from agent.planning.plan_file import Position, utc_time
from commandline.disk import write_whole
from contract import codec
from contract.codec import cut, decode_json, printable
from contract.errors import Malformed
from contract.orders.order import Order, OrderList
from contract.orders.progress import (
    MAX_REASON_CHARS,
    MAX_REPORTED_ORDERS,
    OrderPhase,
    OrderProgress,
)

BOOK_FILE: Final = "orders.json"
MOST_ENDED: Final = 500
"""How many orders that have ended are remembered. A list with older ones has a revision that is too low."""
FORGOTTEN: Final = (
    "the device's memory of its orders was damaged, and it may have been carried out: order it again"
)


class Entry(msgspec.Struct, frozen=True):
    """One open order."""

    order: Order
    delivering: bool = False
    """Whether everything is measured."""
    reason: str = ""
    """Why it waits."""
    failure: str = ""
    """Why one of its runs failed, the latest one."""
    position: Position | None = None
    """How far it is; None before it began."""
    measured: int = 0
    """How many of its runs have ended."""
    failed: int = 0
    """How many of these have failed."""
    identities: tuple[str, ...] = ()
    """The identities of the runs that were begun last."""
    starts: int = 0
    """How many times in a row it was begun without getting any further."""
    reached: tuple[int, int] = (0, 0)
    """Steps that had ended, and questions that were answered in the next one, when it was begun last."""


class _Idle(msgspec.Struct, frozen=True):
    """The temperature of the idle machine, as the order that was carried out last knew it."""

    celsius: float
    until: Annotated[datetime, msgspec.Meta(tz=True)]
    """When that order was carried out last."""


class _Pages(msgspec.Struct, frozen=True):
    device_id: str
    revision: int = 0
    digest: str = ""
    """SHA-256 of the list with this revision."""
    entries: tuple[Entry, ...] = ()
    """In the order of the list."""
    ended: tuple[OrderProgress, ...] = ()
    """The oldest first."""
    forgetful: bool = False
    """Whether an earlier file was damaged: what the next list names may have been carried out."""
    idle: _Idle | None = None


_PAGES: Final = msgspec.json.Decoder(_Pages)


class OrderBook:
    """Remembers the orders of one device.

    Args:
        folder: the state folder, which this process has locked.
        device_id: the device; the book of another one is put aside.
        say: prints a warning about damage.

    Raises:
        StateUnusable: the file cannot be read.
    """

    def __init__(self, folder: Path, device_id: str, say: Callable[[str], None]) -> None:
        self._file = folder / BOOK_FILE
        self._content = self._read(device_id, say)
        self.doing: OrderProgress | None = None
        """What is done at this moment; kept in memory only."""

    @property
    def revision(self) -> int:
        """The highest revision that was accepted; 0 for none."""
        return self._content.revision

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The open orders, in the order in which they are to be carried out."""
        urgent = [entry for entry in self._content.entries if entry.order.now]
        others = [entry for entry in self._content.entries if not entry.order.now]
        return (*reversed(urgent), *others)

    def entry(self, order_id: str) -> Entry | None:
        """An open order; None if it has ended or is unknown."""
        return next((each for each in self._content.entries if each.order.id == order_id), None)

    def accept(self, orders: OrderList) -> str | None:
        """Store a list whose seal is right.

        Returns:
            Why it is ignored, as a sentence; None if it is accepted, or was before.

        Raises:
            StateUnusable: it cannot be stored, and nothing has changed.
        """
        now = self._content
        digest = hashlib.sha256(codec.encode(orders)).hexdigest()
        if orders.revision == now.revision and digest == now.digest:
            return None
        if orders.revision <= now.revision:
            return (
                f"a list of orders with revision {orders.revision} came, but {now.revision} was accepted "
                "before: it is ignored, since somebody may have sent an old one again"
            )
        ended = {each.id for each in now.ended}
        known = {entry.order.id: entry for entry in now.entries}
        listed = [order for order in orders.orders if order.id not in ended]
        entries = [
            Entry(order)
            if (entry := known.pop(order.id, None)) is None
            # Nothing else of an order may change.
            else replace(
                entry, order=replace(entry.order, cancelled=order.cancelled or entry.order.cancelled)
            )
            for order in listed
        ]
        withdrawn = [replace(entry, order=replace(entry.order, cancelled=True)) for entry in known.values()]
        after = replace(now, revision=orders.revision, digest=digest, entries=(*entries, *withdrawn))
        if now.forgetful:
            new = [OrderProgress(id=entry.order.id, phase="failed", reason=FORGOTTEN) for entry in entries]
            after = replace(after, entries=tuple(withdrawn), ended=(*now.ended, *new), forgetful=False)
        self._write(after)
        return None

    def change(self, order_id: str, **changes: Any) -> Entry:
        """Store what has changed about an open order, and return it.

        Raises:
            StateUnusable: it cannot be stored.
        """
        entries = tuple(
            replace(each, **changes) if each.order.id == order_id else each for each in self._content.entries
        )
        self._write(replace(self._content, entries=entries))
        changed = self.entry(order_id)
        assert changed is not None, "it is open"
        return changed

    def end(self, order_id: str, phase: OrderPhase, reason: str = "") -> None:
        """Store that an order has ended.

        Raises:
            StateUnusable: it cannot be stored.
        """
        entry = self.entry(order_id)
        assert entry is not None, "it is open"
        last = OrderProgress(
            id=order_id,
            phase=phase,
            reason=shortened(reason),
            measured=entry.measured,
            failed=entry.failed,
        )
        others = tuple(each for each in self._content.entries if each.order.id != order_id)
        ended = (*self._content.ended, last)[-MOST_ENDED:]
        self._write(replace(self._content, entries=others, ended=ended))
        if self.doing is not None and self.doing.id == order_id:
            self.doing = None

    def note_idle(self, celsius: float) -> None:
        """Store the temperature of the idle machine, after something was measured for an order.

        Raises:
            StateUnusable: it cannot be stored.
        """
        self._write(replace(self._content, idle=_Idle(celsius, utc_time())))

    def idle_celsius(self, within_minutes: float) -> float | None:
        """The temperature of the idle machine, if something was measured for an order a short while ago.

        Args:
            within_minutes: how long ago at most; a machine is cool after that.
        """
        idle = self._content.idle
        if idle is None or not timedelta() <= utc_time() - idle.until <= timedelta(minutes=within_minutes):
            return None
        return idle.celsius

    @property
    def progress(self) -> tuple[OrderProgress, ...]:
        """How far the device is with its orders: the open ones, then the newest of those that ended."""
        found = []
        for entry in self.entries[:MAX_REPORTED_ORDERS]:
            if self.doing is not None and self.doing.id == entry.order.id:
                found.append(replace(self.doing, measured=entry.measured, failed=entry.failed))
            else:
                phase: OrderPhase = "delivering" if entry.delivering else "waiting"
                found.append(
                    OrderProgress(
                        id=entry.order.id,
                        phase=phase,
                        reason=shortened(entry.failure if entry.delivering else entry.reason),
                        measured=entry.measured,
                        failed=entry.failed,
                    )
                )
        room = MAX_REPORTED_ORDERS - len(found)
        return (*found, *reversed(self._content.ended[-room:] if room else ()))

    def _read(self, device_id: str, say: Callable[[str], None]) -> _Pages:
        try:
            content = decode_json(self._file.read_bytes(), _PAGES, "memory of orders")
        except FileNotFoundError:
            return _Pages(device_id)
        except OSError as error:
            raise StateUnusable(f"cannot read the memory of orders: {error.strerror}") from None
        except Malformed:
            aside = move_aside(self._file)
            say(f"the memory of orders was damaged and moved to '{printable(str(aside))}'")
            return self._write(_Pages(device_id, forgetful=True))
        # The board has another name now, and with it other orders.
        return content if content.device_id == device_id else _Pages(device_id)

    def _write(self, content: _Pages) -> _Pages:
        try:
            write_whole(self._file, msgspec.json.encode(content))
        except OSError as error:
            raise StateUnusable(f"cannot store the orders of this device: {error.strerror}") from None
        self._content = content
        return content


def shortened(reason: str) -> str:
    """A reason that fits into a state."""
    return cut(printable(reason), MAX_REASON_CHARS)


def names_of(entries: Sequence[Entry]) -> frozenset[str]:
    """The digests of all bundles and questions that open orders name."""
    return frozenset(
        digest
        for entry in entries
        if not entry.delivering
        for digest in (*entry.order.bundles.values(), *entry.order.questions.values())
    )
