"""Finds records that come under the numbers of other records: two boards continue one run.

A copied card or a restored state folder makes two writers of one run. Each process that continues a run gives
it a new epoch, and a batch names all of them. So the collector can tell the writers apart even if their
numbers do not overlap. Besides, the values of records that it has already are compared, which is all that it
can do for records of version 1.
"""

from collections.abc import Callable

from collector.intake.known_run import KnownRun, as_stored
from contract.errors import Malformed
from contract.messages import Batch, Epochs, parting
from contract.records import Record
from contract.seq_ranges import holds


class Disputed(Malformed):
    """Records that were not stored, because others are stored under their numbers.

    Args:
        batch: what came.
        first_seq: the first record of it that was not stored.
    """

    def __init__(self, batch: Batch, first_seq: int) -> None:
        self.batch = batch
        self.first_seq = first_seq
        self.last_seq = max(record.seq for record in batch.records)
        super().__init__(
            f"records {first_seq} to {self.last_seq} of run {batch.run_id} are not from the board whose "
            f"records are stored: two boards have the identity '{batch.device_id}', or its state folder was "
            "put back to an older copy; give each board a state folder of its own"
        )


def first_dispute(known: KnownRun, batch: Batch, differs: Callable[[Record], bool]) -> int | None:
    """Return the first `seq` of a batch from which its records have another writer than the stored ones.

    Once a run without epochs is disputed, new records of it must follow the stored ones directly, since only
    the board that wrote these can be expected to send them next.

    Args:
        known: the run.
        batch: what came.
        differs: whether a record is not the one that is stored under its number.

    Returns:
        None if all of its records may be stored, or are stored already.
    """
    if not known.stored:
        return None
    last = known.stored[-1][1]
    parted = parting(known.epochs, batch.epochs)
    if parted is not None and last < parted:
        parted = None  # nothing is stored of the processes that differ
    disputed_from = None if batch.epochs else known.disputed_from
    if parted is None and disputed_from is None and all(record.seq > last for record in batch.records):
        return None  # as usual
    for record in sorted(batch.records, key=lambda record: record.seq):
        seq = record.seq
        if parted is not None and seq >= parted:
            return seq
        if holds(known.stored, seq):
            if differs(record):
                return seq
        elif seq == last + 1:
            last = seq
        elif disputed_from is not None and seq >= disputed_from:
            return seq
    return None


def processes_after(known: KnownRun, batch: Batch, last: int) -> Epochs:
    """Return which processes wrote what is stored once records of a batch are.

    Args:
        known: the run before the batch.
        batch: what came.
        last: the highest `seq` that is added.
    """
    parted = parting(known.epochs, batch.epochs)
    if known.epochs and (parted is None or last < parted):
        return known.epochs
    return as_stored(batch.epochs)  # nothing is stored of the processes that are named no more
