"""An accuracy on all questions that was taken over from another machine."""

from typing import NamedTuple

from collector.comparison_inputs.answers import RunSet
from collector.comparison_inputs.tasks.transfer import Transfer
from collector.statistics.accuracy.transfer import Correction, taken_over
from collector.statistics.confidence import Mean
from collector.store.runs import Run
from collector.summaries.measured import Estimate, Measured


class Inherited(NamedTuple):
    """The accuracy of a row that asked a part of the questions, estimated for all of them."""

    source: RunSet
    """The run that answered all questions."""
    measured: Measured
    """The sums over the source's answers."""
    transfer: Transfer
    """What the questions that both answered say."""

    @property
    def run(self) -> Run:
        """The run that answered all questions."""
        return self.source.runs[0]

    @property
    def exact_match(self) -> Estimate | None:
        """Mean EM over all questions, 0 to 1."""
        return _corrected(self.measured.exact_match, self.transfer.corrections.exact_match)

    @property
    def f1(self) -> Estimate | None:
        """Mean F1 over all questions, 0 to 1."""
        return _corrected(self.measured.f1, self.transfer.corrections.f1)

    @property
    def bertscore_f1(self) -> Estimate | None:
        """Mean BERTScore F1 over all questions; None if an answer has no BERTScore."""
        return _corrected(self.measured.bertscore_f1, self.transfer.corrections.bertscore_f1)


def _corrected(source: Estimate | None, by: Correction | None) -> Estimate | None:
    if source is None or by is None:
        return None
    found = taken_over(Mean(source.value, *(source.interval or (source.value, source.value))), by)
    return Estimate(value=found.value, interval=(found.low, found.high))
