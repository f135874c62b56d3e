"""When a sender asks collectors what they have, and what it does about the answers."""

import json

import pytest

from agent.delivery.inquiries import AGAIN_SECONDS, ANSWER_SECONDS, DOUBT_SECONDS
from agent.delivery.sender import Sender
from agent.outbox.outbox import Outbox
from contract.messages import Batch, decode_message
from tests.agent.delivery.test_sender import Clock, receipt, sent
from tests.agent.records import RUN_A, RUN_B, begin, fill, waiting


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sender(outbox: Outbox, clock: Clock) -> Sender:
    sender = Sender(outbox, clock, lambda: 0.5)
    sender.ask("device")
    return sender


def asked(sender: Sender) -> list[Batch]:
    """The inquiries that are due now."""
    found = []
    while (packed := sender.next()) is not None:
        assert packed.rows == ()
        message = decode_message(packed.payload)
        assert isinstance(message, Batch) and message.records == ()
        found.append(message)
    return found


def state(sender: Sender) -> tuple[bool, int]:
    """Whether it waits for answers, and of how many runs it has none."""
    return sender.asking, sender.unanswered


def delivered(sender: Sender, outbox: Outbox) -> None:
    """Two runs with a receipt for each record."""
    for run_id in (RUN_A, RUN_B):
        fill(outbox, begin(outbox, run_id), 5)
    sent(sender)
    for run_id in (RUN_A, RUN_B):
        sender.take(receipt(run_id, (0, 4)))


def test_nothing_is_asked_without_delivered_records(sender: Sender, outbox: Outbox) -> None:
    fill(outbox, begin(outbox), 2)
    assert sent(sender) == [0, 1]
    assert not sender.asking


def test_each_run_is_asked_for_when_a_connection_begins_and_after_an_hour(
    sender: Sender, outbox: Outbox, clock: Clock
) -> None:
    delivered(sender, outbox)
    assert asked(sender) == []
    sender.ask("device")
    assert [each.run_id for each in asked(sender)] == [RUN_B, RUN_A]
    assert state(sender) == (True, 2)
    for run_id in (RUN_A, RUN_B):
        sender.take(receipt(run_id, (0, 4)))
    assert state(sender) == (False, 0)
    clock.seconds += AGAIN_SECONDS
    assert [each.run_id for each in asked(sender)] == [RUN_B, RUN_A]
    clock.seconds += ANSWER_SECONDS
    assert state(sender) == (False, 2)


def test_another_device_is_not_asked_for(sender: Sender, outbox: Outbox) -> None:
    delivered(sender, outbox)
    sender.ask("another")
    assert asked(sender) == []


def test_what_waits_is_sent_before_anything_is_asked(sender: Sender, outbox: Outbox) -> None:
    place = fill(outbox, begin(outbox), 5)
    sent(sender)
    sender.take(receipt(RUN_A, (0, 4)))
    fill(outbox, place, 1)
    sender.ask("device")
    first = sender.next()
    assert first is not None and [row.seq for row in first.rows] == [5]
    assert len(asked(sender)) == 1


def test_an_answer_with_fewer_records_lets_the_others_wait_again(sender: Sender, outbox: Outbox) -> None:
    delivered(sender, outbox)
    sender.ask("device")
    asked(sender)
    sender.take(receipt(RUN_A, (0, 1)))
    assert waiting(outbox) == [(RUN_A, 2), (RUN_A, 3), (RUN_A, 4)]
    assert sent(sender) == [2, 3, 4]


def test_a_receipt_with_fewer_records_leads_to_an_inquiry_and_to_no_more(
    sender: Sender, outbox: Outbox, clock: Clock
) -> None:
    delivered(sender, outbox)
    sender.take(receipt(RUN_A, (0, 1)))
    assert waiting(outbox) == []
    assert asked(sender) == []
    clock.seconds += DOUBT_SECONDS
    assert [each.run_id for each in asked(sender)] == [RUN_A]
    sender.take(receipt(RUN_A, (0, 4)))
    assert waiting(outbox) == []


def test_an_inquiry_names_what_is_gone(sender: Sender, outbox: Outbox) -> None:
    delivered(sender, outbox)
    outbox.remove(RUN_A, [(1, 2)])
    sender.ask("device")
    assert {each.run_id: each.gone for each in asked(sender)} == {RUN_A: ((1, 2),), RUN_B: ()}


def test_an_inquiry_for_a_run_of_version_1_has_its_format(sender: Sender, outbox: Outbox) -> None:
    delivered(sender, outbox)
    outbox._file._db.execute("UPDATE runs SET format_version = 1")
    outbox.remove(RUN_A, [(1, 2)])
    sender.ask("device")
    packed = sender.next()
    assert packed is not None
    fields = json.loads(packed.payload)
    assert set(fields) == {"type", "device_id", "format_version", "run_id", "records"}
    assert fields["format_version"] == 1


def test_nobody_is_asked_while_nobody_accepts_anything(sender: Sender, outbox: Outbox, clock: Clock) -> None:
    delivered(sender, outbox)
    sender.ask("device")
    packed = sender.next()
    assert packed is not None
    sender.acknowledged(packed)
    sender.too_large(packed)
    sender.hold()
    clock.seconds += 100
    assert asked(sender) == []
    assert not sender.asking
