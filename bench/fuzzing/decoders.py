"""The decoders of messages, manifests, questions and topics."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from bench.fuzzing.target import Target
from collector.intake.incoming import Delivery, claim
from contract.bundle import decode_manifest
from contract.codec import encode
from contract.messages import decode_message
from contract.questions import decode_questions
from contract.topics import parse_topic, topic

GOLDEN: Final = Path(__file__).parents[2] / "tests" / "contract" / "golden"
_TOPIC: Final = topic("kitchen-pi-3f2a1c", "results")
_QUESTIONS: Final = (
    b'{"data":[{"title":"T","paragraphs":[{"context":"The Elbe flows.","qas":[{"id":"1","question":"What?",'
    b'"answers":[{"text":"Elbe","answer_start":4}]},{"id":"2","question":"Who?","answers":[]}]}]}]}'
)


def decoders() -> dict[str, Target]:
    """Each decoder by name. What it decodes must encode, and decode to itself again."""
    golden = {path.stem: path.read_bytes().strip() for path in sorted(GOLDEN.glob("*/*.json"))}
    messages = [data for name, data in golden.items() if name != "manifest"]
    return {
        "message": Target(messages, _message),
        "manifest": Target([golden["manifest"]], _manifest),
        "questions": Target([_QUESTIONS], _takes(decode_questions)),
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


def _manifest(data: bytes) -> bool:
    manifest = decode_manifest(data)
    assert decode_manifest(encode(manifest)) == manifest
    return True


def _topic(data: bytes) -> bool:
    parsed = parse_topic(data.decode("latin-1"))
    assert topic(*parsed) == data.decode("latin-1")
    return True
