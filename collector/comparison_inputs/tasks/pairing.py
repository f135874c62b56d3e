"""Pairs the times of two rows question by question, in the turns that they took."""

from functools import partial

import msgspec
import numpy as np

from collector.comparison_inputs.answers import Answers, RunSet
from collector.comparison_inputs.rounds import PairedTimes, in_turns, turns_of
from collector.comparison_inputs.tasks.task import Task
from collector.statistics.timing.levels import level
from collector.statistics.timing.ratios import log_ratios
from collector.statistics.timing.rounds import RoundMean
from collector.summaries.columns import distinct, shared


class DevicePair(msgspec.Struct, frozen=True, kw_only=True):
    """The times of two rows on one device that both ran on."""

    device_id: str
    ratio: RoundMean
    """The log ratios of the first row's times to the second row's."""
    questions: int
    """How many distinct questions it is over."""
    turns: tuple[str, ...]
    """The turns that both took part in; empty if they were measured at different times."""
    commands: tuple[int, int]
    """How many commands measured the first row and the second row."""


class Pairing(msgspec.Struct, frozen=True, kw_only=True):
    """The times of two rows on the devices that both ran on. If they took turns on some, only those count."""

    devices: tuple[DevicePair, ...]
    """In order of the devices' names."""

    @property
    def took_turns(self) -> bool:
        """Whether the rows were measured in the same turns."""
        return bool(self.devices) and bool(self.devices[0].turns)

    @property
    def questions(self) -> int:
        """How many questions the ratio is over, on the device with the most."""
        return max((device.questions for device in self.devices), default=0)


def pairing(slower: RunSet, faster: RunSet) -> Task[Pairing]:
    """Pair the times of two rows."""
    of = (*slower.digests, *slower.devices, "over", *faster.digests, *faster.devices)
    return Task("pairing", of, Pairing, partial(_pairing, slower, faster))


def level_of_rounds(source: RunSet) -> Task[RoundMean | None]:
    """Compute how much the times of one device vary between rounds; None if it has no time."""
    return Task("level of rounds", source.digests, RoundMean | None, partial(_level, source))


def _pairing(slower: RunSet, faster: RunSet, answers: Answers) -> Pairing:
    left, right = slower.devices, faster.devices
    found = [
        pair
        for device_id in left
        if device_id in right
        and (pair := _on_device(device_id, left[device_id], right[device_id], answers)) is not None
    ]
    return Pairing(devices=tuple([pair for pair in found if pair.turns] or found))


def _on_device(device_id: str, slower: RunSet, faster: RunSet, answers: Answers) -> DevicePair | None:
    paired = in_turns(answers.rounds(slower), answers.rounds(faster))
    if paired is not None:
        return DevicePair(
            device_id=device_id,
            ratio=log_ratios(paired.left_ns, paired.right_ns, paired.round),
            questions=len(distinct(np.sort(paired.question))),
            turns=_names(paired),
            commands=(1, 1),
        )
    before, after = shared(answers.question_ns(slower), answers.question_ns(faster))
    if not len(before):
        return None
    return DevicePair(
        device_id=device_id,
        ratio=log_ratios(before, after, np.zeros(len(before))),
        questions=len(before),
        turns=(),
        commands=(_commands(slower, answers), _commands(faster, answers)),
    )


def _names(paired: PairedTimes) -> tuple[str, ...]:
    return tuple(f"{turn.epoch} {turn.number}" for turn in paired.turns)


def _commands(source: RunSet, answers: Answers) -> int:
    """Count the commands that measured runs; a run of version 1 has one of its own."""
    named: set[str] = set()
    for run in source.runs:
        named |= {turn.epoch for turn in turns_of(answers.store, run)} or {run.run_id}
    return len(named)


def _level(source: RunSet, answers: Answers) -> RoundMean | None:
    rounds = answers.rounds(source)
    if not rounds:
        return None
    return level(
        np.concatenate([found.time_ns for found in rounds]),
        np.concatenate([found.tokens for found in rounds]),
        np.repeat(np.arange(len(rounds)), [len(found.time_ns) for found in rounds]),
    )
