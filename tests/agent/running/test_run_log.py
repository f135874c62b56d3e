"""From where a run continues."""

from contextlib import suppress
from pathlib import Path

import pytest

from agent.bundles.bundle import describe
from agent.errors import OutboxFull
from agent.machine.device import inspect_device
from agent.outbox.outbox import Outbox
from agent.planning.plan import Plan, plan_run, read_questions, settings_for
from agent.planning.selection import Passes
from agent.running.run_log import RunLog
from bench.results.records import waiting
from commandline.clock import utc_now
from contract.messages import Stream
from contract.records import RunFinished, RunResumed
from tests.agent.records import RUN_A, fill


@pytest.fixture
def plan(tiny_bundle: Path, questions: Path) -> Plan:
    bundle = describe(tiny_bundle)
    return plan_run(inspect_device("d"), bundle, read_questions(questions), settings_for(bundle, threads=1))


def opened(plan: Plan, outbox: Outbox) -> RunLog:
    passes = Passes(plan.questions, plan.settings.seed, shuffled=True)
    return RunLog(plan, outbox, passes, resume=True, wait=pytest.fail, epoch="0" * 16)


@pytest.mark.parametrize("kept", [b"", b"{", b"\xff"])
def test_a_run_continues_unless_what_it_kept_is_damaged(plan: Plan, outbox: Outbox, kept: bytes) -> None:
    place = outbox.begin("a" * 32, "d", plan.identity)
    first = RunResumed(seq=0, epoch="0" * 16, resumed_at=utc_now())
    outbox.append(place._replace(next_seq=1, kept=kept), [first], utc_now())
    log = opened(plan, outbox)
    last = waiting(outbox)[-1]
    if kept == b"":
        assert log.run_id == "a" * 32 and last == first
    else:
        assert log.run_id != "a" * 32 and isinstance(last, RunFinished)
        assert last.reason == "the run was interrupted, and what it kept to continue is damaged"


def test_a_run_that_starts_over_waits_for_room_in_the_outbox(plan: Plan, tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db", limit_bytes=20_000) as outbox:
        place = outbox.begin(RUN_A, "d", plan.identity)
        with suppress(OutboxFull):
            while True:
                place = fill(outbox, place, 1)
        waits: list[str] = []

        def wait(reason: str) -> None:
            waits.append(reason)
            outbox.confirm("c", Stream(run_id=RUN_A, stored=((0, place.next_seq - 1),)))

        passes = Passes(plan.questions, plan.settings.seed, shuffled=True)
        log = RunLog(plan, outbox, passes, resume=False, wait=wait, epoch="0" * 16)
        assert waits == []
        log.begin()
        (reason,) = waits
        assert "waits for receipts" in reason
        assert [run.run_id for run in outbox.summary().unfinished] == [log.run_id]
