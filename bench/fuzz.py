"""Whether a decoder does anything but decode mutated messages or refuse them properly.

    python -m bench.fuzz --executions 1000000 --seed 0

Any bytes must give a value or raise a `ContractError`. Anything else is printed with the bytes that caused
it, and the exit status is 1. A value must encode, and decode to itself again.
"""

import copy
import json
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from bench.commandline.options import command, count
from collector.intake.incoming import Delivery, claim
from contract.bundle import decode_manifest
from contract.codec import encode
from contract.errors import ContractError
from contract.messages import decode_message
from contract.questions import decode_questions
from contract.topics import parse_topic, topic

GOLDEN: Final = Path(__file__).parent.parent / "tests" / "contract" / "golden"
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
_TOPIC: Final = topic("kitchen-pi-3f2a1c", "results")
_QUESTIONS: Final = (
    b'{"data":[{"title":"T","paragraphs":[{"context":"The Elbe flows.","qas":[{"id":"1","question":"What?",'
    b'"answers":[{"text":"Elbe","answer_start":4}]},{"id":"2","question":"Who?","answers":[]}]}]}]}'
)


def _message(data: bytes) -> None:
    message = decode_message(data)
    assert decode_message(encode(message)) == message


def _manifest(data: bytes) -> None:
    manifest = decode_manifest(data)
    assert decode_manifest(encode(manifest)) == manifest


def _topic(data: bytes) -> None:
    parsed = parse_topic(data.decode("latin-1"))
    assert topic(*parsed) == data.decode("latin-1")


def _claim(data: bytes) -> None:
    claim(Delivery(_TOPIC, data, _TOPIC))


def seeds() -> dict[str, tuple[Callable[[bytes], Any], list[bytes]]]:
    """Each decoder by name, with valid input to mutate."""
    golden = {path.stem: path.read_bytes().strip() for path in sorted(GOLDEN.glob("*/*.json"))}
    messages = [data for name, data in golden.items() if name != "manifest"]
    return {
        "message": (_message, messages),
        "manifest": (_manifest, [golden["manifest"]]),
        "questions": (decode_questions, [_QUESTIONS]),
        "claim": (_claim, messages),
        "topic": (_topic, [_TOPIC.encode()]),
    }


def mutated(rng: random.Random, good: list[bytes]) -> bytes:
    """Valid input after one to four random changes of its bytes or of its JSON values."""
    data = rng.choice(good)
    if rng.random() < 0.5 and data.startswith(b"{"):
        value = json.loads(data)
        for _ in range(rng.choice((1, 1, 2))):
            _change_value(rng, value)
        return json.dumps(value, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
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


def fuzz(name: str, executions: int, seed: int) -> tuple[int, bytes | None]:
    """Try one decoder; returns how many inputs it decoded, and the first bytes that broke it, if any did."""
    decode, good = seeds()[name]
    rng = random.Random(f"{seed}/{name}")  # noqa: S311  # to be repeated
    taken = 0
    for _ in range(executions):
        data = mutated(rng, good)
        try:
            decode(data)
            taken += 1
        except ContractError as error:
            if not str(error).isprintable():
                return taken, data
        except Exception:  # any other one is a bug
            return taken, data
    return taken, None


@command
@count("--executions", 1_000_000, "Inputs for each decoder.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the mutations.")
def main(executions: int, seed: int) -> None:
    """Try each decoder, and print how many inputs it decoded; the exit status is 1 if one broke it."""
    broken = 0
    for name in seeds():
        begun = time.monotonic()
        taken, culprit = fuzz(name, executions, seed)
        took = time.monotonic() - begun
        if culprit is not None:
            broken += 1
            print(f"{name}: broken by {culprit!r}")
        else:
            print(f"{name}: {executions:,} executions, {taken:,} taken, {took:.0f} s", flush=True)
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
