import pytest

from agent.delivery.sender import FIRST_PATIENCE_SECONDS, MAX_IN_FLIGHT, MAX_PATIENCE_SECONDS, Sender
from agent.outbox.outbox import Outbox
from contract.messages import Receipt, Refusal, SeqRange, Stream
from tests.agent.records import RUN_A, RUN_B, begin, fill, waiting


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sender(outbox: Outbox, clock: Clock) -> Sender:
    return Sender(outbox, clock, lambda: 0.5)


def receipt(run_id: str, *stored: SeqRange, refused: tuple[Refusal, ...] = ()) -> Receipt:
    stream = Stream(run_id=run_id, stored=stored, refused=refused)
    return Receipt(device_id="device", collector_id="collector", streams=(stream,))


def sent(sender: Sender) -> list[int]:
    """The seqs of everything that is due now."""
    seqs = []
    while (packed := sender.next()) is not None:
        seqs += [row.seq for row in packed.rows]
    return seqs


def test_each_record_is_sent_once_and_forgotten_by_receipt(sender: Sender, outbox: Outbox) -> None:
    place = fill(outbox, begin(outbox), 5)
    assert sent(sender) == [0, 1, 2, 3, 4]
    fill(outbox, place, 2)
    assert sent(sender) == [5, 6]
    assert sender.take(receipt(RUN_A, (0, 6))) == 7
    assert sender.take(receipt(RUN_A, (0, 6))) == 0
    assert waiting(outbox) == []


def test_what_is_not_receipted_in_time_is_sent_again_from_the_oldest(
    sender: Sender, outbox: Outbox, clock: Clock
) -> None:
    fill(outbox, begin(outbox), 5)
    assert sent(sender) == [0, 1, 2, 3, 4]
    sender.take(receipt(RUN_A, (1, 2), (4, 4)))
    clock.seconds += FIRST_PATIENCE_SECONDS - 0.1
    assert sent(sender) == []
    clock.seconds += 0.2
    assert sent(sender) == [0, 3]


def test_patience_doubles_up_to_a_bound_and_starts_over_with_a_receipt(
    sender: Sender, outbox: Outbox, clock: Clock
) -> None:
    place = fill(outbox, begin(outbox), 1)
    patience = FIRST_PATIENCE_SECONDS
    for _ in range(8):
        assert sent(sender) == [0]
        clock.seconds += patience - 0.1
        assert sent(sender) == []
        clock.seconds += 0.2
        patience = min(2 * patience, MAX_PATIENCE_SECONDS)
    sender.take(receipt(RUN_A, (0, 0)))
    fill(outbox, place, 1)
    assert sent(sender) == [1]
    clock.seconds += FIRST_PATIENCE_SECONDS + 0.1
    assert sent(sender) == [1]


def test_a_bounded_number_of_batches_is_in_flight(sender: Sender, outbox: Outbox) -> None:
    place = begin(outbox)
    batches = []
    for seq in range(MAX_IN_FLIGHT + 3):
        place = fill(outbox, place, 1)
        batches.append(sender.next())
        assert (batches[-1] is None) == (seq >= MAX_IN_FLIGHT)
    sender.take(receipt(RUN_A, (0, 0)))
    assert sent(sender) == [8, 9, 10]


def test_a_receipt_of_a_part_does_not_land_the_batch(sender: Sender, outbox: Outbox) -> None:
    place = begin(outbox)
    for _ in range(MAX_IN_FLIGHT):
        place = fill(outbox, place, 2)
        assert sender.next() is not None
    place = fill(outbox, place, 1)
    sender.take(receipt(RUN_A, (0, 0)))
    assert sender.next() is None
    sender.take(receipt(RUN_A, (0, 1)))
    assert sent(sender) == [16]


def test_a_new_connection_begins_at_the_oldest(sender: Sender, outbox: Outbox) -> None:
    fill(outbox, begin(outbox), 4)
    assert sent(sender) == [0, 1, 2, 3]
    sender.take(receipt(RUN_A, (0, 1)))
    sender.restart()
    assert sent(sender) == [2, 3]


def test_nobody_listening_means_a_pause(sender: Sender, outbox: Outbox, clock: Clock) -> None:
    fill(outbox, begin(outbox), 2)
    assert sent(sender) == [0, 1]
    sender.hold()
    assert sent(sender) == []
    clock.seconds += FIRST_PATIENCE_SECONDS + 0.1
    assert sent(sender) == [0, 1]


def test_it_tells_since_when_nothing_is_receipted_however_often_it_is_sent(
    sender: Sender, outbox: Outbox, clock: Clock
) -> None:
    def since() -> float | None:
        return sender.waiting_since

    fill(outbox, begin(outbox), 5)
    assert since() is None
    sent(sender)
    begun = clock.seconds
    for patience in (10, 20, 40):
        clock.seconds += patience + 0.1
        assert sent(sender) == [0, 1, 2, 3, 4]
        assert since() == begun
    sender.take(receipt(RUN_A, (0, 2)))
    assert since() == clock.seconds
    sender.lost()
    assert since() is None
    clock.seconds += 1
    sent(sender)
    assert since() == clock.seconds
    sender.take(receipt(RUN_A, (0, 4)))
    assert since() is None


def test_what_is_refused_lands_and_is_not_sent_again(sender: Sender, outbox: Outbox) -> None:
    fill(outbox, begin(outbox), 3)
    assert sent(sender) == [0, 1, 2]
    sender.take(receipt(RUN_A, (0, 0), (2, 2), refused=(Refusal(first_seq=1, last_seq=1, reason="odd"),)))
    assert waiting(outbox) == []
    assert outbox.summary().dropped == 1
    sender.restart()
    assert sent(sender) == []


def test_a_receipt_of_another_run_changes_nothing(sender: Sender, outbox: Outbox) -> None:
    fill(outbox, begin(outbox), 3)
    assert sent(sender) == [0, 1, 2]
    assert sender.take(receipt(RUN_B, (0, 100))) == 0
    assert len(waiting(outbox)) == 3
