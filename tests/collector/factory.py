"""Made-up runs for the collector's tests, as an agent would send them."""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from contract.bundle import FileEntry, Manifest, Weights
from contract.codec import encode
from contract.device import Device
from contract.messages import Batch
from contract.questions import Question, decode_questions
from contract.records import (
    Answer,
    QuestionSet,
    Record,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    Sample,
)
from tests.contract.examples import ARCHITECTURE, SETTINGS

NOON = "2026-11-24T12:00:00Z"

QUESTIONS = msgspec.json.encode(
    {
        "data": [
            {
                "title": "Rivers",
                "paragraphs": [
                    {
                        "context": "The Elbe flows from the Giant Mountains to the North Sea, 1,094 km.",
                        "qas": [
                            {
                                "id": "q1",
                                "question": "Where does the Elbe end?",
                                "answers": [
                                    {"text": "the North Sea", "answer_start": 43},
                                    {"text": "North Sea", "answer_start": 47},
                                ],
                            },
                            {
                                "id": "q2",
                                "question": "How long is the Elbe?",
                                "answers": [{"text": "1,094 km", "answer_start": 58}],
                            },
                        ],
                    },
                    {
                        "context": "Dresden and Hamburg lie on it.",
                        "qas": [
                            {
                                "id": "q3",
                                "question": "Which cities?",
                                "answers": [{"text": "Dresden and Hamburg", "answer_start": 0}],
                            },
                            {
                                "id": "q4",
                                "question": "Which city is first?",
                                "answers": [{"text": "Dresden", "answer_start": 0}],
                            },
                        ],
                    },
                ],
            }
        ]
    }
)
QUESTION_FILE = decode_questions(QUESTIONS)

TITLES = {"bert-large": "BERT-Large", "distilbert": "DistilBERT", "minilm-l6": "MiniLM-L6"}
PARAMETERS = {"bert-large": 335_143_938, "distilbert": 66_364_418, "minilm-l6": 22_566_146}
LAYERS = {"bert-large": 24, "distilbert": 6, "minilm-l6": 6}


def manifest(model: str = "minilm-l6", precision: str = "fp32", **changes: Any) -> Manifest:
    plain = Manifest(
        format_version=1,
        model=model,
        title=TITLES.get(model, model),
        architecture=msgspec.structs.replace(ARCHITECTURE, layers=LAYERS.get(model, 6)),
        parameters=PARAMETERS.get(model, 1_000_000),
        distillation="deep self-attention distillation",
        weights=Weights(origin="adapter", source="lora on base"),
        precision=precision,  # type: ignore[arg-type]  # a test may choose any
        recipe={},
        inputs=("input_ids", "attention_mask"),
        max_tokens=512,
        tools={"optimum": "2.1.0"},
        created_at=NOON,
        files={
            "model.onnx": FileEntry(bytes=90_000_000, sha256="0" * 64),
            "tokenizer.json": FileEntry(bytes=700_000, sha256="1" * 64),
        },
    )
    return msgspec.structs.replace(plain, **changes)


def device(device_id: str = "pi-5", hardware_class: str = "raspberry-pi-5", **changes: Any) -> Device:
    plain = Device(
        device_id=device_id,
        hardware_class=hardware_class,
        model="Raspberry Pi 5 Model B Rev 1.0",
        architecture="aarch64",
        cpu_model="Cortex-A76",
        cpu_flags=("asimddp",),
        cores=4,
        memory_bytes=8_000_000_000,
        os="Debian GNU/Linux 13",
        kernel="6.12.0",
        versions={"python": "3.13.5"},
    )
    return msgspec.structs.replace(plain, **changes)


def started(
    bundle: Manifest | None = None, on: Device | None = None, asked: Sequence[Question] = ()
) -> RunStarted:
    bundle = bundle or manifest()
    return RunStarted(
        seq=0,
        device=on or device(),
        bundle_sha256=hashlib.sha256(encode(bundle)).hexdigest(),
        bundle=bundle,
        questions=QuestionSet(
            name="rivers",
            sha256=QUESTION_FILE.sha256,
            total=len(QUESTION_FILE.questions),
            selected=len(asked or QUESTION_FILE.questions),
        ),
        settings=msgspec.structs.replace(SETTINGS, warmup_questions=2, seed=1),
        started_at=NOON,
        clock_synchronised=True,
    )


def answer(seq: int, question_id: str, text: str = "Dresden", ms: float = 10.0, **changes: Any) -> Answer:
    plain = Answer(
        seq=seq,
        at_ns=seq * 1_000_000_000,
        question_id=question_id,
        text=text,
        start_char=0,
        end_char=len(text),
        confidence=0.5,
        tokenize_ns=400_000,
        infer_ns=int(ms * 1e6) - 700_000,
        decode_ns=300_000,
        windows=1,
        tokens=40,
    )
    return msgspec.structs.replace(plain, **changes)


def sample(seq: int, **changes: Any) -> Sample:
    plain = Sample(seq=seq, at_ns=seq * 1_000_000_000, temperature_celsius=55.0, worker_rss_bytes=150_000_000)
    return msgspec.structs.replace(plain, **changes)


def finished(seq: int, answered: int = 4, **changes: Any) -> RunFinished:
    plain = RunFinished(
        seq=seq,
        status="complete",
        answered=answered,
        errors=0,
        elapsed_ns=seq * 1_000_000_000,
        load_ns=300_000_000,
        first_ns=40_000_000,
        peak_rss_bytes=180_000_000,
        finished_at=NOON,
    )
    return msgspec.structs.replace(plain, **changes)


def run_records(
    answers: Iterable[tuple[str, str, float]] = (
        ("q1", "the North Sea", 10.0),
        ("q2", "1,094", 12.0),
        ("q3", "Hamburg", 14.0),
        ("q4", "Dresden", 30.0),
    ),
    bundle: Manifest | None = None,
    on: Device | None = None,
) -> tuple[Record, ...]:
    """A complete run: started, answers of (question id, text, milliseconds), a sample, finished."""
    given = [answer(seq, *each) for seq, each in enumerate(answers, start=1)]
    last = len(given) + 1
    return (started(bundle, on), *given, sample(last), finished(last + 1, len(given)))


def round_started(seq: int, number: int, **changes: Any) -> RoundStarted:
    plain = RoundStarted(
        seq=seq, round=number, at_ns=seq * 1_000_000_000, load_ns=300_000_000, first_ns=45_000_000
    )
    return msgspec.structs.replace(plain, **changes)


def round_finished(seq: int, number: int, **changes: Any) -> RoundFinished:
    plain = RoundFinished(seq=seq, round=number, at_ns=seq * 1_000_000_000, peak_rss_bytes=170_000_000)
    return msgspec.structs.replace(plain, **changes)


def run_of_two_rounds() -> tuple[Record, ...]:
    """A complete run in two rounds, whose second round was interrupted and resumed. It has a meter."""
    first = started()
    settings = msgspec.structs.replace(first.settings, rounds=2)
    return (
        msgspec.structs.replace(first, settings=settings, epoch="1d" * 8),
        round_started(1, 0, load_ns=250_000_000, first_ns=50_000_000),
        answer(2, "q1"),
        answer(3, "q2"),
        sample(4, energy_joules=10.0),
        round_finished(5, 0),
        round_started(6, 1, first_ns=None),
        answer(7, "q3"),
        RunResumed(seq=8, epoch="2e" * 8, resumed_at=NOON),
        round_started(9, 1, load_ns=400_000_000, first_ns=40_000_000, at_ns=7_500_000_000),
        answer(10, "q4", at_ns=8_000_000_000),
        round_finished(11, 1, peak_rss_bytes=190_000_000, at_ns=8_500_000_000),
        finished(12),
    )


def batch(records: Iterable[Record], run_id: str | None = None, device_id: str = "pi-5") -> Batch:
    return Batch(device_id=device_id, run_id=run_id or uuid.uuid4().hex, records=tuple(records))
