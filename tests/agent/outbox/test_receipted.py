"""What collectors have confirmed stays while there is room, and waits again once they have lost it."""

from contextlib import suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.errors import OutboxFull
from agent.outbox.outbox import Outbox
from agent.outbox.receipted import MOST_REASON_CHARS
from agent.outbox.summary import summarise
from contract.messages import MAX_RECEIPT_RANGES, Refusal, SeqRange, Stream
from contract.records import Record, RunResumed
from tests.agent.records import NOW, RUN_A, RUN_B, begin, fill, samples, waiting
from tests.collector.factory import started
from tests.faults.disks import small_disk


def stored(*ranges: SeqRange, run_id: str = RUN_A) -> Stream:
    return Stream(run_id=run_id, stored=ranges)


def test_what_is_confirmed_is_no_backlog_and_is_shown(outbox: Outbox, tmp_path: Path) -> None:
    fill(outbox, begin(outbox), 10)
    used = outbox.summary().used_bytes
    assert outbox.confirm("c", stored((0, 7))).taken == 8
    assert outbox.confirm("c", stored((0, 7))).taken == 0
    shown = summarise(tmp_path / "outbox.db")
    assert (shown.pending, shown.kept) == (2, 8)
    assert (shown.used_bytes, shown.kept_bytes) == (used // 5, used * 4 // 5)
    assert shown.dropped == 0
    assert outbox.other_devices("another") == ["device"]
    outbox.confirm("c", stored((0, 9)))
    assert outbox.other_devices("another") == []


def test_what_a_collector_has_lost_waits_again_once_it_was_asked(outbox: Outbox) -> None:
    fill(outbox, begin(outbox), 10)
    assert not outbox.confirm("c", stored((0, 9))).fewer
    doubtful = outbox.confirm("c", stored((0, 4)))
    assert (doubtful.fewer, doubtful.waiting_again, waiting(outbox)) == (True, 0, [])
    answer = outbox.confirm("c", stored((0, 4)), asked=True)
    assert answer.waiting_again == 5
    assert waiting(outbox) == [(RUN_A, seq) for seq in range(5, 10)]
    assert outbox.confirm("c", stored((0, 9))).taken == 5


def test_an_answer_counts_after_the_agent_was_started_again(outbox: Outbox, tmp_path: Path) -> None:
    fill(outbox, begin(outbox), 10)
    outbox.confirm("c", stored((0, 9)))
    with Outbox(tmp_path / "outbox.db") as again:
        assert [run.run_id for run in again.kept_runs("device")] == [RUN_A]
        assert again.kept_runs("another") == []
        assert again.confirm("c", stored(), asked=True).waiting_again == 10


def test_collectors_that_share_the_results_are_not_compared(outbox: Outbox) -> None:
    fill(outbox, begin(outbox), 10)
    outbox.confirm("one", stored((0, 4)), asked=True)
    outbox.confirm("other", stored((5, 9)), asked=True)
    for _ in range(2):
        assert outbox.confirm("one", stored((0, 4)), asked=True).waiting_again == 0
        assert outbox.confirm("other", stored((5, 9)), asked=True).waiting_again == 0
    assert outbox.confirm("third", stored(), asked=True).waiting_again == 0
    assert outbox.pending() == 0


def test_a_receipt_that_is_full_says_nothing_of_what_comes_after(outbox: Outbox) -> None:
    last = 2 * MAX_RECEIPT_RANGES
    place = begin(outbox)
    outbox.append(place._replace(next_seq=last + 5), samples(0, last + 5), NOW)
    outbox.confirm("c", stored((0, last + 4)))
    many = tuple((2 * n, 2 * n) for n in range(MAX_RECEIPT_RANGES))
    assert outbox.confirm("c", stored(*many), asked=True).waiting_again == MAX_RECEIPT_RANGES - 1


@pytest.mark.parametrize("refuse", [True, False], ids=["refused since", "waits"])
def test_a_refused_record_is_not_confirmed_by_a_later_receipt(outbox: Outbox, refuse: bool) -> None:
    """The collector may have another board's record under that number."""
    fill(outbox, begin(outbox), 3)
    if refuse:
        outbox.refuse(RUN_A, 1, 1, "another board")
    assert outbox.confirm("c", stored((0, 2))).taken == 3 - refuse
    assert outbox.summary().dropped == refuse
    outbox.release()
    assert outbox.confirm("c", stored((0, 2))).taken == refuse


def test_no_reason_takes_much_room(outbox: Outbox) -> None:
    """Whoever can write to the topic of receipts sends any, and each record has a copy."""
    fill(outbox, begin(outbox), 3)
    long = Refusal(first_seq=0, last_seq=2, reason="no" * 30_000)
    outbox.confirm("c", Stream(run_id=RUN_A, stored=(), refused=(long,)))
    (refused,) = outbox.refused()
    assert (refused.count, len(refused.reason), refused.reason[-2:]) == (3, MOST_REASON_CHARS, "n…")


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(None, 6), ("1a" * 8, 2), ("2b" * 8, 6), ("3c" * 8, 0)],
    ids=["version 1", "the first process", "the latest process", "a process of another board"],
)
def test_a_refusal_is_about_the_records_of_its_process(
    outbox: Outbox, epoch: str | None, expected: int
) -> None:
    """The other board has the first process in common with this one."""
    place = begin(outbox)
    first: list[Record] = [replace(started(), epoch="1a" * 8), *samples(1, 4)]
    later: list[Record] = [RunResumed(seq=5, epoch="2b" * 8, resumed_at=NOW), *samples(6, 4)]
    place = place._replace(next_seq=5)
    outbox.append(place, first, NOW)
    outbox.append(place._replace(next_seq=10), later, NOW)
    refusal = Refusal(first_seq=3, last_seq=8, reason="no", epoch=epoch)
    outbox.confirm("c", Stream(run_id=RUN_A, stored=(), refused=(refusal,)))
    assert sum(each.count for each in outbox.refused()) == expected


def test_confirmed_records_make_room_first_but_for_the_first_of_a_run(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db", limit_bytes=20_000) as outbox:
        place = fill(outbox, begin(outbox), 100)
        outbox.confirm("c", stored((0, 99)))
        other = begin(outbox, RUN_B)
        for _ in range(9):
            other = fill(outbox, other, 10)
        kept = outbox.gone(RUN_A)
        assert outbox.pending() == 90
        assert kept[0][0] == 1, "the first record stays until the end of its run is confirmed"
        ended = place._replace(next_seq=101, finished=True)
        outbox.append(ended, samples(100, 1), NOW)
        outbox.confirm("c", stored((0, 100)))
        with suppress(OutboxFull):
            while True:
                other = fill(outbox, other, 10)
        assert outbox.kept_runs("device") == []
        assert outbox.begin(RUN_A, "device", "again")  # nothing of it is left


def test_nothing_confirmed_is_kept_on_a_disk_that_is_short(
    outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.outbox.outbox.FREE_BYTES", 2**62)
    fill(outbox, begin(outbox), 10)
    outbox.confirm("c", stored((0, 8)))
    assert outbox.summary().kept == 1  # the first record: the run has not ended
    assert outbox.gone(RUN_A) == ((1, 8),)


def test_the_size_is_counted_as_sqlite_counts_it(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    with Outbox(path) as outbox:
        fill(outbox, begin(outbox), 10)
        outbox.confirm("c", stored((0, 4)))
        outbox._delete_receipted(300)
        outbox.remove(RUN_A, [(8, 9)])
        used = outbox._used
    with Outbox(path) as again:
        assert again._used == used > 0


def test_a_run_goes_on_if_its_end_cannot_be_committed(tmp_path: Path) -> None:
    """A disk that is full undoes what a receipt says; the receipt comes again."""
    with small_disk(tmp_path / "disk", "8m") as disk, Outbox(disk.folder / "outbox.db") as outbox:
        place = begin(outbox)
        outbox.append(place._replace(next_seq=5), [replace(started(), epoch="1a" * 8), *samples(1, 4)], NOW)
        elsewhere = Stream(run_id=RUN_A, stored=((0, 9),), epochs=((0, "1a" * 8), (3, "2b" * 8)))
        full = disk.folder / "full"
        with suppress(OSError), full.open("wb", buffering=0) as file:
            while True:
                file.write(b"x" * 4096)
        with pytest.raises(OutboxFull):
            outbox.confirm("c", elsewhere)
        assert not outbox.rolled_back(RUN_A)
        assert outbox.unfinished(RUN_A) is not None
        full.unlink()
        outbox.confirm("c", elsewhere)
        assert outbox.rolled_back(RUN_A)
        assert outbox.unfinished(RUN_A) is None
