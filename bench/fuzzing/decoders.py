"""The decoders of messages, orders, manifests, questions and topics."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bench.fuzzing.mutation import mutated
from bench.fuzzing.target import Target
from collector.intake.incoming import Delivery, claim
from contract.bundle import decode_manifest
from contract.codec import encode
from contract.messages import decode_message
from contract.orders.sealed import open_orders, seal_of, seal_orders
from contract.questions import decode_questions
from contract.topics import parse_topic, topic

GOLDEN: Final = Path(__file__).parents[2] / "tests" / "contract" / "golden"
_DEVICE: Final = "kitchen-pi-3f2a1c"
_SECRET: Final = "5c" * 32
"""The secret of the golden file of orders."""
_TOPIC: Final = topic(_DEVICE, "results")
_QUESTIONS: Final = (
    b'{"data":[{"title":"T","paragraphs":[{"context":"The Elbe flows.","qas":[{"id":"1","question":"What?",'
    b'"answers":[{"text":"Elbe","answer_start":4}]},{"id":"2","question":"Who?","answers":[]}]}]}]}'
)


def decoders() -> dict[str, Target]:
    """Each decoder by name. What it decodes must encode, and decode to itself again."""
    golden = {path.stem: path.read_bytes().strip() for path in sorted(GOLDEN.glob("*/*.json"))}
    messages = [data for name, data in golden.items() if name not in ("manifest", "orders")]
    return {
        "message": Target(messages, _message),
        "manifest": Target([golden["manifest"]], _manifest),
        "questions": Target([_QUESTIONS], _takes(decode_questions)),
        "orders": Target([golden["orders"]], _orders, _sealed_again),
        "claim": Target(messages, _takes(lambda data: claim(Delivery(_TOPIC, data, _TOPIC)))),
        "topic": Target([_TOPIC.encode()], _topic),
    }


def _takes(decode: Callable[[bytes], Any]) -> Callable[[bytes], bool]:
    def read(data: bytes) -> bool:
        decode(data)
        return True

    return read


def _message(data: bytes) -> bool:
    message = decode_message(data)
    assert decode_message(encode(message)) == message
    return True


def _orders(data: bytes) -> bool:
    orders = open_orders(data, _DEVICE, _SECRET)
    assert open_orders(seal_orders(orders, _SECRET), _DEVICE, _SECRET) == orders
    return True


def _sealed_again(rng: random.Random, good: Sequence[bytes]) -> bytes:
    """A changed message, or a changed list under the right seal, so that it is decoded."""
    if rng.random() < 0.2:
        return mutated(rng, good)
    changed = mutated(rng, [data.partition(b',"list":')[2].removesuffix(b"}") for data in good])
    seal = seal_of(changed, _DEVICE, _SECRET)
    return b'{"type":"orders","hmac":"%b","list":%b}' % (seal.encode(), changed)


def _manifest(data: bytes) -> bool:
    manifest = decode_manifest(data)
    assert decode_manifest(encode(manifest)) == manifest
    return True


def _topic(data: bytes) -> bool:
    parsed = parse_topic(data.decode("latin-1"))
    assert topic(*parsed) == data.decode("latin-1")
    return True
