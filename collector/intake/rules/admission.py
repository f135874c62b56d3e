"""The rules of what is stored of a batch. They know a run only as `KnownRun`, and change nothing."""

from collections.abc import Callable, Collection
from typing import NamedTuple

from collector.intake.known_run import KnownRun, as_stored
from collector.intake.rules.disputes import Disputed, first_dispute, processes_after
from collector.intake.rules.round_order import borders_among, rounds_problem
from collector.intake.stored_ranges import sparseness_problem, with_seqs
from contract.errors import ContractError, Malformed
from contract.messages import Batch
from contract.records import Record, RunFinished
from contract.seq_ranges import holds


class Admission(NamedTuple):
    """What becomes of a batch."""

    known: KnownRun
    """Its run after it."""
    fresh: Collection[Record] = ()
    """The records to add."""
    taken: Collection[Record] = ()
    """The records that are stored afterwards: those, and what had been stored before."""
    problem: ContractError | None = None
    """Why the batch was refused, or a part of it if it is disputed."""

    @property
    def refused(self) -> bool:
        """Whether nothing of the batch is stored, so that a receipt says only this."""
        return self.problem is not None and not isinstance(self.problem, Disputed)


def admit(known: KnownRun, batch: Batch, differs: Callable[[Record], bool]) -> Admission:
    """Return what becomes of a batch.

    It is stored completely or not at all; of a batch that two boards dispute, the records before the dispute
    are stored.

    Args:
        known: the run.
        batch: what came.
        differs: whether a record is not the one that is stored under its number.
    """
    if known.owner not in {None, batch.device_id}:
        problem = Malformed(f"run {batch.run_id} belongs to {known.owner!r}, not to {batch.device_id!r}")
        return Admission(known, problem=problem)
    if not batch.records:
        return Admission(known if known.owner is None else known._replace(gone=as_stored(batch.gone)))
    disputed = first_dispute(known, batch, differs)
    taken = batch.records
    if disputed is not None:
        taken = tuple(record for record in taken if record.seq < disputed)
    fresh: dict[int, Record] = {}
    last = known.stored[-1][1] if known.stored else -1
    for record in taken:
        if record.seq > last or not holds(known.stored, record.seq):
            fresh.setdefault(record.seq, record)
    after = known
    if fresh:
        after, refusal = _with_records(known, batch, fresh)
        if refusal is None and len(fresh) < len(taken):
            refusal = _doubled(batch.run_id, taken, fresh)
        if refusal is not None:
            return Admission(known, problem=refusal)
    if disputed is None:
        return Admission(after, fresh.values(), taken)
    if after.disputed_from is None or disputed < after.disputed_from:
        after = after._replace(disputed_from=disputed)
    return Admission(after, fresh.values(), taken, Disputed(batch, disputed))


def _with_records(
    known: KnownRun, batch: Batch, fresh: dict[int, Record]
) -> tuple[KnownRun, Malformed | None]:
    """Return a run once new records are added to it, or why they cannot belong to it."""
    run_id, last = batch.run_id, max(fresh)
    highest = max(last, known.stored[-1][1]) if known.stored else last
    ends = [record.seq for record in fresh.values() if isinstance(record, RunFinished)]
    if known.end is not None and (last > known.end or ends):
        return known, Malformed(f"run {run_id} ended with record {known.end}, and record {last} came after")
    if ends and highest > min(ends):
        return known, Malformed(f"run {run_id} has records after {min(ends)}, which ends it")
    borders = borders_among(fresh.values())
    problem = rounds_problem(known.borders, borders) or sparseness_problem(run_id, known.stored, fresh)
    if problem is not None:
        return known, problem
    return known._replace(
        owner=batch.device_id,
        stored=with_seqs(known.stored, fresh),
        epochs=processes_after(known, batch, last),
        end=ends[0] if ends else known.end,
        borders=(*known.borders, *borders),
    ), None


def _doubled(run_id: str, records: Collection[Record], fresh: dict[int, Record]) -> Malformed | None:
    """Return what is wrong if a batch has different new records with the same number, or None."""
    for record in records:
        if record.seq in fresh and record != fresh[record.seq]:
            return Malformed(f"batch of run {run_id} has two different records {record.seq}")
    return None
