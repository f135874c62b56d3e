"""Runs that took turns in the rounds of one command, with times that are known."""

from collections.abc import Mapping, Sequence

import numpy as np
from msgspec.structs import replace

from collector.store.database import Store
from contract.device import Device
from contract.records import Record
from tests.collector.delivering import take
from tests.collector.factory import (
    NOON,
    answer,
    batch,
    device,
    finished,
    manifest,
    round_finished,
    round_started,
    started,
)

QUESTIONS = 70
ROUNDS = (1.0, 1.01, 0.99, 1.0, 1.0)
STEADY = ((1.0, "1.22"), (1.01, "1.22"), (0.99, "1.22"), (1.0, "1.22"))
SLOWER = ((1.3, "1.23"), (1.31, "1.23"), (1.3, "1.23"))


def take_turns(
    store: Store,
    models: Mapping[str, Sequence[float]],
    epoch: str = "1d" * 8,
    on: Device | None = None,
    *,
    seed: int = 1,
    noise: float = 0.01,
    at: str = NOON,
) -> None:
    """Ingest one fp32 run per model, with as many rounds as there are factors on its times."""
    where = on or device()
    rng = np.random.default_rng(seed)
    for model, factors in models.items():
        first = replace(started(manifest(model), where), epoch=epoch, started_at=at)
        records: list[Record] = [
            replace(first, questions=replace(first.questions, selected=QUESTIONS, total=QUESTIONS))
        ]
        order = np.random.default_rng(0).permutation(QUESTIONS)
        shares = np.array_split(order, len(factors))
        for number, (share, factor) in enumerate(zip(shares, factors, strict=True)):
            records.append(round_started(len(records), number))
            for n in share.tolist():
                ms = (10.0 + n) * factor * float(np.exp(rng.normal(0, noise)))
                records.append(answer(len(records), f"n{n}", ms=ms, tokens=100 + 10 * n))
            records.append(round_finished(len(records), number))
        records.append(finished(len(records)))
        take(store, batch(tuple(records), device_id=where.device_id))


def measured(
    store: Store,
    *times: tuple[float, str],
    model: str = "minilm-l6",
    on: str = "pi-5",
    starts: Sequence[str] = (),
) -> None:
    """Ingest a command of one run for each of the times, with a version of onnxruntime.

    Args:
        store: the database.
        times: a factor on the times, and the version.
        model: the model of all runs.
        on: the device.
        starts: when the commands started; all at noon without it.
    """
    for number, (factor, version) in enumerate(times):
        where = device(on, versions={"onnxruntime": version})
        rounds = [factor * r for r in ROUNDS]
        at = starts[number] if starts else NOON
        take_turns(store, {model: rounds}, epoch=f"{number:016x}", on=where, seed=number, at=at)
