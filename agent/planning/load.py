"""How the options of `agent run` about the arrival of questions become a load."""

from collections.abc import Mapping
from typing import Any, Final

from agent.planning.plan import Load
from commandline.estimation.rounds import DEFAULT_MINUTES, DEFAULT_ROUNDS
from contract.scenarios import OFFLINE, SINGLE_STREAM, SUSTAINED

_BATCH: Final = 8


def load_from(values: Mapping[str, Any]) -> Load:
    """The load that options describe, with the defaults of those that are None.

    Args:
        values: scenario, min_queries, min_seconds, max_seconds, until, batch_size, qps, latency_bound,
            minutes, rounds and turns, which `contract.scenarios.contradiction` has checked.
    """
    scenario, until, bound = values["scenario"], values["until"], values["latency_bound"]
    min_seconds, max_seconds = values["min_seconds"], values["max_seconds"]
    if scenario == SUSTAINED:
        min_seconds = max_seconds = 60 * (values["minutes"] or DEFAULT_MINUTES)
    return Load(
        scenario=scenario,
        min_queries=values["min_queries"],
        min_seconds=min_seconds,
        max_seconds=max_seconds,
        percentile=None if until is None else int(until[1:]),
        batch_size=(values["batch_size"] or _BATCH) if scenario == OFFLINE else 1,
        qps=values["qps"],
        latency_bound_ns=None if bound is None else round(bound * 1e6),
        rounds=(values["rounds"] or DEFAULT_ROUNDS) if scenario == SINGLE_STREAM else 1,
        turns=values["turns"] or 1,
    )
