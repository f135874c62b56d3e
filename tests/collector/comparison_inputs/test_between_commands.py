"""Two commands at different times share no rounds, and the spread between commands says what that matters."""

import math
from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from collector.comparison.compare import compare
from collector.comparison.notes import NOT_TOLD_APART
from collector.comparison_inputs.between_commands import CommandSpread
from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.inputs import Inputs, gather
from collector.comparison_inputs.rounds import turns_of
from collector.comparison_inputs.selection import Selection
from collector.store.database import Store
from contract.bundle import Manifest
from contract.device import Device
from contract.records import Record, RunResumed
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

BERT, MINILM = manifest("bert-large"), manifest("minilm-l6")
PI, OTHER_PI = device("pi-5"), device("pi-6")
MORNING, EVENING = "1d" * 8, "2e" * 8
MILLISECONDS = [10.0 + n for n in range(12)]
HARDWARE = ("raspberry-pi-5", "Raspberry Pi 5 Model B, 4 cores")


def measure(
    store: Store,
    bundle: Manifest = MINILM,
    epoch: str | None = MORNING,
    on: Device = PI,
    *,
    slower: float = 1.0,
    resumed: str | None = None,
    times: Sequence[float] = MILLISECONDS,
) -> None:
    """Ingest a run of two rounds; if it was resumed, its second round is of the later command."""
    first = replace(started(bundle, on), epoch=epoch)
    first = replace(first, questions=replace(first.questions, selected=len(times)))
    records: list[Record] = [first]
    for number in (0, 1):
        if number and resumed:
            records.append(RunResumed(seq=len(records), epoch=resumed, resumed_at=NOON))
        if epoch:
            records.append(round_started(len(records), number))
        for place in range(number, len(times), 2):
            records.append(answer(len(records), f"n{place}", ms=times[place] * slower))
        if epoch:
            records.append(round_finished(len(records), number))
    records.append(finished(len(records), len(times)))
    take(store, batch(records, device_id=on.device_id))


def pair(store: Store) -> tuple[Inputs, Group, Group]:
    inputs = gather(store)
    left, right = sorted(inputs.groups, key=lambda group: group.name.model)
    return inputs, left, right


def speed_up_notes(store: Store) -> tuple[str, ...]:
    row = next(row for row in compare(store).rows if row.model == "minilm-l6")
    return row.notes.get("speed_up", ())


def test_the_bundles_of_one_command_share_rounds(store: Store) -> None:
    measure(store, BERT, slower=3.0)
    measure(store, MINILM)
    inputs, bert, minilm = pair(store)
    (device_pair,) = inputs.pairings[minilm.name].devices
    assert device_pair.turns == tuple(f"{turn.epoch} {turn.number}" for turn in turns_of(store, bert.run))
    assert len(device_pair.turns) == 2
    assert NOT_TOLD_APART not in speed_up_notes(store)


def test_two_commands_are_not_told_apart(store: Store) -> None:
    measure(store, BERT, slower=3.0)
    measure(store, MINILM, EVENING)
    inputs, _, minilm = pair(store)
    assert not inputs.pairings[minilm.name].took_turns
    assert inputs.spread_between_commands(minilm) is None
    assert NOT_TOLD_APART in speed_up_notes(store)


def test_runs_of_version_1_share_no_rounds(store: Store) -> None:
    measure(store, BERT, None, slower=3.0)
    measure(store, MINILM, None)
    inputs, _, minilm = pair(store)
    assert not inputs.pairings[minilm.name].took_turns
    assert NOT_TOLD_APART in speed_up_notes(store)


def test_devices_on_which_rows_took_turns_count_alone(store: Store) -> None:
    for on in (PI, OTHER_PI):
        measure(store, BERT, on=on, slower=3.0)
    measure(store, MINILM)
    measure(store, MINILM, EVENING, OTHER_PI)
    inputs, _, minilm = pair(store)
    (device_pair,) = inputs.pairings[minilm.name].devices
    assert (device_pair.device_id, len(device_pair.turns)) == (PI.device_id, 2)


def test_a_round_after_an_interruption_is_of_the_command_that_resumed(store: Store) -> None:
    measure(store, BERT, resumed=EVENING, slower=3.0)
    measure(store, MINILM, EVENING)
    inputs, bert, minilm = pair(store)
    assert {(turn.epoch, turn.number) for turn in turns_of(store, bert.run)} == {(MORNING, 0), (EVENING, 1)}
    (device_pair,) = inputs.pairings[minilm.name].devices
    assert device_pair.turns == (f"{EVENING} 1",)


def test_repeats_say_how_much_commands_differ(store: Store) -> None:
    for slower, epoch in ((1.0, "a" * 16), (1.1, "b" * 16), (1.0, "c" * 16)):
        measure(store, MINILM, epoch, slower=slower)
    measure(store, BERT, slower=3.0)
    inputs, _, minilm = pair(store)
    spread = inputs.spread_between_commands(minilm)
    assert spread is not None and spread.repeats == 2
    assert spread.log_sd == pytest.approx(math.log(1.1) / math.sqrt(2), rel=1e-6)
    assert inputs.command_spreads.keys() == {HARDWARE}
    (note, *_) = speed_up_notes(store)
    assert note == (
        "measured at different times: from one time to another, a model's time changes by 10.0 % on this "
        "hardware (standard deviation over 2 repeats)"
    )


def test_the_spread_is_that_of_the_database_and_not_of_the_selection(store: Store) -> None:
    for epoch in (MORNING, EVENING):
        measure(store, BERT, epoch, slower=3.0)
    measure(store, MINILM)
    spreads = gather(store, selection=Selection(models=("minilm-l6",))).command_spreads
    assert spreads == {HARDWARE: CommandSpread(0.0, 1)}


def test_what_is_no_repeat(store: Store) -> None:
    measure(store)
    measure(store, slower=2.0)  # in the same command
    measure(store, epoch=EVENING, on=OTHER_PI, slower=3.0)  # on another device
    updated = device("pi-5", versions={"python": "3.14.0"})
    measure(store, epoch=EVENING, on=updated, slower=4.0)  # with another version
    measure(store, epoch="a" * 16, on=updated, times=MILLISECONDS[:8], slower=5.0)  # of too few questions
    assert gather(store).command_spreads == {}
