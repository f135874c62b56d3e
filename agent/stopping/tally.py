"""Sums up what this process has measured of a run, for the run's last record and its stop rule."""

from collections.abc import Sequence

import msgspec

from agent.stopping.percentile_bounds import PERCENTILES, percentile_bound
from agent.worker.protocol import time_ns
from contract import scenarios
from contract.records import Answer, Outcome, RateTrial


class Tally:
    """Counts since this process began.

    Args:
        scenario: decides what is summed up.
        left_out: number of questions of the same run that an earlier process has answered.
    """

    def __init__(self, scenario: str, left_out: int) -> None:
        self._scenario = scenario
        self._left_out = left_out
        self._busy_ns = 0
        self._throttled_ns: int | None = None
        self._outcome = Outcome()
        self.asked = 0
        """Number of questions that this process has asked, answered or not."""
        self.times_ns: list[int] = []
        """Time of each answered question."""
        self.undisturbed_ns: dict[str, int] = {}
        """The newest time without a mark of each question that has one, by its id."""

    def add(self, answers: Sequence[Answer], busy_ns: int, loadgen: dict[str, str]) -> None:
        """Count a chunk.

        Args:
            answers: the answers to its questions, with their marks.
            busy_ns: time that the worker spent on them.
            loadgen: the lines of LoadGen's summary, if it asked the questions.
        """
        self.asked += len(answers)
        answered = [answer for answer in answers if answer.error is None]
        self.times_ns += map(time_ns, answered)
        self.undisturbed_ns |= {
            answer.question_id: time_ns(answer) for answer in answered if not answer.marks
        }
        self._busy_ns += busy_ns
        if loadgen:
            self._outcome = Outcome(loadgen=loadgen)

    def throttled(self, elapsed_ns: int) -> None:
        """Record when the machine was throttled; only the first time counts."""
        if self._throttled_ns is None:
            self._throttled_ns = elapsed_ns

    def served(self, trials: Sequence[RateTrial], valid_qps: float | None) -> None:
        """Record the results of the rates that were tried."""
        self._outcome = Outcome(rates=tuple(trials), valid_qps=valid_qps)

    def outcome(self) -> Outcome:
        """What the run found out for its scenario, as far as it got."""
        if self._scenario in (scenarios.SINGLE_STREAM, scenarios.SUSTAINED):
            return Outcome(
                bounds=tuple(
                    percentile_bound(self.undisturbed_ns.values(), percent) for percent in PERCENTILES
                ),
                throttled_after_ns=self._throttled_ns,
                left_out=self._left_out,
            )
        if self._scenario == scenarios.OFFLINE and self._busy_ns:
            rate = len(self.times_ns) / (self._busy_ns / 1e9)
            return msgspec.structs.replace(self._outcome, questions_per_second=rate, left_out=self._left_out)
        return self._outcome
