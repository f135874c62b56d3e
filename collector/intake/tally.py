"""What a transaction stores and rejects, and the receipts that follow from it."""

from typing import Final

from collector.intake.known_run import KnownRun
from collector.intake.rules.admission import Admission
from contract.fields import MAX_INT
from contract.messages import MAX_RECEIPT_RANGES, Batch, Epochs, Receipt, Refusal, SeqRange, Stream
from contract.seq_ranges import below, union

MAX_RECEIPT_REFUSALS: Final = 50
"""The most refusals in a receipt, so that it fits into a message; what is not named is sent, and refused,
again."""
_PRUNED: Final = Refusal(
    first_seq=0, last_seq=MAX_INT, reason="the run was removed from the database with `collector prune`"
)


class Tally:
    """Counts what a transaction stores and rejects, and collects what its receipts need."""

    def __init__(self) -> None:
        self.stored = self.duplicates = self.rejected = 0
        self._ranges: dict[tuple[str, str], tuple[SeqRange, ...]] = {}
        self._epochs: dict[tuple[str, str], Epochs] = {}
        self._refused: dict[tuple[str, str], list[Refusal]] = {}

    def take(self, batch: Batch, admission: Admission) -> None:
        """Note what became of a batch, unless it was refused completely.

        A board that names no epochs cannot know whether it wrote the stored records. So once a run is
        disputed, a receipt for such a board names, from the dispute on, only records that the board has just
        shown.
        """
        if admission.refused:
            return
        self.stored += len(admission.fresh)
        self.duplicates += len(admission.taken) - len(admission.fresh)
        known, key = admission.known, (batch.device_id, batch.run_id)
        if known.owner is None and known.pruned:
            self.refuse(*key, _PRUNED)
        stored = known.stored
        if known.disputed_from is not None and not batch.epochs:
            shown = (*below(stored, known.disputed_from), *((r.seq, r.seq) for r in admission.taken))
            stored = union(shown, self._ranges.get(key, ()))
        self._ranges[key] = stored
        self._epochs[key] = known.epochs

    def confirm(self, device_id: str, run_id: str, known: KnownRun) -> None:
        """Note what is stored of a device's run."""
        self._ranges[device_id, run_id] = known.stored
        self._epochs[device_id, run_id] = known.epochs

    def refuse(self, device_id: str, run_id: str, refusal: Refusal) -> None:
        """Note records of a run that are not stored."""
        self._refused.setdefault((device_id, run_id), []).append(refusal)

    def receipts(self, collector_id: str) -> tuple[Receipt, ...]:
        """Return the receipts for what was stored or refused; they are true after the commit."""
        return tuple(
            Receipt(
                device_id=device_id,
                collector_id=collector_id,
                streams=(
                    Stream(
                        run_id=run_id,
                        stored=self._ranges.get((device_id, run_id), ())[:MAX_RECEIPT_RANGES],
                        refused=tuple(self._refused.get((device_id, run_id), ())[:MAX_RECEIPT_REFUSALS]),
                        epochs=self._epochs.get((device_id, run_id), ()),
                    ),
                ),
            )
            for device_id, run_id in dict.fromkeys((*self._ranges, *self._refused))
        )
