"""What a transaction stores and rejects, and the receipts that follow from it."""

from typing import Final

from contract.messages import MAX_RECEIPT_RANGES, Epochs, Receipt, Refusal, SeqRange, Stream

MAX_RECEIPT_REFUSALS: Final = 50
"""The most refusals in a receipt, so that it fits into a message; what is not named is sent, and refused,
again."""


class Tally:
    """Counts what a transaction stores and rejects, and collects what its receipts need."""

    def __init__(self) -> None:
        self.kept_bytes: int | None = None
        self.stored = self.duplicates = self.rejected = 0
        self.ranges: dict[tuple[str, str], tuple[SeqRange, ...]] = {}
        self.epochs: dict[tuple[str, str], Epochs] = {}
        self.refused: dict[tuple[str, str], list[Refusal]] = {}

    def refuse(self, device_id: str, run_id: str, refusal: Refusal) -> None:
        """Note records of a run that are not stored."""
        self.refused.setdefault((device_id, run_id), []).append(refusal)

    def receipts(self, collector_id: str) -> tuple[Receipt, ...]:
        """Return the receipts for what was stored or refused; they are true after the commit."""
        return tuple(
            Receipt(
                device_id=device_id,
                collector_id=collector_id,
                streams=(
                    Stream(
                        run_id=run_id,
                        stored=self.ranges.get((device_id, run_id), ())[:MAX_RECEIPT_RANGES],
                        refused=tuple(self.refused.get((device_id, run_id), ())[:MAX_RECEIPT_REFUSALS]),
                        epochs=self.epochs.get((device_id, run_id), ()),
                    ),
                ),
            )
            for device_id, run_id in dict.fromkeys((*self.ranges, *self.refused))
        )
