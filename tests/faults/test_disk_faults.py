"""F9 to F11: disks that are full, and files that are no longer whole."""

import subprocess
from pathlib import Path

import pytest

from agent.errors import OutboxFull
from agent.outbox.outbox import Outbox
from agent.outbox.state_folder import opened_state
from agent.stop_signal import Stop
from tests.agent.conftest import agent_command, agent_environment, write_questions
from tests.agent.running.test_run import check_run, read_runs
from tests.collector.command import collector
from tests.collector.factory import answer
from tests.collector.running_collector import Collector, wait_until
from tests.faults.disks import small_disk
from tests.faults.sending import SECONDS, answers, append, begin, finish, publisher_to, stored_ranges, until
from tests.mosquitto import Mosquitto

RUN, OTHER = "a" * 32, "b" * 32


def test_f9_a_full_outbox_waits_for_receipts(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db", limit_bytes=20_000) as outbox:
        place = begin(outbox, RUN)
        place = answers(outbox, place, 30)
        kept = outbox.pending()
        with pytest.raises(OutboxFull, match="waits for receipts"):
            answers(outbox, place, 30)
        assert outbox.pending() == kept == place.next_seq
        outbox.remove(RUN, [(0, 30)])
        place = answers(outbox, place, 10)
        assert outbox.pending() == kept - 31 + 10
        assert outbox.summary().used_bytes <= 20_000


def test_f9_the_oldest_are_dropped_by_choice_and_counted(tmp_path: Path) -> None:
    with Outbox(tmp_path / "outbox.db", limit_bytes=60_000, when_full="drop-oldest") as outbox:
        finish(outbox, answers(outbox, begin(outbox, RUN), 30))
        place = answers(outbox, begin(outbox, OTHER), 300)
        summary = outbox.summary()
        assert summary.used_bytes <= 60_000
        assert summary.gone[0].reason == "the outbox was full"
        assert summary.pending + summary.dropped == 32 + place.next_seq
        left = {(row.run_id, row.seq) for row in outbox.rows(0, 10_000)}
        assert {(RUN, 0), (RUN, 31), (OTHER, 0), (OTHER, 300)} <= left
        assert summary.hours_left is None or summary.hours_left >= 0


def test_f9_a_run_on_a_full_disk_pauses_and_goes_on(tiny_bundle: Path, tmp_path: Path) -> None:
    questions = write_questions(tmp_path, 60, sentences=1)
    with small_disk(tmp_path / "disk", "144k") as disk:
        out = tmp_path / "out.jsonl"
        command = agent_command("run", tiny_bundle, "--questions", questions, "--to-file", out)
        with (tmp_path / "said").open("w") as said:
            agent = subprocess.Popen(
                [*command, "--device-id", "pi-5"], env=agent_environment(disk.folder / "s"), stderr=said
            )
        try:
            wait_until(lambda: "pausing: the disk" in (tmp_path / "said").read_text(), "the pause")
            disk.resize("8m")
            assert agent.wait(120) == 0, (tmp_path / "said").read_text()
        finally:
            agent.kill()
            agent.wait()
        (records,) = read_runs(out).values()
        assert check_run(records, [f"bridge-{n}" for n in range(60)]).status == "complete"


@pytest.mark.broker
def test_f10_what_a_full_disk_does_not_take_is_not_acknowledged(
    broker: Mosquitto, outbox: Outbox, stop: Stop, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "700k") as disk:
        database = disk.folder / "results.db"
        with Collector("--broker", broker.url, "--db", database) as collector:
            place = answers(outbox, begin(outbox, RUN), 6000)
            with publisher_to(broker.url, outbox) as publisher:
                until(publisher, lambda: "nothing is acknowledged" in " ".join(collector.said))
                assert outbox.pending() > 0
                disk.resize("32m")
                finish(outbox, place)
                publisher.drain(SECONDS, stop)
            assert outbox.pending() == 0
            assert "the database can be written again" in collector.said
        assert stored_ranges(database) == {RUN: [(0, 6001)]}


def damage(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xa5" * 4096 + whole[8192:])


def test_f11_a_damaged_outbox_is_moved_aside_and_the_device_goes_on(tmp_path: Path) -> None:
    said: list[str] = []
    with opened_state(tmp_path, "pi-5", said.append) as state:
        answers(state.outbox, begin(state.outbox, RUN), 200)
    damage(tmp_path / "outbox.db")
    with opened_state(tmp_path, "pi-5", said.append) as state:
        assert state.outbox.pending() == 0
        append(state.outbox, begin(state.outbox, OTHER), [answer(1, "q1")])
    (alarm,) = said
    assert "damaged" in alarm or "malformed" in alarm
    (aside,) = tmp_path.glob("outbox.db.damaged-*Z")
    assert str(aside) in alarm
    assert "results in it are not delivered" in alarm


def test_f11_a_damaged_database_stops_the_collector_with_a_sentence(database: Path) -> None:
    database.write_bytes(b"SQLite format 3\0" + b"\x00" * 5000)
    ended = collector("serve", "--embedded-broker", "--db", database)
    assert ended.returncode == 1
    assert len(ended.stderr.splitlines()) == 1
    assert "is not a distilbench database" in ended.stderr
