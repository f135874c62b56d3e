"""Ends runs that nobody will continue, so that no collector waits for their last record."""

from agent.outbox.outbox import Outbox
from agent.outbox.rows import Place
from commandline.clock import utc_now
from contract.records import RunFinished


def end_runs_of_older_versions(outbox: Outbox) -> int:
    """Record as interrupted what an older distilbench began, since no record of this one fits into it.

    Returns:
        How many runs were ended.

    Raises:
        OutboxFull: the outbox has no room for their last records.
    """
    older = outbox.unfinished_of_older_versions()
    for place in older:
        end_as_interrupted(outbox, place, "the run was interrupted, and then distilbench was updated")
    return len(older)


def end_as_interrupted(outbox: Outbox, place: Place, reason: str) -> None:
    """Record a run as interrupted.

    Args:
        outbox: holds the run.
        place: how far the run is.
        reason: why it is not continued, as one sentence.

    Raises:
        OutboxFull: the outbox has no room for the last record.
    """
    # The fields that this sets are those of every format version.
    last = RunFinished(
        seq=place.next_seq,
        status="interrupted",
        reason=reason,
        answered=place.asked - place.errors,
        errors=place.errors,
        elapsed_ns=place.elapsed_ns,
        finished_at=utc_now(),
    )
    outbox.append(place._replace(next_seq=place.next_seq + 1, finished=True, kept=b""), [last], utc_now())
