"""The bytes of each released format version, kept for ever: today's reader must understand them all."""

from pathlib import Path

import pytest

from contract import codec
from contract.bundle import decode_manifest
from contract.messages import decode_message, encode_message
from tests.contract.examples import MANIFEST, MESSAGES

V1 = Path(__file__).parent / "golden" / "v1"


@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_golden_message_of_version_1(name: str) -> None:
    data = (V1 / f"{name}.json").read_bytes().rstrip(b"\n")
    assert decode_message(data) == MESSAGES[name]
    assert encode_message(MESSAGES[name]) == data


def test_golden_manifest_of_version_1() -> None:
    data = (V1 / "manifest.json").read_bytes().rstrip(b"\n")
    assert decode_manifest(data) == MANIFEST
    assert codec.encode(MANIFEST) == data
