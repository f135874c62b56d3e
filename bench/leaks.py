"""What a reconnect leaves in memory, and whether Python, SQLite or the allocator holds it.

    python -m bench.leaks --reconnects 200

The agent's publisher and the collector's server run in this one process, against a real Mosquitto, and their
connections are cut again and again: as often in minutes as otherwise in many hours. `bench.soak` sees the
resident size only, which mixes what is held with what the allocator keeps for later. Here they are apart:

- objects: those that Python's garbage collector tracks after a collection.
- traced: bytes that Python has allocated and not freed (`tracemalloc`).
- held: bytes from malloc that are not freed, those of SQLite and OpenSSL included (`mallinfo2`).
- sqlite: the part of them that SQLite reports as its own, mostly pages of both databases, of which it keeps
  at most 2 MB per connection.
- free: bytes that were freed and that malloc keeps in its arenas.
- resident: the process's size; and again after `malloc_trim`, which returns what is free to the system.

A leak shows as a slope of objects, traced, or held without sqlite; fragmentation as one of the last two.
"""

import ctypes
import gc
import os
import signal
import tempfile
import threading
import time
import tracemalloc
from pathlib import Path
from typing import Final, NamedTuple, Self

import numpy as np
import psutil
from numpy.typing import NDArray

from agent.delivery.publisher import Publisher
from agent.outbox.outbox import Outbox
from bench.commandline import needed
from bench.commandline.options import command, count
from bench.processes.device import finished, made_up
from bench.processes.slopes import fit
from collector.serving.server import Server
from collector.store.opening import open_store
from commandline.broker_address import parse_broker
from commandline.clock import utc_now
from contract.records import Record
from tests.collector.factory import device, started
from tests.faults.proxy import Stalling
from tests.mosquitto import Mosquitto

DEVICE: Final = "device-0"
_PATIENCE_SECONDS: Final = 60.0
_STEP_SECONDS: Final = 0.01
_WARM_UP: Final = 0.25
"""Share of the reconnects that is left out of the slopes."""
_FEWEST: Final = 27
"""Reconnects: after the warm-up there are enough to fit a slope."""


class _MallocInfo(ctypes.Structure):
    """glibc's `struct mallinfo2`, all arenas together; sizes in bytes."""

    _fields_ = (
        *((name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd")),
        *((name, ctypes.c_size_t) for name in ("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")),
    )
    hblkhd: int
    uordblks: int
    fordblks: int


Seen = NDArray[np.float64]
"""A `Memory` in each row, allocated beforehand, so that looking allocates nothing."""


class Memory(NamedTuple):
    """What the process holds and what its allocator keeps, in kB; `objects` is a number."""

    objects: float
    traced: float
    held: float
    sqlite: float
    free: float
    resident: float


def look(libc: ctypes.CDLL, sqlite: ctypes.CDLL) -> Memory:
    """Collect the garbage, then read all values."""
    gc.collect()
    malloc: _MallocInfo = libc.mallinfo2()
    return Memory(
        len(gc.get_objects()),
        tracemalloc.get_traced_memory()[0] / 1e3,
        (malloc.uordblks + malloc.hblkhd) / 1e3,
        sqlite.sqlite3_memory_used() / 1e3,
        malloc.fordblks / 1e3,
        psutil.Process().memory_info().rss / 1e3,
    )


def deliver(publisher: Publisher, outbox: Outbox, number: int, records: int) -> None:
    """Deliver one run until its last record has a receipt.

    Raises:
        TimeoutError: that takes longer than a minute.
    """
    run_id = f"{number:032x}"
    place = outbox.begin(run_id, DEVICE, "leaks")
    made: list[Record] = [started(on=device(DEVICE)), *(made_up(run_id, seq) for seq in range(1, records))]
    outbox.append(place._replace(next_seq=records + 1, finished=True), [*made, finished(records)], utc_now())
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while outbox.pending():
        if time.monotonic() > deadline:
            raise TimeoutError(f"run {number} got no receipt: {publisher.problem}")
        publisher.step(wait_seconds=_STEP_SECONDS)
        time.sleep(_STEP_SECONDS)  # a step returns at once while it waits to reconnect


class Libraries(NamedTuple):
    """The libraries that know how much memory is theirs."""

    libc: ctypes.CDLL
    sqlite: ctypes.CDLL

    @classmethod
    def loaded(cls) -> Self:
        """Those that this process uses.

        Raises:
            SystemExit: the system has none of them, or an older version.
        """
        libc = needed.library("libc.so.6", "libc6", "mallinfo2")
        libc.mallinfo2.restype = _MallocInfo
        sqlite = needed.library("libsqlite3.so.0", "libsqlite3-0", "sqlite3_memory_used")
        sqlite.sqlite3_memory_used.restype = ctypes.c_int64
        return cls(libc, sqlite)


def reconnect(
    broker: Mosquitto, folder: Path, reconnects: int, records: int, libraries: Libraries, seen: Seen
) -> None:
    """Deliver and cut in turn, and look before each cut; the server ends whether all went well or not."""
    proxies = Stalling(broker.port), Stalling(broker.port)
    store = open_store(folder / "results.db", create=True)
    server = Server(store, parse_broker(f"mqtt://127.0.0.1:{proxies[0].port}"), lambda line: None)

    def cut_and_deliver() -> None:
        broker_address = parse_broker(f"mqtt://127.0.0.1:{proxies[1].port}")
        try:
            with Outbox(folder / "outbox.db") as outbox:
                publisher = Publisher(broker_address, DEVICE, outbox)
                for number in range(reconnects):
                    deliver(publisher, outbox, number, records)
                    seen[number] = look(*libraries)
                    for proxy in proxies:
                        proxy.cut()
                publisher.close()
        finally:
            libraries.libc.malloc_trim(0)
            seen[reconnects] = look(*libraries)
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=cut_and_deliver)
    thread.start()
    server.run("ready")
    thread.join()
    store.close()
    for proxy in proxies:
        proxy.close()


@command
@count("--reconnects", 200, "Reconnects of the publisher and of the server.", least=_FEWEST)
@count("--records", 300, "Records delivered over each connection.")
def main(reconnects: int, records: int) -> None:
    """Print a Markdown table of memory at first, at last, and per reconnect."""
    needed.mosquitto()
    libraries = Libraries.loaded()
    seen = np.full((reconnects + 1, len(Memory._fields)), np.nan)
    with (
        tempfile.TemporaryDirectory(prefix="distilbench-leaks-") as name,
        Mosquitto(Path(name), lines=("allow_anonymous true", "log_type none")) as broker,
    ):
        tracemalloc.start()
        reconnect(broker, Path(name), reconnects, records, libraries, seen)
    steady, trimmed = seen[int(_WARM_UP * reconnects) : -1], seen[-1]
    if np.isnan(seen).any():
        raise SystemExit("bench: a run was not delivered, so there are no slopes")
    print("| | at first | at last | after malloc_trim | per reconnect |\n|---|--:|--:|--:|--:|")
    for index, name in enumerate(Memory._fields):
        slope = fit([float(n) for n in range(len(steady))], list(steady[:, index]))
        print(
            f"| {name}{'' if name == 'objects' else ', kB'} | {steady[0, index]:,.0f} "
            f"| {steady[-1, index]:,.0f} | {trimmed[index]:,.0f} "
            f"| {slope.per_unit:+.3f} ± {slope.plus_minus:.3f} |"
        )


if __name__ == "__main__":
    main()
