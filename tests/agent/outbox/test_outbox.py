import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.delivery.batches import MAX_RECORDS, pack
from agent.errors import OutboxDamaged, OutboxRolledBack, StateUnusable
from agent.outbox.interrupted import end_runs_of_older_versions
from agent.outbox.outbox import DEFAULT_LIMIT_BYTES, Added, Outbox, Place
from agent.outbox.state_folder import opened_state
from agent.outbox.summary import RefusedRecords, Summary, UnfinishedRun, summarise
from contract.messages import MAX_MESSAGE_BYTES, Batch, decode_message
from contract.records import Answer, Record, RunFinished
from tests.agent.conftest import agent_environment
from tests.agent.records import NOW, RUN_A, RUN_B, begin, fill, samples, waiting


def test_records_wait_in_the_order_of_appending(outbox: Outbox) -> None:
    a, b = begin(outbox, RUN_A), begin(outbox, RUN_B)
    a = fill(outbox, a, 2)
    b = fill(outbox, b, 1)
    fill(outbox, a, 1)
    assert waiting(outbox) == [(RUN_A, 0), (RUN_A, 1), (RUN_B, 0), (RUN_A, 2)]
    assert outbox.pending() == 4
    assert [row.seq for row in outbox.rows(0, 10, RUN_A)] == [0, 1, 2]


@given(
    appended=st.lists(st.integers(1, 5), min_size=1, max_size=8),
    ranges=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=6),
)
@settings(max_examples=40)
def test_only_what_is_receipted_leaves(
    tmp_path_factory: pytest.TempPathFactory, appended: list[int], ranges: list[tuple[int, int]]
) -> None:
    path = tmp_path_factory.mktemp("outbox") / "outbox.db"
    with Outbox(path) as outbox:
        place = begin(outbox)
        for count in appended:
            place = fill(outbox, place, count)
        removed = outbox.remove(RUN_A, ranges)
        left = [
            seq for seq in range(place.next_seq) if not any(first <= seq <= last for first, last in ranges)
        ]
        assert waiting(outbox) == [(RUN_A, seq) for seq in left]
        assert removed == place.next_seq - len(left)
        assert outbox.remove(RUN_A, ranges) == 0
        assert outbox.remove(RUN_B, [(0, 40)]) == 0
    with Outbox(path) as again:
        assert waiting(again) == [(RUN_A, seq) for seq in left]
        numbers_are_taken = any(last >= place.next_seq for _, last in ranges)
        assert again.unfinished(RUN_A) == (None if numbers_are_taken else place)


def test_a_position_is_never_used_twice(outbox: Outbox) -> None:
    place = fill(outbox, begin(outbox), 3)
    last = outbox.rows(0, 10)[-1].position
    outbox.remove(RUN_A, [(0, 2)])
    fill(outbox, place, 1)
    assert [row.seq for row in outbox.rows(last, 10)] == [3]


def test_a_gap_is_not_appended(outbox: Outbox) -> None:
    place = fill(outbox, begin(outbox), 1)
    with pytest.raises(AssertionError, match="no gaps"):
        outbox.append(place._replace(next_seq=3), samples(2, 1), NOW)
    assert waiting(outbox) == [(RUN_A, 0)]


def test_a_finished_run_is_forgotten_with_its_last_record(outbox: Outbox) -> None:
    place = fill(outbox, begin(outbox), 2)
    assert outbox.unfinished(RUN_A) == place
    outbox.append(place._replace(next_seq=3, finished=True), samples(2, 1), NOW)
    assert outbox.unfinished(RUN_A) is None
    outbox.remove(RUN_A, [(0, 1)])
    assert waiting(outbox) == [(RUN_A, 2)]
    outbox.remove(RUN_A, [(2, 2)])
    assert outbox.begin(RUN_A, "device", "again") == Place(RUN_A)


def test_what_is_refused_is_kept_with_its_reason_and_not_sent(outbox: Outbox, tmp_path: Path) -> None:
    fill(outbox, begin(outbox), 5)
    outbox.refuse(RUN_A, 1, 2, "unknown mark")
    assert [seq for _, seq in waiting(outbox)] == [0, 3, 4]
    expected = Summary(
        pending=3,
        oldest=NOW,
        dropped=2,
        refused=(RefusedRecords("unknown mark", 2),),
        unfinished_runs=1,
        unfinished=(UnfinishedRun(RUN_A, 0),),
        used_bytes=outbox.summary().used_bytes,
        limit_bytes=DEFAULT_LIMIT_BYTES,
    )
    assert outbox.summary() == expected
    assert summarise(tmp_path / "outbox.db") == expected


def test_an_outbox_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert summarise(tmp_path / "outbox.db") == Summary()


def test_a_run_that_an_older_version_began_ends_as_interrupted_and_is_delivered_in_its_version(
    tmp_path: Path,
) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        place = fill(outbox, begin(outbox), 2)
        ended = begin(outbox, RUN_B)
        outbox.append(ended._replace(next_seq=1, finished=True), samples(0, 1), NOW)
    with sqlite3.connect(tmp_path / "outbox.db") as database:
        database.execute("UPDATE runs SET format_version = 1")
    database.close()
    with Outbox(tmp_path / "outbox.db") as outbox:
        assert outbox.unfinished(RUN_A) is None
        assert outbox.unfinished_of_older_versions() == [place]
        assert end_runs_of_older_versions(outbox) == 1
        assert end_runs_of_older_versions(outbox) == 0
        packed = pack(outbox.rows(0, 10, RUN_A))
        assert json.loads(packed.payload)["format_version"] == 1
        message = decode_message(packed.payload)
        assert isinstance(message, Batch)
        *old, last = message.records
        assert old == samples(0, 2)
        assert isinstance(last, RunFinished)
        assert (last.seq, last.status) == (2, "interrupted")
        assert "distilbench was updated" in last.reason


def test_results_of_another_device_are_known(outbox: Outbox) -> None:
    fill(outbox, begin(outbox, RUN_A, "kitchen"), 1)
    begin(outbox, RUN_B, "attic")
    assert outbox.other_devices("kitchen") == []
    assert outbox.other_devices("attic") == ["kitchen"]


def test_a_file_that_is_no_outbox_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "outbox.db"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StateUnusable, match="is damaged: it does not begin as a database"):
        Outbox(path)
    with pytest.raises(StateUnusable, match="file is not a database"):
        summarise(path)


def test_an_outbox_of_a_later_version_is_reported(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db"):
        pass
    database = sqlite3.connect(tmp_path / "outbox.db")
    database.execute("PRAGMA user_version = 99")
    with pytest.raises(OutboxDamaged, match="its number is 99"):
        Outbox(tmp_path / "outbox.db")
    database.execute("CREATE TABLE later (column TEXT)")
    database.close()
    with pytest.raises(StateUnusable, match="update distilbench here"):
        Outbox(tmp_path / "outbox.db")


def test_an_outbox_is_private_to_its_user(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db") as outbox:
        begin(outbox)
        files = list(tmp_path.iterdir())
        assert {file.name for file in files} == {"outbox.db", "outbox.db-wal", "outbox.db-shm"}
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_damage_that_is_found_in_use_is_moved_aside(tmp_path: Path) -> None:
    with opened_state(tmp_path, "d", print) as state:
        fill(state.outbox, begin(state.outbox), 1)
    database = sqlite3.connect(tmp_path / "outbox.db")
    database.execute("UPDATE runs SET device_id = CAST(x'ff' AS TEXT)")
    database.commit()
    database.close()
    told = r"is damaged: .* it was moved to .* run the same command again"
    with pytest.raises(StateUnusable, match=told), opened_state(tmp_path, "d", print):
        pytest.fail("nobody can say whose results wait")
    assert list(tmp_path.glob("outbox.db.damaged-*Z"))
    with opened_state(tmp_path, "d", print) as state:
        assert state.outbox.pending() == 0


def test_a_killed_writer_leaves_whole_transactions(tmp_path: Path) -> None:
    script = f"""
from pathlib import Path
from agent.outbox.outbox import Outbox
from tests.agent.records import begin, fill
with Outbox(Path({str(tmp_path / "outbox.db")!r})) as outbox:
    place = begin(outbox)
    while True:
        place = fill(outbox, place, 7)
        print(place.next_seq, flush=True)
"""
    writer = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, env=agent_environment(tmp_path)
    )
    assert writer.stdout is not None
    committed = [int(writer.stdout.readline()) for _ in range(20)]
    os.kill(writer.pid, signal.SIGKILL)
    committed += [int(line) for line in writer.stdout.read().splitlines()]
    writer.wait()
    writer.stdout.close()
    with Outbox(tmp_path / "outbox.db") as outbox:
        count = outbox.pending()
        assert count % 7 == 0
        assert count >= committed[-1]  # everything that was reported as committed is there
        assert waiting(outbox) == [(RUN_A, seq) for seq in range(count)]


def test_a_message_holds_records_of_one_run_in_order(outbox: Outbox) -> None:
    a = fill(outbox, begin(outbox, RUN_A), MAX_RECORDS + 10)
    fill(outbox, begin(outbox, RUN_B), 5)
    rows = outbox.rows(0, 1000)
    first = pack(rows)
    assert len(first.rows) == MAX_RECORDS
    second = pack(rows[len(first.rows) :])
    assert {row.run_id for row in second.rows} == {RUN_A}
    assert [row.seq for row in second.rows] == list(range(MAX_RECORDS, a.next_seq))
    message = decode_message(second.payload)
    assert isinstance(message, Batch)
    assert (message.device_id, message.run_id) == ("device", RUN_A)
    assert [record.seq for record in message.records] == [row.seq for row in second.rows]


@given(sizes=st.lists(st.integers(0, 9_000), min_size=1, max_size=60))
@settings(max_examples=30)
def test_a_message_never_exceeds_its_limit(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    with Outbox(tmp_path_factory.mktemp("outbox") / "outbox.db") as outbox:
        answers: list[Record] = [answer(seq, "ü" * size) for seq, size in enumerate(sizes)]
        outbox.append(begin(outbox)._replace(next_seq=len(sizes)), answers, NOW)
        rows = outbox.rows(0, 1000)
        packed = []
        while rows:
            packed.append(pack(rows))
            assert len(packed[-1].payload) <= MAX_MESSAGE_BYTES
            rows = rows[len(packed[-1].rows) :]
        messages = [decode_message(one.payload) for one in packed]
    assert [r for m in messages if isinstance(m, Batch) for r in m.records] == answers


def answer(seq: int, text: str) -> Answer:
    return Answer(
        seq=seq,
        at_ns=0,
        question_id="q",
        text=text,
        start_char=0,
        end_char=len(text),
        confidence=0.5,
        tokenize_ns=1,
        infer_ns=1,
        decode_ns=1,
        windows=1,
        tokens=1,
    )


def test_a_run_whose_numbers_a_collector_has_already_is_not_continued(outbox: Outbox) -> None:
    """The disk was restored from a copy, or lost writes: the collector knows a later state of it."""
    place = fill(outbox, begin(outbox), 5)
    assert outbox.remove(RUN_A, [(0, 4)]) == 5
    assert outbox.unfinished(RUN_A) == place
    place = fill(outbox, place, 2)
    assert outbox.remove(RUN_A, [(0, 9)]) == 2
    assert outbox.unfinished(RUN_A) is None
    with pytest.raises(OutboxRolledBack, match=r"has records of run .* that this outbox does not know"):
        fill(outbox, place, 1)
    fill(outbox, begin(outbox, RUN_B), 1)


def test_records_of_several_runs_are_committed_together_or_not_at_all(outbox: Outbox) -> None:
    a, b = fill(outbox, begin(outbox, RUN_A), 1), fill(outbox, begin(outbox, RUN_B), 1)
    added = [Added(place._replace(next_seq=2, finished=True), samples(1, 1)) for place in (a, b)]
    gap = Added(b._replace(next_seq=3, finished=True), samples(2, 1))
    with pytest.raises(AssertionError):
        outbox.append_together([added[0], gap], NOW)
    assert waiting(outbox) == [(RUN_A, 0), (RUN_B, 0)]
    assert outbox.unfinished(RUN_A) == a

    assert outbox.remove(RUN_B, [(0, 9)]) == 1, "a collector knows a later state of one of them"
    with pytest.raises(OutboxRolledBack):
        outbox.append_together(added, NOW)
    assert outbox.rolled_back(RUN_B) and not outbox.rolled_back(RUN_A)
    assert outbox.unfinished(RUN_A) == a

    outbox.append_together(added[:1], NOW)
    assert waiting(outbox) == [(RUN_A, 0), (RUN_A, 1)] and outbox.unfinished(RUN_A) is None
