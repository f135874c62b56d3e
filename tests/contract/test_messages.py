"""Decoding is strict, and whatever is wrong is a ContractError that quotes it."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.errors import ContractError, Malformed, TooNew
from contract.messages import MAX_MESSAGE_BYTES, Batch, Stream, decode_message, encode_message
from contract.records import Answer
from contract.topics import parse_topic, topic
from contract.version import FORMAT_VERSION
from tests.contract.examples import BATCH, MESSAGES, RUN_ID

WIRE = encode_message(BATCH)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (b'"windows":1', b'"windows":1,"extra":2', "extra"),
        (b'"confidence":0.8125', b'"confidence":1.5', "confidence"),
        (b'"confidence":0.8125', b'"confidence":NaN', "not valid JSON"),
        (b'"at_ns":2000000000', b'"at_ns":-1', "at_ns"),
        (b'"at_ns":2000000000', b'"at_ns":9223372036854775808', "at_ns"),
        (b'"kitchen-pi-3f2a1c"', b'"../etc/+"', "device_id"),
        (b'"type":"batch"', b'"type":"telegram"', "telegram"),
        (b"2026-11-24T12:30:00.250Z", b"yesterday", "started_at"),
        (RUN_ID.encode(), RUN_ID.encode() + b"\\n", "run_id"),
    ],
)
def test_what_does_not_fit_is_malformed_and_named(old: bytes, new: bytes, complaint: str) -> None:
    assert old in WIRE
    with pytest.raises(Malformed, match=complaint):
        decode_message(WIRE.replace(old, new))


def test_a_later_version_is_refused_with_advice_whatever_else_it_holds() -> None:
    with pytest.raises(TooNew, match="update distilbench here"):
        decode_message(b'{"format_version":%d,"type":"hologram","depth":3}' % (FORMAT_VERSION + 1))


def test_a_version_that_never_was_is_malformed() -> None:
    with pytest.raises(Malformed, match="never existed"):
        decode_message(b'{"format_version":0,"type":"batch"}')


def test_a_giant_message_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(Malformed, match=str(MAX_MESSAGE_BYTES)):
        decode_message(b"[" * (MAX_MESSAGE_BYTES + 1))


def test_deep_nesting_is_malformed() -> None:
    deep = WIRE.replace(b'"recipe":{', b'"recipe":{"deep":' + b"[" * 50_000 + b"]" * 50_000 + b",", 1)
    with pytest.raises(Malformed, match="nested too deeply"):
        decode_message(deep)


@given(st.binary(max_size=200))
def test_noise_never_raises_anything_else(noise: bytes) -> None:
    with pytest.raises(ContractError):
        decode_message(noise)


@given(st.integers(0, len(WIRE) - 1), st.integers(0, 255))
def test_one_changed_byte_decodes_or_is_refused(place: int, byte: int) -> None:
    data = WIRE[:place] + bytes([byte]) + WIRE[place + 1 :]
    try:
        message = decode_message(data)
    except ContractError:
        return
    assert decode_message(encode_message(message)) == message


@given(st.text(min_size=1, max_size=20))
def test_a_complaint_is_one_printable_line(field: str) -> None:
    hostile = json.dumps({"format_version": 1, "type": "batch", field + "\x1b[2J\n": 0}, ensure_ascii=False)
    with pytest.raises(Malformed) as caught:
        decode_message(hostile.encode("utf-8", "surrogatepass"))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_messages_are_readable_json_with_their_type(name: str) -> None:
    assert json.loads(encode_message(MESSAGES[name]))["type"] == name


answers = st.builds(
    Answer,
    seq=st.integers(0, 2**63 - 1),
    at_ns=st.integers(0, 2**63 - 1),
    question_id=st.text(min_size=1, max_size=20),
    text=st.text(max_size=50),
    start_char=st.integers(0, 10**9),
    end_char=st.integers(0, 10**9),
    confidence=st.floats(0, 1),
    tokenize_ns=st.integers(0, 10**12),
    infer_ns=st.integers(0, 10**12),
    decode_ns=st.integers(0, 10**12),
    windows=st.integers(0, 1000),
    tokens=st.integers(0, 10**6),
    repeat=st.integers(0, 100),
    error=st.none() | st.text(max_size=50),
)


@given(st.lists(answers, max_size=5))
def test_decoding_undoes_encoding(records: list[Answer]) -> None:
    batch = Batch(device_id="pi", run_id=RUN_ID, records=tuple(records))
    assert decode_message(encode_message(batch)) == batch


@given(st.sets(st.integers(0, 60)))
def test_high_water_mark_and_gaps_follow_from_the_stored_ranges(stored: set[int]) -> None:
    ranges: list[tuple[int, int]] = []
    for seq in sorted(stored):
        if ranges and ranges[-1][1] == seq - 1:
            ranges[-1] = (ranges[-1][0], seq)
        else:
            ranges.append((seq, seq))
    stream = Stream(run_id=RUN_ID, stored=tuple(ranges))
    missing = {seq for first, last in stream.gaps for seq in range(first, last + 1)}
    assert missing == set(range(max(stored, default=-1) + 1)) - stored
    assert set(range(stream.through + 1)) <= stored
    assert stream.through + 1 not in stored


def test_topics_round_trip_and_foreign_ones_are_refused() -> None:
    assert parse_topic(topic("pi-4.attic", "receipts")) == ("pi-4.attic", "receipts")
    for foreign in (
        "distilbench/1/Pi/results",
        "distilbench/1/a/b/results",
        "distilbench/1/pi/results\n",
        "x",
    ):
        with pytest.raises(Malformed):
            parse_topic(foreign)


def test_unset_options_cost_no_bytes() -> None:
    record = msgspec.structs.replace(BATCH.records[1])
    assert b"repeat" not in msgspec.json.encode(record)
