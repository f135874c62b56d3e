"""A manifest may only name plain files of bounded size."""

import pytest

from contract import codec
from contract.bundle import MAX_MANIFEST_BYTES, decode_manifest
from contract.errors import Malformed, TooNew
from tests.contract.examples import MANIFEST

WIRE = codec.encode(MANIFEST)


@pytest.mark.parametrize(
    "name", ["../model.onnx", "/etc/passwd", "a/b", "..", ".hidden", "manifest.json", "", "a\\nb", "x" * 101]
)
def test_only_plain_file_names(name: str) -> None:
    entry = f'"{name}":{{"bytes":1,"sha256":"{"0" * 64}"}},"model.onnx"'.encode()
    with pytest.raises(Malformed, match="not a plain file name"):
        decode_manifest(WIRE.replace(b'"model.onnx"', entry, 1))


@pytest.mark.parametrize("missing", ["model.onnx", "tokenizer.json"])
def test_model_and_tokenizer_are_required(missing: str) -> None:
    with pytest.raises(Malformed, match=missing):
        decode_manifest(WIRE.replace(f'"{missing}"'.encode(), b'"other.bin"'))


def test_sizes_have_caps() -> None:
    with pytest.raises(Malformed, match="at most"):
        decode_manifest(WIRE.replace(b'"bytes":23000000', b'"bytes":99000000000'))
    with pytest.raises(Malformed, match="at most"):
        decode_manifest(WIRE + b" " * MAX_MANIFEST_BYTES)


def test_a_later_manifest_is_refused_with_advice() -> None:
    with pytest.raises(TooNew, match="update distilbench"):
        decode_manifest(WIRE.replace(b'"format_version":2', b'"format_version":7'))


def test_an_unknown_field_is_quoted() -> None:
    with pytest.raises(Malformed, match="hyperdrive"):
        decode_manifest(WIRE.replace(b'"format_version":2', b'"format_version":2,"hyperdrive":true'))
