"""Files as other programs write them: encodings, byte-order marks, gzip, and what is no text at all."""

import gzip

import pytest

from contract.errors import Malformed
from contract.foreign.encodings import as_utf8

TEXT = '{"café": "Müller 🌋"}\n'


def read(data: bytes) -> str:
    return as_utf8(data, "file", 1000).decode()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("packed", [False, True])
def test_encoding_mark_and_compression_make_no_difference(encoding: str, mark: str, packed: bool) -> None:
    data = (mark + TEXT).encode(encoding)
    assert read(gzip.compress(data) if packed else data) == TEXT


def test_parts_that_were_compressed_one_by_one_are_read_as_one() -> None:
    assert read(gzip.compress(b'{"a":') + gzip.compress(b" 1}")) == '{"a": 1}'


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf \r\n", "is empty"),
        (b"\xff\xfe", "is empty"),
        (b"x" * 1001, "more than 1000 bytes"),
        (gzip.compress(b"x" * 1_000_000), "more than 1000 bytes"),
        (gzip.compress(b"x" * 100)[:-9], "cut off: copy it again"),
        (gzip.compress(b"x")[:12] + b"\0" * 20, "damaged .*: copy it again"),
        (b"\xff\xfe\x00\xd8{\x00", "UTF-16 text that is damaged at byte 2: .* save it as UTF-8"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        (b"PAR1\x15\x04", "a Parquet file: .*export-models questions squad --from"),
        (b"PK\x03\x04\x14\0", "a ZIP archive: unpack it"),
        (b"<!DOCTYPE html>", "a web page or XML"),
    ],
)
def test_what_cannot_be_read_says_what_to_do(data: bytes, complaint: str) -> None:
    with pytest.raises(Malformed, match=f"^file .*{complaint}") as caught:
        read(data)
    assert "\n" not in str(caught.value)
