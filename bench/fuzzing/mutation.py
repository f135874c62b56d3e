"""Random changes of bytes, and of the values of JSON."""

import copy
import json
import random
from collections.abc import Sequence
from typing import Any, Final

import msgspec

_TOKENS: Final = (
    *(b"null", b"true", b"-1", b"0", b"1e999", b"NaN", b"-0.0", b"9223372036854775808", b"1" * 400),
    *(b"{}", b"[]", b'""', b"[" * 2000, b'{"a":' * 500, b'"\\ud800"', b"\x00", b"\xff", b"\xef\xbb\xbf"),
    *(b'"seq":0,', b'"type":"batch",', b'"format_version":99', b'"format_version":0', b",", b":", b"\\u0000"),
)
_VALUES: Final[tuple[Any, ...]] = (
    *(None, True, -1, 0, 1, 2**31, 2**63 - 1, 2**63, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf")),
    *(
        "",
        "a",
        "\x00",
        "\x1b[2J",
        "\ud800",
        "日本",
        "x" * 70_000,
        "0" * 32,
        "batch",
        "answer",
        "../../etc/passwd",
    ),
    *([], {}, [[]], {"seq": 0}, [0, 1], [[1, 0]]),
)


def mutated(rng: random.Random, good: Sequence[bytes]) -> bytes:
    """Valid input after one to four random changes of its bytes or of its JSON values."""
    data = rng.choice(good)
    if rng.random() < 0.5 and data.startswith(b"{"):
        return changed_json(rng, data)
    return changed_bytes(rng, data, good)


def changed_json(rng: random.Random, data: bytes) -> bytes:
    """JSON after one or two changes of its values; what comes out may be no JSON."""
    value = msgspec.json.decode(data)
    for _ in range(rng.choice((1, 1, 2))):
        _change_value(rng, value)
    return json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")


def changed_bytes(rng: random.Random, data: bytes, good: Sequence[bytes]) -> bytes:
    """Bytes after one to four changes, for which some come from other good input."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        length = min(int(rng.expovariate(0.1)), len(data) - at)
        change = rng.randrange(5)
        if change == 0:
            middle = rng.randbytes(min(length, 8) or 1)
        elif change == 1:
            middle = b""
        elif change == 2:
            middle = rng.choice(_TOKENS)
        elif change == 3:
            middle = data[at : at + length] * 2
        else:
            other = rng.choice(good)
            start = rng.randrange(len(other))
            middle = other[start : start + length]
        data = data[:at] + middle + data[at + length :]
    return data


def _change_value(rng: random.Random, value: Any) -> None:
    """Change one value somewhere inside an object or a list."""
    while True:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(value[key], dict | list) and rng.random() < 0.85:
            value = value[key]
            continue
        if isinstance(value, dict) and rng.random() < 0.1:
            value[rng.choice(("bonus", "seq", "type", ""))] = value.pop(key)
        elif rng.random() < 0.1:
            del value[key]
        else:
            value[key] = copy.deepcopy(rng.choice(_VALUES))
        return
