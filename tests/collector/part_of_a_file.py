"""A question file of 60 questions, and runs that ask all of them or the first of their order."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from collector.scoring.question_sets import add_questions
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from contract.bundle import Manifest
from contract.device import Device
from contract.questions import decode_questions, place_in_order
from contract.records import Canary, QuestionSet, Record
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, device, finished, manifest, started

COUNT: Final = 60
SEED: Final = 1
IDS: Final = tuple(f"n{number}" for number in range(COUNT))
QUESTIONS: Final = json.dumps(
    {
        "data": [
            {
                "title": f"article {number // 6}",
                "paragraphs": [
                    {
                        "context": f"The number is {number} here.",
                        "qas": [
                            {
                                "id": f"n{number}",
                                "question": "Which number?",
                                "answers": [{"text": f"number is {number}", "answer_start": 4}],
                            }
                        ],
                    }
                ],
            }
            for number in range(COUNT)
        ]
    }
).encode()
FILE: Final = decode_questions(QUESTIONS)
IN_ORDER: Final = tuple(sorted(IDS, key=lambda question_id: place_in_order(SEED, question_id)))
"""The ids in the order of the seed."""
PI: Final = device()
SERVER: Final = device(
    "server",
    "server",
    model="PowerEdge",
    architecture="x86_64",
    cpu_model="Xeon",
    cpu_flags=("avx512_vnni",),
    versions={"python": "3.13.5", "onnxruntime": "1.22.0"},
)


def right(question_id: str) -> str:
    """The gold answer of a question."""
    return f"number is {question_id[1:]}"


def run(
    ids: tuple[str, ...] = IDS,
    *,
    on: Device = SERVER,
    bundle: Manifest | None = None,
    wrong: Mapping[str, str] | None = None,
    ms: float = 10.0,
    last: Mapping[str, Any] | None = None,
    confidence: float = 0.5,
    canaries: Mapping[str, str] | None = None,
    **settings: Any,
) -> tuple[Record, ...]:
    """A run that is asked these questions.

    Args:
        ids: the questions, in the order in which they are asked.
        on: the device.
        bundle: what is measured; MiniLM-L6 fp32 if not given.
        wrong: other answers than the gold ones.
        ms: time of each question.
        last: changes of the last record; if its status is None, there is none.
        confidence: of every answer.
        canaries: the answers to canaries, by question.
        settings: changes of the settings.
    """
    first = started(bundle or manifest(), on)
    first = msgspec.structs.replace(
        first,
        questions=QuestionSet(name="numbers", sha256=FILE.sha256, total=COUNT, selected=len(ids)),
        settings=msgspec.structs.replace(
            first.settings, **{"seed": SEED, "limit": None if len(ids) == COUNT else len(ids), **settings}
        ),
    )
    answers = [
        answer(
            seq, question_id, (wrong or {}).get(question_id, right(question_id)), ms, confidence=confidence
        )
        for seq, question_id in enumerate(ids, 1)
    ]
    told = [
        Canary(seq=seq, question_id=question_id, text=text, confidence=0.1)
        for seq, (question_id, text) in enumerate((canaries or {}).items(), len(answers) + 1)
    ]
    ends = dict(last or {})
    seq = len(answers) + len(told) + 1
    end = () if ends.get("status", "") is None else (finished(seq, len(answers), **ends),)
    return (first, *answers, *told, *end)


def with_file(store: Store, folder: Path) -> None:
    """Add the question file to a database."""
    path = folder / "numbers.json"
    path.write_bytes(QUESTIONS)
    add_questions(store, path)


def ingest(store: Store, *runs: tuple[Record, ...]) -> None:
    """Take runs into a database, in order, and score them."""
    for records in runs:
        device_id = records[0].device.device_id  # type: ignore[union-attr]  # a run starts with its device
        take(store, batch(records, device_id=device_id))
    score_answers(store)
