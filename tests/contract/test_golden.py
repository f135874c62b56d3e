"""The bytes of each released format version, kept for ever: today's reader must understand them all."""

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from contract import codec
from contract.bundle import MANIFEST_FILE, decode_manifest, encode_manifest
from contract.messages import Batch, Receipt, State, decode_message, encode_message
from contract.orders.sealed import open_orders, seal_orders
from contract.records import (
    Answer,
    Canary,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    Sample,
)
from contract.topics import ROOT
from contract.version import FORMAT_VERSION, MANIFEST_VERSION
from tests.contract.examples import MANIFEST, MESSAGES, ORDER_SECRET, ORDERS

GOLDEN = Path(__file__).parent / "golden"


def golden(version: int, name: str) -> bytes:
    return (GOLDEN / f"v{version}" / f"{name}.json").read_bytes().rstrip(b"\n")


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_golden_message_of_this_version(name: str) -> None:
    data = golden(FORMAT_VERSION, name)
    assert decode_message(data) == MESSAGES[name]
    assert encode_message(MESSAGES[name]) == data


def test_golden_manifest_of_this_version() -> None:
    data = golden(FORMAT_VERSION, "manifest")
    assert decode_manifest(data) == MANIFEST
    assert encode_manifest(MANIFEST) == data


def test_golden_orders_of_this_version() -> None:
    data = golden(FORMAT_VERSION, "orders")
    assert open_orders(data, ORDERS.device_id, ORDER_SECRET) == ORDERS
    assert seal_orders(ORDERS, ORDER_SECRET) == data


def test_golden_receipt_of_version_1() -> None:
    assert decode_message(golden(1, "receipt")) == MESSAGES["receipt"]


def test_golden_state_of_version_1() -> None:
    state = MESSAGES["state"]
    assert isinstance(state, State)
    assert decode_message(golden(1, "state")) == replace(state, orders_revision=None, orders=())


def test_golden_manifest_of_version_1() -> None:
    assert decode_manifest(golden(1, "manifest")) == MANIFEST


def test_a_manifest_of_a_build_that_numbered_it_as_version_2_is_read() -> None:
    assert b'"format_version":2' in codec.encode(MANIFEST)
    assert decode_manifest(codec.encode(MANIFEST)) == MANIFEST


def field_names(value: Any, path: str = "") -> set[str]:
    """The paths of a manifest's fields; what recipe, tools, files and verification hold is free."""
    if not isinstance(value, dict) or path in ("/recipe", "/tools", "/files", "/verification"):
        return {path}
    return {name for key, inner in value.items() for name in field_names(inner, f"{path}/{key}")}


def test_agents_of_version_1_read_new_manifests(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A further field needs a further version, since the older reader would refuse the field."""
    known = field_names(json.loads(golden(MANIFEST_VERSION, "manifest")))
    data = (tiny_bundle / MANIFEST_FILE).read_bytes()
    for written in (data, encode_manifest(MANIFEST)):
        fields = json.loads(written)
        assert fields["format_version"] == MANIFEST_VERSION
        assert field_names(fields) <= known
    monkeypatch.setattr(codec, "FORMAT_VERSION", MANIFEST_VERSION)
    assert decode_manifest(data).title == json.loads(data)["title"]


def test_a_run_of_version_1_has_neither_rounds_nor_epochs() -> None:
    batch, today = decode_message(golden(1, "batch")), MESSAGES["batch"]
    assert isinstance(batch, Batch) and isinstance(today, Batch)
    assert batch.format_version == FORMAT_VERSION
    started = batch.records[0]
    assert isinstance(started, RunStarted)
    assert (started.epoch, started.settings.rounds) == (None, 1)
    assert (started.device.class_named, started.device.hypervisor) == (False, None)
    assert decode_manifest(codec.encode(started.bundle)) == MANIFEST
    old = [record for record in today.records if isinstance(record, Answer | Sample | RunFinished)]
    assert list(batch.records[1:]) == [replace(record, seq=seq) for seq, record in enumerate(old, 1)]
    new = [
        record
        for record in today.records
        if isinstance(record, RunResumed | RoundStarted | Canary | RoundFinished)
    ]
    assert len(new) == 4


def test_every_agent_reads_receipts() -> None:
    assert encode_message(MESSAGES["receipt"]) == golden(1, "receipt")
    assert json.loads(encode_message(MESSAGES["receipt"]))["format_version"] == 1


def test_a_receipt_that_names_processes_needs_version_2() -> None:
    receipt = MESSAGES["receipt"]
    assert isinstance(receipt, Receipt)
    (stream,) = receipt.streams
    (refusal,) = stream.refused
    for newer in (
        replace(stream, epochs=((0, "1d" * 8),)),
        replace(stream, refused=(replace(refusal, epoch="1d" * 8),)),
    ):
        data = encode_message(replace(receipt, streams=(newer,)))
        assert json.loads(data)["format_version"] == 2
        assert decode_message(data) == replace(receipt, streams=(newer,))


def test_the_topics_do_not_follow_the_format_version() -> None:
    assert ROOT == "distilbench/1"
