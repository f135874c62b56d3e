"""Converts JSON to typed structs and back.

Decoding reads the format version first, upgrades the data step by step, and then decodes it strictly.
"""

import re
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from contract.errors import Malformed, TooNew
from contract.version import FORMAT_VERSION

T = TypeVar("T")

Upgrade = Callable[[dict[str, Any]], dict[str, Any]]


def _to_version_2(fields: dict[str, Any]) -> dict[str, Any]:
    """All fields that version 2 added have defaults, which say what version 1 did."""
    return {**fields, "format_version": 2}


UPGRADES: dict[int, Upgrade] = {1: _to_version_2}
"""`UPGRADES[v]` converts decoded JSON from version v to v + 1."""

_ENCODER = msgspec.json.Encoder(order="deterministic")
_QUOTED_CHARS = 80
_UNUSUAL = re.compile(r"[^\n -~]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_NOT_PLAIN = re.compile(r"[^ -~]")
_AT_BYTE = re.compile(r"\(byte (\d+)\)")
_LINE_END = b"\n"


class _Header(msgspec.Struct, frozen=True):
    format_version: int


_HEADER = msgspec.json.Decoder(_Header)


def encode(value: object) -> bytes:
    """Return the canonical JSON of a contract struct: compact, UTF-8, the same bytes for equal values."""
    return _ENCODER.encode(value)


def decode(data: bytes, decoder: msgspec.json.Decoder[T], what: str) -> T:
    """Decode versioned JSON.

    Args:
        data: the bytes as received.
        decoder: a strict decoder of the newest version.
        what: the name of the data in error messages, such as "bundle manifest".

    Raises:
        TooNew: `format_version` is later than this program knows.
        Malformed: the data is wrong in any other way.
    """
    version = decode_json(data, _HEADER, what).format_version
    if version > FORMAT_VERSION:
        raise TooNew(
            f"{what} has format version {version}, and this distilbench reads up to {FORMAT_VERSION}: "
            "update distilbench here"
        )
    if version < 1:
        raise Malformed(f"{what} has format version {version}, which never existed")
    if version < FORMAT_VERSION:
        data = _upgraded(data, version, what)
    return decode_json(data, decoder, what)


def _upgraded(data: bytes, version: int, what: str) -> bytes:
    fields = decode_json(data, msgspec.json.Decoder(dict[str, Any]), what)
    for step in range(version, FORMAT_VERSION):
        fields = UPGRADES[step](fields)
    return encode(fields)


def decode_json(data: bytes, decoder: msgspec.json.Decoder[T], what: str) -> T:
    """Decode JSON that carries no format version, with errors that quote what is wrong.

    Raises:
        Malformed: the data is not JSON, or does not fit the decoder's type.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        wrong = f"does not fit the format: {printable(str(error))}"
    except msgspec.DecodeError as error:
        wrong = f"is not valid JSON: {printable(str(error))}{_line_of(error, data)}"
    except UnicodeDecodeError:
        wrong = f"is not UTF-8 text{_odd_byte(data)}: save it as UTF-8"
    except RecursionError:
        wrong = "is nested too deeply"
    raise Malformed(f"{what} {wrong}, in {quoted(data)}")


def _line_of(error: msgspec.DecodeError, data: bytes) -> str:
    """The line of an error of msgspec, which counts bytes; empty if there is only one line."""
    found = _AT_BYTE.search(str(error))
    before = data.rstrip() if found is None else data[: int(found[1])]
    return f" in line {before.count(_LINE_END) + 1}" if _LINE_END in data.strip() else ""


def _odd_byte(data: bytes) -> str:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(_LINE_END, 0, error.start) + 1
        return f" (byte {data[error.start]:#04x} in line {line})"
    return ""


def json_text(data: bytes, indent: int = 2) -> str:
    """Return JSON as lines that are safe for a terminal.

    JSON escapes most control characters. Here the others are escaped too, and all that change how a terminal
    shows other text, such as marks of direction and characters without width.

    Args:
        data: valid JSON in UTF-8.
        indent: spaces per level; negative for one line without spaces.
    """
    return safe_json(msgspec.json.format(data, indent=indent).decode()) + "\n"


def safe_json(text: str) -> str:
    """Return the same JSON without characters that a terminal acts on: in its strings, they are escaped."""
    return _UNUSUAL.sub(_escaped, text)


def ascii_json(text: str) -> str:
    """Return the same JSON in ASCII: characters beyond it can only be in strings, where they are escaped."""
    return _NOT_ASCII.sub(_as_escape, text)


def _escaped(found: re.Match[str]) -> str:
    return found[0] if found[0].isprintable() else _as_escape(found)


def _as_escape(found: re.Match[str]) -> str:
    pairs = found[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{pairs[at : at + 4]}" for at in range(0, len(pairs), 4))


def printable(text: str) -> str:
    """Make untrusted text safe for one line of a terminal: control characters become `?`."""
    return _NOT_PLAIN.sub(lambda found: found[0] if found[0].isprintable() else "?", text)


def cut(text: str, most: int) -> str:
    """Return the beginning of a text that may be as long as a message, with at most this many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def quoted(data: bytes) -> str:
    """Return the beginning of untrusted bytes, safe for one line of a terminal."""
    start = data[: _QUOTED_CHARS * 4].decode("utf-8", "replace")[:_QUOTED_CHARS]
    return ascii(start) + ("…" if len(start) < len(data) else "")
