"""When to ask collectors whether they still have what they have confirmed.

A collector whose database was restored from a backup does not know that it has lost records. So an agent asks
for each run of which it keeps records: after it has connected, once an hour, and if a receipt names fewer
records than an earlier one. The answer is a receipt.
"""

import math
from collections import deque
from collections.abc import Sequence
from typing import Final

from agent.outbox.receipted import KeptRun

AGAIN_SECONDS: Final = 3600.0
ANSWER_SECONDS: Final = 10.0
"""How long receipts of a run count as answers: several collectors may answer."""
DOUBT_SECONDS: Final = 10.0
"""How long after a receipt with fewer records its collector is asked: an older one may have come late."""


class Inquiries:
    """What is to be asked of which run, and what was asked; times are of a monotonic clock."""

    def __init__(self) -> None:
        self._due: deque[tuple[float, KeptRun]] = deque()
        self._asked: dict[str, float] = {}
        self._unanswered: set[str] = set()
        self._again_at = 0.0

    @property
    def unanswered(self) -> int:
        """Of how many runs no collector has said what it has, though that is in question."""
        return len(self._unanswered)

    def ask_all(self, runs: Sequence[KeptRun], now: float) -> None:
        """Ask for all runs now, instead of what was to be asked."""
        self._due = deque((now, run) for run in runs)
        self._unanswered = {run.run_id for run in runs}
        self._again_at = now + AGAIN_SECONDS

    def ask_later(self, run: KeptRun, now: float) -> None:
        """Ask for a run in a moment, unless that is planned already."""
        if all(run != planned for _, planned in self._due):
            self._due.append((now + DOUBT_SECONDS, run))
            self._unanswered.add(run.run_id)

    def are_to_be_asked_again(self, now: float) -> bool:
        """Whether it is an hour since all runs were to be asked for."""
        return now >= self._again_at

    def next(self, now: float) -> KeptRun | None:
        """The run to ask for now, which counts as asked; None if there is none."""
        if not self._due or self._due[0][0] > now:
            return None
        _, run = self._due.popleft()
        self._asked[run.run_id] = now
        return run

    def was_asked(self, run_id: str, now: float) -> bool:
        """Whether a receipt of a run that comes now answers an inquiry; notes that it came."""
        answers = now - self._asked.get(run_id, -math.inf) < ANSWER_SECONDS
        if answers:
            self._unanswered.discard(run_id)
        return answers

    def open(self, now: float) -> bool:
        """Whether something is to be asked now, or an answer may still come."""
        if self._due and self._due[0][0] <= now:
            return True
        return any(now - self._asked.get(run_id, -math.inf) < ANSWER_SECONDS for run_id in self._unanswered)

    def drop(self) -> None:
        """Ask nothing for now: nobody answers."""
        self._due.clear()
        self._asked.clear()
