"""F13, F14, F16 and F18 to F20: messages, versions, names and secrets that are not what they should be."""

import json
import os
import shutil
from contextlib import closing
from pathlib import Path

import pytest

from agent.delivery.publisher import Publisher
from agent.outbox.outbox import Outbox
from bench import fuzz
from collector.broker.credentials import provision
from collector.store.opening import open_store_to_read
from commandline.broker_address import parse_broker
from contract.messages import MAX_MESSAGE_BYTES, encode_message
from contract.version import FORMAT_VERSION
from tests.agent.conftest import agent_command
from tests.canary import CANARY, may_hold
from tests.collector.command import collector
from tests.collector.factory import batch, run_records
from tests.collector.running_collector import Collector, wait_until
from tests.faults.devices import device_at
from tests.faults.sending import DEVICE, answers, begin, finish, publisher_to, stored_ranges, until
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

ROOT = Path(__file__).parents[2]
RUN, OTHER = "a" * 32, "b" * 32


@pytest.mark.parametrize("name", [*fuzz.DECODERS, *fuzz.FILES])
def test_f13_no_bytes_break_a_reader(name: str) -> None:
    executions = 100 if name in fuzz.FILES else 5000
    taken, bug = fuzz.fuzz(name, executions, seed=os.getpid())
    assert bug is None
    assert taken > 0


def test_f14_giants_are_rejected_and_the_rest_goes_on(broker: Mosquitto, database: Path) -> None:
    good = encode_message(batch(run_records(), RUN))
    with Collector("--broker", broker.url, "--db", database), device_at(broker.port, DEVICE) as device:
        for size in (MAX_MESSAGE_BYTES - 1, MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES + 1, 900_000, 3_000_000):
            device.publish(DEVICE, good + b" " * (size - len(good)))
        device.publish(DEVICE, batch(run_records(), OTHER))
        wait_until(
            lambda: any(s.run_id == OTHER for r in device.receipts for s in r.streams), "the last receipt"
        )
    assert stored_ranges(database) == {RUN: [(0, 6)], OTHER: [(0, 6)]}
    with open_store_to_read(database) as store:
        sizes = [size for (size,) in store.tuples("SELECT bytes FROM rejected ORDER BY bytes")]
        assert sizes == [MAX_MESSAGE_BYTES + 1, 900_000]  # the broker lets nothing larger through to us


def test_f18_a_message_of_a_later_version_is_reported_kept_and_not_repeated(
    broker: Mosquitto, database: Path
) -> None:
    newer = json.loads(encode_message(batch(run_records(), RUN)))
    newer["format_version"] = FORMAT_VERSION + 1
    with Collector("--broker", broker.url, "--db", database), device_at(broker.port, DEVICE) as device:
        device.publish(DEVICE, json.dumps(newer).encode())
        wait_until(lambda: device.receipts, "the refusal")
        (refusal,) = device.receipts[0].streams[0].refused
        assert (refusal.first_seq, refusal.last_seq) == (0, 6)
        assert "update distilbench here" in refusal.reason
    with open_store_to_read(database) as store:
        assert store.value("SELECT length(body) FROM kept") == len(json.dumps(newer))


def test_f19_two_devices_with_one_id_deliver_and_get_a_hint(
    broker: Mosquitto, database: Path, outbox: Outbox, tmp_path: Path
) -> None:
    """Each has a state folder of its own, so each is a client of its own, and sees the other's receipts."""
    with (
        Collector("--broker", broker.url, "--db", database),
        publisher_to(broker.url, outbox) as first,
        Outbox(tmp_path / "other.db") as theirs,
    ):
        second = Publisher(parse_broker(broker.url), DEVICE, theirs)
        for box, digit in ((outbox, "a"), (theirs, "b")):
            for number in range(4):
                finish(box, begin(box, digit * 31 + str(number)))

        def hinted() -> bool:
            second.step()
            told = any("another device also have the id 'pi-5'?" in str(c.problem) for c in (first, second))
            return told and not outbox.pending() and not theirs.pending()

        until(first, hinted)
        second.close()
    assert len(stored_ranges(database)) == 8


def test_f19_two_agents_with_one_secret_get_a_hint(broker: Mosquitto, outbox: Outbox, tmp_path: Path) -> None:
    """A copied state folder. Mosquitto 2.0.11 ends the older connection without saying why."""
    secret = tmp_path / "client-secret"
    address = parse_broker(broker.url)
    with (
        closing(Publisher(address, DEVICE, outbox, secret)) as first,
        Outbox(tmp_path / "other.db") as theirs,
    ):
        second = Publisher(address, DEVICE, theirs, secret)

        def hinted() -> bool:
            second.step()
            return any(
                "does another device also have the id 'pi-5'?" in str(c.problem) for c in (first, second)
            )

        until(first, hinted)
        second.close()


def test_f19_a_forged_id_is_rejected(broker: Mosquitto, database: Path) -> None:
    with Collector("--broker", broker.url, "--db", database), device_at(broker.port, "forger") as forger:
        forger.publish("forger", batch(run_records(), RUN))
        wait_until(lambda: forger.receipts, "the refusal")
    with open_store_to_read(database) as store:
        assert store.value("SELECT count(*) FROM streams") == 0
        assert "batch of 'pi-5' came from 'forger'" in store.value("SELECT reason FROM rejected")


@pytest.mark.parametrize(
    ("lines", "acl", "state", "sentence"),
    [
        (("allow_anonymous false",), None, "not let in", "does not let this agent in: Not authorized"),
        (
            ("allow_anonymous true",),
            "topic read #\ntopic write +/+/+/state",
            "may not write",
            "does not accept",
        ),
    ],
)
def test_a_device_that_may_not_has_a_clear_state(
    tmp_path: Path,
    outbox: Outbox,
    lines: tuple[str, ...],
    acl: str | None,
    state: str,
    sentence: str,
) -> None:
    (tmp_path / "acl").write_text(f"{acl}\n")
    rules = [*lines, *([f"acl_file {tmp_path}/acl"] if acl else [])]
    begin(outbox, RUN)
    with Mosquitto(tmp_path, lines=rules) as strict, publisher_to(strict.url, outbox) as publisher:
        until(publisher, lambda: outbox.summary().link == state)
    summary = outbox.summary()
    assert summary.link == state
    assert sentence in str(summary.problem)
    assert summary.pending == 1


def test_f20_a_password_shows_nowhere(tmp_path: Path, database: Path) -> None:
    """Whatever goes wrong, what the programs say, write and are called with does not hold the secret."""
    import subprocess

    passwords, secret = tmp_path / "passwords", tmp_path / "secret"
    provision(passwords, "pi-5", hashed=True, replace=False)
    provision(passwords, "collector", hashed=True, replace=False)
    secret.touch(mode=0o600)
    secret.write_text(CANARY)
    lines = ["allow_anonymous false", f"password_file {passwords}"]
    said = []
    with Mosquitto(tmp_path, lines=lines) as strict, Outbox(tmp_path / "outbox.db") as outbox:
        finish(outbox, answers(outbox, begin(outbox, RUN), 3))
        for url in (strict.url.replace("//", "//collector@"), f"mqtt://collector:{CANARY}@127.0.0.1", "x://"):
            said.append(collector("serve", "--broker", url, "--password-file", secret, "--db", database))
    state = ("--state-dir", tmp_path, "--device-id", DEVICE, "--flush-seconds", "2")
    shutil.copy(secret, may_hold(tmp_path / "open"))
    (tmp_path / "open").chmod(0o644)
    with Mosquitto(tmp_path, lines=lines) as strict:
        for file, url in (
            (secret, strict.url.replace("//", "//pi-5@")),
            (tmp_path / "open", strict.url.replace("//", "//pi-5@")),
            (secret, f"mqtts://pi-5@127.0.0.1:{strict.port}"),
            (secret, f"mqtt://pi-5:{CANARY}@127.0.0.1"),
        ):
            command = agent_command("flush", "--broker", url, "--password-file", file, *state)
            said.append(subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False))
        status = agent_command("status", "--json", "--state-dir", tmp_path)
        said.append(subprocess.run(status, capture_output=True, text=True, cwd=ROOT, check=False))
    assert {ended.returncode for ended in said} == {0, 1, 2}
    assert json.loads(said[-1].stdout)["link"] in {"not let in", "certificate refused", "unreachable"}
    for ended in said:
        assert CANARY not in ended.stdout + ended.stderr
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name not in {"secret", "open"}:
            assert CANARY.encode() not in path.read_bytes(), path
