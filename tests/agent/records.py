"""Small records for tests of what carries them."""

from agent.outbox.outbox import Outbox
from agent.outbox.rows import Place
from contract.records import Record, Sample

NOW = "2026-11-24T12:00:00Z"
RUN_A, RUN_B = "a" * 32, "b" * 32


def samples(first: int, count: int) -> list[Record]:
    return [Sample(seq=seq, at_ns=seq) for seq in range(first, first + count)]


def begin(outbox: Outbox, run_id: str = RUN_A, device_id: str = "device") -> Place:
    return outbox.begin(run_id, device_id, identity=run_id)


def fill(outbox: Outbox, place: Place, count: int) -> Place:
    """Append records to a run; returns its place after them."""
    after = place._replace(next_seq=place.next_seq + count)
    outbox.append(after, samples(place.next_seq, count), NOW)
    return after


def waiting(outbox: Outbox) -> list[tuple[str, int]]:
    return [(row.run_id, row.seq) for row in outbox.rows(0, 1_000_000)]
