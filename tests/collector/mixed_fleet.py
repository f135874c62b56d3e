"""A fleet whose devices differ in all that they can: errors, repeated questions, other questions."""

import random
from pathlib import Path
from typing import Final

import msgspec

from collector.scoring.bertscore import BertScore, Pair
from collector.scoring.predictions import add_predictions
from collector.store.database import Store
from collector.summaries.refresh import score_answers, score_pairs
from contract.records import QuestionSet, Record, RunStarted
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, device, finished, manifest, round_finished, round_started
from tests.collector.part_of_a_file import COUNT, IDS, IN_ORDER, right, run, with_file

BUNDLES: Final = (manifest("bert-large"), manifest("distilbert"), manifest(), manifest(precision="int8"))
BOARDS: Final = tuple(device(f"pi-{number}") for number in range(5))
SERVERS: Final = tuple(
    device(f"server-{number}", "server", model="Rack", cpu_model="Xeon") for number in range(2)
)


class MadeUpScorer:
    """Gives each pair of texts a BERTScore, without a model."""

    model, layers, hash = "made up", 1, "made up"

    def score(self, pairs: list[Pair]) -> list[BertScore]:
        """Return made-up scores, the same for equal pairs."""
        found = (random.Random(" ".join(pair)).random() for pair in pairs)
        return [BertScore(f1, f1, f1) for f1 in found]


def fill(store: Store, folder: Path, *, bertscore: bool = True) -> None:
    """Store about 40 runs of rows with one device, with several, and with a part of the questions."""
    rng = random.Random(5)
    with_file(store, folder)
    number = 0
    for place, bundle in enumerate(BUNDLES):
        for on in (*BOARDS, *SERVERS):
            if on is BOARDS[4] and place == 0:
                continue  # a row without this device
            for _ in range(rng.randint(1, 2)):
                first = run(on=on, bundle=bundle)[0]
                assert isinstance(first, RunStarted)
                take(store, batch(_measured(rng, first, place), f"{number:032x}", on.device_id))
                number += 1
    for on in (device("pi-part"), device("pi-part-2")):  # of another type, and with a part of the questions
        slow = msgspec.structs.replace(on, model="Raspberry Pi 4 Model B", hardware_class="raspberry-pi-4")
        for bundle in BUNDLES[:3]:
            asked = run(IN_ORDER[:24], on=slow, bundle=bundle, wrong={IN_ORDER[3]: "here"}, ms=30.0)
            take(store, batch(asked, f"{number:032x}", on.device_id))
            number += 1
    predictions = folder / "predictions.json"
    predictions.write_bytes(msgspec.json.encode({name: right(name) for name in IDS[:50]}))
    add_predictions(store, predictions, "Gizmo", "numbers")
    score_answers(store)
    if bertscore:
        score_pairs(store, MadeUpScorer(), lambda done, total: None)  # type: ignore[arg-type]  # as the real one
        score_answers(store)


def _measured(rng: random.Random, first: RunStarted, place: int) -> list[Record]:
    """A run in two rounds that asks most of the questions, some of them again."""
    left_out = rng.randint(0, 3) if place else 0
    asked = [name for name in IDS if rng.random() > 0.05 * left_out]
    asked += rng.sample(asked, rng.choice((0, 0, 7)))
    records: list[Record] = [
        msgspec.structs.replace(
            first,
            questions=QuestionSet(
                name="numbers", sha256=first.questions.sha256, total=COUNT, selected=len(set(asked))
            ),
            settings=msgspec.structs.replace(first.settings, rounds=2, limit=None),
            epoch=f"{rng.randrange(2**64):016x}" if place % 2 else f"{len(first.device.device_id):016x}",
        )
    ]
    half = len(asked) // 2
    seen: set[str] = set()
    for number, names in enumerate((asked[:half], asked[half:])):
        records.append(round_started(len(records), number))
        for name in names:
            broken = place == 1 and rng.random() < 0.1
            words = right(name) if rng.random() < 0.7 else rng.choice(("number is", "here", name[1:]))
            records.append(
                answer(
                    len(records),
                    name,
                    "" if broken else words,
                    rng.lognormvariate(2.5 + place / 9, 0.3),
                    error="no span" if broken else None,
                    marks=("throttled",) if rng.random() < 0.05 else (),
                    repeat=int(name in seen),
                    tokens=rng.randint(20, 200),
                )
            )
            seen.add(name)
        records.append(round_finished(len(records), number))
    return [*records, finished(len(records), len(seen))]
