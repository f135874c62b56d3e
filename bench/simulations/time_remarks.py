"""Remarks that a machine was not steady: rare on steady machines, frequent where intervals are too narrow."""

import math
from collections.abc import Iterator
from typing import Final

import numpy as np

from bench.simulations.cell import NOTHING, Cell, Required, share
from bench.simulations.machine import NS_PER_TOKEN, Machine, SimulatedRun, command
from bench.simulations.time_ratios import is_remarked
from collector.statistics.timing.rounds import mean_over_rounds, over_devices

_COVERS: Final = "the interval of the level covers that of {}"
_REMARK: Final = "a remark stands on {}"
_COVERAGE: Final = Required(at_least=0.93)
_STEADY: Final = {
    "spread between rounds 0 %": Machine(),
    "spread between rounds 1 %": Machine(rounds=0.01),
    "spread between rounds 5 %": Machine(rounds=0.05),
}
_CHANGING: Final = {
    "wandering by 5 %, with a memory of 10 answers": Machine(wandering=0.05, memory=0.9),
    "drift of 10 %, spread between rounds 0.5 %": Machine(drift=0.1, rounds=0.005),
    "drift of 30 %, spread between rounds 1 %": Machine(drift=0.3, rounds=0.01),
}
"""Machines that change, and whose level the interval covers as promised: a remark may stand."""
_PERSISTENT: Final = {
    "wandering by 5 %, with a memory of 50 answers": Machine(wandering=0.05, memory=0.98),
    "wandering by 5 %, with a memory of 100 answers": Machine(wandering=0.05, memory=0.99),
    "wandering by 10 %, with a memory of 200 answers": Machine(wandering=0.1, memory=0.995),
}
"""Machines whose level the interval covers less often than promised: a remark has to stand."""


def cells(draws: int, seed: int) -> Iterator[Cell]:
    """Simulate runs of one bundle, on machines that are steady and on machines that are not."""
    rng = np.random.default_rng(seed)
    for what, machines, covered, remarked in (
        ("a steady machine", _STEADY, _COVERAGE, Required(at_most=0.05)),
        ("a changing machine", _CHANGING, _COVERAGE, NOTHING),
        ("a machine that changes slowly", _PERSISTENT, NOTHING, Required(at_least=0.9)),
    ):
        for name, machine in machines.items():
            runs = [command(rng, machine)[0] for _ in range(draws)]
            situation = f"5 rounds, 334 questions, {name}"
            yield share(situation, _COVERS.format(what), map(_covers, runs), covered)
            yield share(situation, _REMARK.format(what), map(is_remarked, runs), remarked)


def _covers(run: SimulatedRun) -> bool:
    """Whether the t interval over rounds holds the level, for questions whose usual time is known exactly."""
    level = mean_over_rounds(np.log(run.time_ns / run.tokens), run.round)
    estimate = over_devices([level], [level.spread])
    return abs(estimate.log - math.log(NS_PER_TOKEN)) <= estimate.reach
