"""Measures as `agent run` does, and looks at the records that come of it."""

import signal
from collections.abc import Callable

import msgspec

from agent.outbox.outbox import Outbox
from agent.outbox.state_folder import OpenedState
from agent.planning.plan import Plan
from agent.progress import Progress
from agent.running.runs import Runs
from agent.stop_signal import Stopped
from contract.records import (
    Answer,
    Record,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunResumed,
    RunStarted,
)


def by_run(outbox: Outbox) -> dict[str, list[Record]]:
    runs: dict[str, list[Record]] = {}
    for row in outbox.rows(0, 100_000):
        runs.setdefault(row.run_id, []).append(msgspec.json.decode(row.body, type=Record))
    return runs


def title_of(records: list[Record]) -> str:
    assert isinstance(records[0], RunStarted)
    return records[0].bundle.title


def epochs(runs: dict[str, list[Record]]) -> set[str | None]:
    """The epochs of all records that start or resume a run."""
    begun = (RunStarted, RunResumed)
    return {record.epoch for records in runs.values() for record in records if isinstance(record, begun)}


def check(records: list[Record], plan: Plan) -> list[Answer]:
    """The laws of a run in five rounds, however often it was interrupted."""
    assert [record.seq for record in records] == list(range(len(records)))
    assert isinstance(records[0], RunStarted) and records[0].epoch is not None
    assert records[0].settings.rounds == 5
    answers = [record for record in records if isinstance(record, Answer)]
    assert [answer.question_id for answer in answers] == [question.id for question in plan.questions]
    assert [r.round for r in records if isinstance(r, RoundFinished)] == [0, 1, 2, 3, 4]
    starts = [r.round for r in records if isinstance(r, RoundStarted)]
    assert starts == sorted(starts) and set(starts) == {0, 1, 2, 3, 4}
    times = [record.at_ns for record in records if isinstance(record, RoundStarted | Answer | RoundFinished)]
    assert times == sorted(times)
    return answers


def per_round(records: list[Record]) -> list[list[str]]:
    rounds: dict[int, list[str]] = {}
    number = -1
    for record in records:
        if isinstance(record, RoundStarted):
            number = record.round
        elif isinstance(record, Answer):
            rounds.setdefault(number, []).append(record.question_id)
    return [rounds[number] for number in sorted(rounds)]


def measure(
    plans: list[Plan], state: OpenedState, said: list[str], between: object = None
) -> tuple[list[RunFinished], list[tuple[str | None, str]]]:
    """Measure as the command does; returns the last records, and the turns that were taken."""
    seen: list[tuple[str | None, str]] = []

    def note(progress: Progress) -> None:
        if not seen or seen[-1] != (progress.round, progress.title):
            seen.append((progress.round, progress.title))
        if callable(between):
            between(progress)

    runs = Runs(plans, state, said.append, resume=True)
    runs.measure_rounds(note, lambda: None)
    return [last for _, last in runs.finish(note, lambda: None)], seen


def plan_of(records: list[Record], plans: list[Plan]) -> Plan:
    """The plan of the run that made the records."""
    return next(plan for plan in plans if plan.bundle.manifest.title == title_of(records))


def interrupting(chunks: int) -> Callable[[Progress], None]:
    """What to call between two chunks so that a signal comes after so many of them."""
    seen = 0

    def interrupt(progress: Progress) -> None:
        nonlocal seen
        seen += progress.preparing is None
        if seen >= chunks:
            raise Stopped(signal.SIGTERM)

    return interrupt
