"""F39: a stopped process or a stranger holds a lock: others say so, obey SIGTERM, and go on afterwards."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from collector.broker import credentials
from collector.errors import StorageUnavailable
from collector.store.opening import open_store, open_store_to_read
from commandline.broker_address import parse_broker
from tests.collector.delivering import take
from tests.collector.factory import batch, run_records
from tests.collector.running_collector import ROOT, Collector, connected_device, wait_until

RUN = "a" * 32
_WRITER = """
import sys, time
from pathlib import Path
from collector.store.opening import open_store
with open_store(Path(sys.argv[1])) as store, store.writing():
    print("writing", flush=True)
    time.sleep(600)
"""


@contextmanager
def stopped_writer(database: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that was stopped in the middle of a transaction, as Ctrl-Z in `collector merge` does."""
    command = [sys.executable, "-c", _WRITER, str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        process.send_signal(signal.SIGSTOP)
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def held(file: Path) -> Iterator[None]:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def test_f39_a_collector_says_that_a_writer_is_stopped_and_goes_on_after_it(database: Path) -> None:
    with Collector("--embedded-broker", "--db", database) as running:
        address = parse_broker(running.said[0].split()[2].rstrip(","))
        with connected_device(address) as device:
            with stopped_writer(database) as writer:
                device.publish(batch(run_records(), RUN))
                wait_until(lambda: len(running.said) > 1, "the sentence")
                assert f"database {str(database)!r} is locked by process {writer.pid}" in running.said[1]
                assert running.said[1].endswith("nothing is acknowledged until it works again")
                assert device.receipts == []
            wait_until(lambda: device.has_receipt_through(RUN, 6), "the receipt afterwards")
        assert running.end() == 0
        assert running.said[2] == "the database can be written again"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_f39_a_collector_that_waits_for_a_lock_obeys_signals(database: Path, number: signal.Signals) -> None:
    with Collector("--embedded-broker", "--db", database) as running:
        address = parse_broker(running.said[0].split()[2].rstrip(","))
        with stopped_writer(database), connected_device(address) as device:
            device.publish(batch(run_records(), RUN))
            wait_until(lambda: len(running.said) > 1, "the sentence")
            begun = time.monotonic()
            assert running.end(number) == 0
            assert time.monotonic() - begun < 15.0
    with open_store_to_read(database) as store:
        assert store.value("SELECT count(*) FROM answers") == 0
        assert store.value("PRAGMA integrity_check") == "ok"


@pytest.mark.parametrize("purpose", ["lock", "deriving"])
def test_f39_a_command_that_waits_says_for_whom_and_obeys_sigterm(database: Path, purpose: str) -> None:
    with open_store(database, create=True) as store, store.deriving():
        take(store, batch(run_records(), RUN))
    command = [sys.executable, "-m", "collector", "score", "--db", str(database)]
    with held(database.with_name(f"{database.name}-{purpose}")):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stderr is not None
        said = process.stderr.readline()
        assert f"is locked by process {os.getpid()}, which may be stopped" in said
        process.terminate()
        assert process.wait(15.0) in {-signal.SIGTERM, 128 + signal.SIGTERM}
        process.stderr.close()


def test_f39_a_command_that_waited_does_its_work(database: Path) -> None:
    open_store(database, create=True).close()
    command = [sys.executable, "-m", "collector", "score", "--db", str(database)]
    with held(database.with_name(f"{database.name}-lock")):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        assert process.stderr is not None
        assert "waiting for it" in process.stderr.readline()
    assert process.wait(20.0) == 0
    process.stderr.close()


def test_f39_only_who_may_write_the_database_can_hold_its_locks(database: Path) -> None:
    before = os.umask(0o022)
    try:
        with open_store(database, create=True) as store, store.deriving(), store.served():
            pass
        modes = {file.name: file.stat().st_mode & 0o777 for file in database.parent.glob("*.db-*")}
        locks = ("results.db-lock", "results.db-deriving", "results.db-serving")
        assert {modes.get(name) for name in locks} == {0o600}
        database.with_name("results.db-lock").chmod(0o644)  # as an earlier version made it
        database.chmod(0o664)  # a group writes it together
        open_store(database).close()
        assert database.with_name("results.db-lock").stat().st_mode & 0o777 == 0o660
    finally:
        os.umask(before)


def test_f39_provision_does_not_wait_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "_LOCK_SECONDS", 0.2)
    with held(tmp_path), pytest.raises(StorageUnavailable, match=r"is locked by process \d+"):
        credentials.provision(tmp_path / "passwords", "pi-5", hashed=True, replace=False)
    assert credentials.provision(tmp_path / "passwords", "pi-5", hashed=True, replace=False)
