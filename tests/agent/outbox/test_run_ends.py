"""What the outbox says about the runs of an order: how they ended, and whether their results have arrived."""

import pytest
from msgspec.structs import replace

from agent.outbox.interrupted import end_as_interrupted
from agent.outbox.outbox import Outbox
from agent.outbox.rows import Place
from contract.messages import Stream
from contract.records import RunStatus
from tests.agent.records import NOW, RUN_A, RUN_B, begin, fill, samples
from tests.collector.factory import finished, started

ORDER, OTHER = "1" * 32, "2" * 32


def begun(outbox: Outbox, order: str | None, run_id: str = RUN_A, identity: str = "same") -> Place:
    place = outbox.begin(run_id, "device", identity)._replace(next_seq=1)
    outbox.append(place, [replace(started(), order=order)], NOW)
    return place


def end(outbox: Outbox, place: Place, status: RunStatus = "complete") -> None:
    last = finished(place.next_seq, status=status)
    outbox.append(place._replace(next_seq=place.next_seq + 1, finished=True), [last], NOW)


def test_results_of_an_order_wait_until_the_last_one_is_confirmed(outbox: Outbox) -> None:
    place = fill(outbox, begun(outbox, ORDER), 3)
    begun(outbox, OTHER, RUN_B, "another")
    begun(outbox, None, "c" * 32, "none")
    assert outbox.waits_for(ORDER) and outbox.waits_for(OTHER)
    outbox.confirm("c", Stream(run_id=RUN_A, stored=((0, 2),)))
    assert outbox.waits_for(ORDER)
    outbox.confirm("c", Stream(run_id=RUN_A, stored=((0, place.next_seq - 1),)))
    assert (outbox.waits_for(ORDER), outbox.waits_for(OTHER)) == (False, True)


def test_what_is_refused_does_not_wait(outbox: Outbox) -> None:
    begun(outbox, ORDER)
    outbox.refuse(RUN_A, 0, 0, "not wanted")
    assert not outbox.waits_for(ORDER)


def test_a_run_whose_first_record_has_left_may_be_of_any_order(outbox: Outbox) -> None:
    fill(outbox, begun(outbox, ORDER), 3)
    outbox.remove(RUN_A, [(0, 1)])
    assert outbox.waits_for(ORDER) and outbox.waits_for(OTHER)
    outbox.remove(RUN_A, [(2, 3)])
    assert not outbox.waits_for(ORDER)


@pytest.mark.parametrize("status", ["complete", "inconclusive", "failed"])
def test_the_end_of_a_run_is_its_last_record(outbox: Outbox, status: RunStatus) -> None:
    assert outbox.run_end("same") is None
    place = fill(outbox, begun(outbox, ORDER), 2)
    assert outbox.run_end("same") is None, "it is under way"
    end(outbox, place, status)
    last = outbox.run_end("same")
    assert last is not None and last.status == status
    outbox.confirm("c", Stream(run_id=RUN_A, stored=((0, 3),)))
    assert outbox.run_end("same") == last


def test_only_the_latest_run_counts(outbox: Outbox) -> None:
    place = fill(outbox, begun(outbox, ORDER), 2)
    end_as_interrupted(outbox, place, "it was started over")
    assert outbox.run_end("same") is None
    again = begun(outbox, ORDER, RUN_B)
    assert outbox.run_end("same") is None
    end(outbox, again)
    last = outbox.run_end("same")
    assert last is not None and last.status == "complete"


def test_a_run_that_another_board_continues_is_not_measured_to_its_end(outbox: Outbox) -> None:
    place = begin(outbox)
    outbox.append(place._replace(next_seq=2), samples(0, 2), NOW)
    outbox.confirm("c", Stream(run_id=RUN_A, stored=((0, 5),)))
    assert outbox.rolled_back(RUN_A)
    assert outbox.run_end(RUN_A) is None
