"""The text of a file in UTF-8, whatever its encoding, and what a file is by its first bytes.

Programs for Windows write byte-order marks and UTF-16, and data sets are shared as gzip.
"""

import codecs
import zlib
from gzip import BadGzipFile, GzipFile
from io import BytesIO
from typing import Final

from contract.errors import Malformed

GZIP: Final = b"\x1f\x8b"
LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
UTF8_MARK: Final = codecs.BOM_UTF8
PARQUET: Final = b"PAR1"
ARROW_FILE: Final = b"ARROW1"
ARROW_STREAM: Final = b"\xff\xff\xff\xff"

SQLITE: Final = b"SQLite format 3\0"
_CONVERTED: Final = "'export-models questions squad --from' converts question files"
_KINDS: Final = (
    (LFS_POINTER, "a Git LFS pointer, not the file itself: run git lfs pull"),
    (PARQUET, f"a Parquet file: {_CONVERTED}"),
    (ARROW_FILE, f"an Arrow file: {_CONVERTED}"),
    (ARROW_STREAM, f"an Arrow file: {_CONVERTED}"),
    (b"PK\x03\x04", "a ZIP archive: unpack it"),
    (b"BZh", "compressed by bzip2: unpack it"),
    (b"\xfd7zXZ\0", "compressed by xz: unpack it"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd: unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it"),
    (SQLITE, "an SQLite database"),
    (b"%PDF", "a PDF document"),
    (b"<", "a web page or XML: download the file itself"),
)
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (UTF8_MARK, "utf-8"),
)
_ZEROS: Final[dict[tuple[bool, ...], str]] = {
    (False, True, True, True): "utf-32-le",
    (True, True, True, False): "utf-32-be",
    (False, True, False, True): "utf-16-le",
    (True, False, True, False): "utf-16-be",
}
"""Which of the first four bytes are zero if a text begins with ASCII characters, as JSON does (RFC 4627)."""


def kind_of(data: bytes) -> str | None:
    """What a file is that is no text, by its first bytes, and what to do; None if they say nothing."""
    return next((kind for magic, kind in _KINDS if data.startswith(magic)), None)


def encoding_of(data: bytes) -> str:
    """The encoding of a text that begins with a mark or an ASCII character; UTF-8 if nothing else shows."""
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    zeros = tuple(not byte for byte in data[:4])
    return marked or _ZEROS.get(zeros, "utf-8")


def as_utf8(data: bytes, what: str, most_bytes: int) -> bytes:
    """The content of a file as UTF-8 without a byte-order mark.

    Bytes that are taken for UTF-8 are not checked: whoever decodes them does.

    Args:
        data: the file, of UTF-8, UTF-16 or UTF-32, which may be compressed by gzip.
        what: the name of the file in errors, such as "question file".
        most_bytes: the limit of the content.

    Raises:
        Malformed: the file is empty, too large, damaged, or of a kind that is no text.
    """
    if data.startswith(GZIP):
        data = _unpacked(data, what, most_bytes)
    if len(data) > most_bytes:
        raise Malformed(f"{what} has more than {most_bytes} bytes, the limit")
    if kind := kind_of(data):
        raise Malformed(f"{what} is {kind}")
    encoding = encoding_of(data)
    if encoding == "utf-8":
        text = data.removeprefix(UTF8_MARK)
    else:
        try:
            text = data.decode(encoding).removeprefix("\ufeff").encode()
        except UnicodeDecodeError as error:
            raise Malformed(
                f"{what} is {encoding[:6].upper()} text that is damaged at byte {error.start}: "
                "copy it again, or save it as UTF-8"
            ) from None
    if not text or text.isspace():
        raise Malformed(f"{what} is empty")
    return text


def _unpacked(data: bytes, what: str, most_bytes: int) -> bytes:
    try:
        with GzipFile(fileobj=BytesIO(data)) as file:
            return file.read(most_bytes + 1)
    except EOFError:
        raise Malformed(f"{what} is compressed by gzip and was cut off: copy it again") from None
    except (BadGzipFile, zlib.error) as error:
        raise Malformed(f"{what} is compressed by gzip and damaged ({error}): copy it again") from None
