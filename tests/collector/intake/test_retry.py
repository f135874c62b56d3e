import json
from pathlib import Path

import pytest

from collector.intake import rejected
from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.intake.retry import Retried, retry
from collector.store.database import Store
from collector.store.opening import open_store
from contract import codec, messages
from contract.messages import encode_message
from contract.topics import topic
from contract.version import FORMAT_VERSION
from tests.collector.command import printed
from tests.collector.factory import batch, run_records

RUN = "0" * 31 + "1"
TOPIC = topic("pi-5", "results")
NEXT = FORMAT_VERSION + 1
GOOD = encode_message(batch(run_records(), RUN))
TOO_NEW = json.dumps({**json.loads(GOOD), "format_version": NEXT, "mood": "good"}).encode()


def update(patch: pytest.MonkeyPatch) -> None:
    """Install, as it were, a distilbench that knows the next version."""
    newest = {"format_version": NEXT}
    patch.setattr(codec, "FORMAT_VERSION", NEXT)
    patch.setitem(codec.UPGRADES, FORMAT_VERSION, lambda fields: {**fields, **newest})
    lenient = messages._DECODER
    patch.setattr(
        "contract.codec.decode_json",
        lambda data, decoder, what, plain=codec.decode_json: plain(
            json.dumps({k: v for k, v in json.loads(data).items() if k != "mood"}).encode()
            if decoder is lenient
            else data,
            decoder,
            what,
        ),
    )


def test_what_was_too_new_is_stored_after_an_update(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ingest(store, [Delivery(TOPIC, TOO_NEW, TOPIC)] * 2)
    assert retry(store) == Retried(accepted=0, stored=0, still_rejected=1)
    assert store.value("SELECT body FROM kept") == TOO_NEW
    with monkeypatch.context() as patch:
        update(patch)
        assert retry(store) == Retried(accepted=1, stored=7, still_rejected=0)
    assert store.value("SELECT count(*) FROM rejected") == 0
    assert store.value("SELECT count(*) FROM answers") == 4
    assert retry(store) == Retried(0, 0, 0)


def test_what_no_update_can_help_is_not_kept_whole(store: Store) -> None:
    ingest(store, [Delivery(TOPIC, data, TOPIC) for data in (b"{", b"\xff" * 5000, b'{"format_version":1}')])
    assert store.value("SELECT count(*) FROM rejected") == 3
    assert store.value("SELECT count(*) FROM kept") == 0


def test_nobody_fills_the_disk_with_what_is_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejected, "KEPT_BYTES", 3 * (len(TOO_NEW) + rejected.ROW_BYTES) + 10)
    flood = [TOO_NEW.replace(b"good", f"{n:04}".encode()) for n in range(5)]
    for data in flood:
        ingest(store, [Delivery(TOPIC, data, TOPIC)])
    assert store.value("SELECT count(*) FROM rejected") == 5
    assert store.value("SELECT count(*) FROM kept") == 3


def test_from_the_command_line(database: Path) -> None:
    with open_store(database, create=True) as store:
        ingest(store, [Delivery(TOPIC, TOO_NEW, TOPIC)])
    assert json.loads(printed("rejected", "--json", "--db", database))[0]["bytes"] == len(TOO_NEW)
    assert printed("rejected", "retry", "--db", database) == (
        "0 messages with 0 new records stored, 1 still rejected\n"
    )
