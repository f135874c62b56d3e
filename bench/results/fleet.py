"""A made-up fleet in a real database: results as agents would have sent them, inserted in bulk.

Every device measured all bundles in one command, in rounds. Times are log-normal around a speed for each
device, model and round. A question has three gold answers, as in SQuAD dev, of which the later ones often
repeat the first. A fifth of a model's answers is wrong, three quarters of these on questions that are hard
for all models. So scores, intervals and differences look realistic, but nothing here is a measurement.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from bench.results.fleet_models import KNOWN, MODELS, FleetModel
from collector.intake.record_rows import insert
from collector.scoring.question_sets import add_questions
from collector.store.database import Store
from collector.store.opening import open_store
from commandline.clock import utc_now
from contract.bundle import Architecture, FileEntry, Manifest, Origin, Weights
from contract.codec import encode
from contract.device import HARDWARE_CLASSES, Device
from contract.records import (
    QuestionSet,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunStarted,
    Sample,
    Settings,
)
from contract.scenarios import SINGLE_STREAM

Numbers = NDArray[np.int64]

NOON: Final = "2026-01-01T12:00:00Z"
_SYLLABLES: Final = ("an", "ber", "co", "del", "en", "fir", "go", "hal", "in", "jo", "ka", "lor", "mi", "ner")
_WORDS: Final = [a + b + c for a in _SYLLABLES for b in _SYLLABLES for c in _SYLLABLES]
_SAMPLES_PER_RUN: Final = 600
_INSERT_ANSWER: Final = """
INSERT INTO answers (
    stream, seq, question_id, repeat, at_ns, text, start_char, end_char,
    confidence, tokenize_ns, infer_ns, decode_ns, windows, tokens, marks
) VALUES (?, ?, ?, 0, ?, ?, 0, 0, 0.5, 400000, ?, 300000, 1, 150, ?)
"""


class Fleet(NamedTuple):
    """The size of a fleet: it has devices x models x precisions runs."""

    devices: int
    questions: int
    models: tuple[str, ...] = tuple(MODELS)
    precisions: tuple[str, ...] = ("fp32", "int8")
    rounds: int = 5
    known: Mapping[str, FleetModel] = KNOWN
    """What each of the models is like."""
    random: Collection[str] = ()
    """The models with random weights, whose accuracy is not shown."""

    @property
    def answers(self) -> int:
        """Answers of all runs together."""
        return self.devices * len(self.models) * len(self.precisions) * self.questions


def build(path: Path, fleet: Fleet) -> None:
    """Make a database of the fleet's results, and its question file in the same folder."""
    rng = np.random.default_rng(1)
    golds = [" ".join(rng.choice(_WORDS, rng.integers(1, 5))) for _ in range(fleet.questions)]
    others = rng.random((fleet.questions, 2)) < 0.4
    ids = [hashlib.blake2b(str(i).encode(), digest_size=12).hexdigest() for i in range(fleet.questions)]
    questions = path.with_suffix(".json")
    questions.write_bytes(_question_file(ids, golds, others.tolist()))
    with open_store(path, create=True) as store:
        added = add_questions(store, questions, "made up")
        asked = QuestionSet(
            name=added.name, sha256=added.sha256, total=fleet.questions, selected=fleet.questions
        )
        for device in range(fleet.devices):
            for model in fleet.models:
                for precision in fleet.precisions:
                    _run(store, fleet, asked, device, model, precision, ids, golds)


def _question_file(ids: list[str], golds: list[str], others: list[list[bool]]) -> bytes:
    def answers(gold: str, start: int, others: list[bool]) -> list[dict[str, Any]]:
        texts = [gold, *(gold.split()[0] if shorter else gold for shorter in others)]
        return [{"text": text, "answer_start": start} for text in texts]

    def paragraph(start: int) -> dict[str, Any]:
        here = range(start, min(start + 5, len(ids)))
        context = " . ".join(golds[i] for i in here)
        return {
            "context": context,
            "qas": [
                {
                    "id": ids[i],
                    "question": f"What is number {i}?",
                    "answers": answers(golds[i], context.index(golds[i]), others[i]),
                }
                for i in here
            ],
        }

    paragraphs = [paragraph(start) for start in range(0, len(ids), 5)]
    return msgspec.json.encode({"data": [{"title": "Made up", "paragraphs": paragraphs}]})


def _run(
    store: Store,
    fleet: Fleet,
    asked: QuestionSet,
    device: int,
    model: str,
    precision: str,
    ids: list[str],
    golds: list[str],
) -> None:
    name = f"{model} {precision}"
    rng = np.random.default_rng([device, *name.encode()])
    count = len(ids)
    speed = fleet.known[model].ms * (1 + device / 2) * (0.5 if precision == "int8" else 1.0) * 1e6
    length = np.random.default_rng(2).lognormal(0, 0.4, count)  # of the questions, the same for all
    rounds = min(fleet.rounds, count)
    shares = np.array_split(np.arange(count), rounds)
    number = np.repeat(np.arange(rounds), [len(share) for share in shares])
    level = rng.lognormal(0, 0.01, rounds)
    times = (speed * length * level[number] * rng.lognormal(0, 0.05, count)).astype(np.int64)
    at = np.cumsum(times)
    seqs = np.arange(count) + 2 * number + 2  # after the first record, and the starts and ends of rounds
    borders = list(_borders(shares, seqs, at))
    with store.writing() as conn:
        (stream,) = conn.execute(
            "INSERT INTO streams (run_id, device_id, first_received_at) VALUES (?, ?, ?) RETURNING stream",
            (
                hashlib.blake2b(f"{device} {name}".encode(), digest_size=16).hexdigest(),
                f"device-{device}",
                utc_now(),
            ),
        ).fetchone()
        conn.executemany(
            _INSERT_ANSWER,
            _answers(
                stream, seqs.tolist(), ids, golds, times.tolist(), at.tolist(), name, fleet.known[model].wrong
            ),
        )
        first_sample = count + len(borders) + 1
        last = first_sample + _SAMPLES_PER_RUN
        moments = np.linspace(0, int(at[-1]), _SAMPLES_PER_RUN).astype(np.int64).tolist()
        insert(
            conn,
            {
                stream: [
                    started(asked, device, model, precision, rounds, fleet),
                    *borders,
                    *(_sample(first_sample + i, at_ns) for i, at_ns in enumerate(moments)),
                    _finished(last, count, int(at[-1])),
                ]
            },
        )
        conn.execute("INSERT INTO ranges (stream, first_seq, last_seq) VALUES (?, 0, ?)", (stream, last))


def _borders(shares: Sequence[Numbers], seqs: Numbers, at: Numbers) -> Iterator[RoundStarted | RoundFinished]:
    for number, share in enumerate(shares):
        first, last = int(share[0]), int(share[-1])
        start_ns = int(at[first - 1]) if first else 0
        yield RoundStarted(
            seq=int(seqs[first]) - 1, round=number, at_ns=start_ns, load_ns=300_000_000, first_ns=40_000_000
        )
        yield RoundFinished(
            seq=int(seqs[last]) + 1, round=number, at_ns=int(at[last]), peak_rss_bytes=220_000_000
        )


def _answers(
    stream: int,
    seqs: list[int],
    ids: list[str],
    golds: list[str],
    times: list[int],
    at: list[int],
    name: str,
    share: float,
) -> Iterator[tuple[Any, ...]]:
    hard = np.random.default_rng(4).random(len(ids)) < 0.15
    of_model = np.random.default_rng(list(name.split()[0].encode())).random(len(ids))
    of_precision = np.random.default_rng(list(name.encode())).random(len(ids))
    marked = np.random.default_rng(3).random(len(ids)) < 0.01
    for i, gold in enumerate(golds):
        wrong = hard[i] or of_model[i] < share or of_precision[i] < 0.02
        own = int(of_model[i] * 1e6) if of_model[i] < 0.5 else i
        text = f"{gold.split()[-1]} {_WORDS[own % len(_WORDS)]}" if wrong else gold
        yield stream, seqs[i], ids[i], at[i], text, times[i], "agent_busy" if marked[i] else None


def started(
    asked: QuestionSet,
    device: int,
    model: str,
    precision: str,
    rounds: int = 1,
    fleet: Fleet | None = None,
) -> RunStarted:
    """The first record of a run of the fleet. The runs of a device are of one command."""
    of = (KNOWN if fleet is None else fleet.known)[model]
    origin: Origin = "random" if fleet is not None and model in fleet.random else "local"
    bundle = Manifest(
        format_version=1,
        model=model,
        title=of.title,
        architecture=Architecture(
            family="bert",
            layers=6,
            hidden_size=384,
            attention_heads=12,
            intermediate_size=1536,
            vocab_size=30_522,
            max_positions=512,
        ),
        parameters=of.parameters * 1_000_000,
        distillation=of.distillation,
        weights=Weights(origin=origin, source=of.source),
        precision=precision,  # type: ignore[arg-type]  # fp32 or int8
        recipe={},
        inputs=("input_ids", "attention_mask"),
        max_tokens=512,
        tools={},
        created_at=NOON,
        files={
            "model.onnx": FileEntry(
                bytes=of.parameters * (1 if precision == "int8" else 4) * 1_000_000, sha256="0" * 64
            ),
            "tokenizer.json": FileEntry(bytes=700_000, sha256="1" * 64),
        },
    )
    return RunStarted(
        seq=0,
        device=Device(
            device_id=f"device-{device}",
            hardware_class=HARDWARE_CLASSES[device % len(HARDWARE_CLASSES)],
            model="made up",
            architecture="aarch64" if device % 2 else "x86_64",
            cpu_model="made up",
            cpu_flags=("asimddp",) if device % 2 else ("avx512_vnni",),
            cores=4,
            memory_bytes=8_000_000_000,
            os="made up",
            kernel="6",
            versions={},
        ),
        bundle_sha256=hashlib.sha256(encode(bundle)).hexdigest(),
        bundle=bundle,
        questions=asked,
        settings=Settings(
            scenario=SINGLE_STREAM,
            decoding="pipeline",
            max_tokens=384,
            stride_tokens=128,
            max_answer_tokens=15,
            threads=4,
            warmup_questions=10,
            seed=1,
            rounds=rounds,
        ),
        epoch=f"{device:016x}",
        started_at=NOON,
    )


def _sample(seq: int, at_ns: int) -> Sample:
    return Sample(
        seq=seq,
        at_ns=at_ns,
        temperature_celsius=50.0 + seq % 10,
        clock_hz=2_400_000_000,
        worker_rss_bytes=200_000_000,
        energy_joules=at_ns / 1e9 * 6.0,
    )


def _finished(seq: int, answered: int, elapsed_ns: int) -> RunFinished:
    return RunFinished(
        seq=seq,
        status="complete",
        answered=answered,
        errors=0,
        elapsed_ns=elapsed_ns,
        load_ns=300_000_000,
        first_ns=40_000_000,
        peak_rss_bytes=220_000_000,
        energy_source="made up",
        finished_at=NOON,
    )
