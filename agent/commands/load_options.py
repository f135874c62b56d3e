"""Reads from the options of `agent run` how questions are asked: in which way, how many and how long."""

from collections.abc import Mapping
from typing import Any, Final

import click

from agent.planning.plan import Load
from contract.scenarios import LOADGEN, OFFLINE, SERVER, SINGLE_STREAM, SUSTAINED

_BATCH: Final = 8
_MINUTES: Final = 10.0
_ROUNDS: Final = 5
_ONLY_FOR: Final = {
    "batch_size": OFFLINE,
    "qps": SERVER,
    "latency_bound": SERVER,
    "minutes": SUSTAINED,
    "rounds": SINGLE_STREAM,
}


def load_of(values: Mapping[str, Any]) -> Load:
    """The load that the values of `options.load_options` describe.

    Raises:
        UsageError: options that cannot be combined.
    """
    scenario, until = values["scenario"], values["until"]
    min_seconds, max_seconds = values["min_seconds"], values["max_seconds"]
    for name, its_scenario in _ONLY_FOR.items():
        if values[name] is not None and scenario != its_scenario:
            raise click.UsageError(f"--{name.replace('_', '-')} needs --scenario {its_scenario}.")
    if until is not None and scenario in (OFFLINE, SERVER, LOADGEN):
        raise click.UsageError(f"--until cannot be used with --scenario {scenario}.")
    if max_seconds is not None and max_seconds < min_seconds:
        raise click.UsageError(f"--max-seconds {max_seconds:g} is less than --min-seconds {min_seconds:g}.")
    if scenario == SERVER and values["latency_bound"] is None:
        raise click.UsageError("--scenario server needs --latency-bound MS, such as 100.")
    if scenario == SUSTAINED:
        if max_seconds is not None or min_seconds:
            raise click.UsageError("--scenario sustained takes --minutes, not --min-seconds/--max-seconds.")
        min_seconds = max_seconds = 60 * (values["minutes"] or _MINUTES)
    bound = values["latency_bound"]
    return Load(
        scenario=scenario,
        min_queries=values["min_queries"],
        min_seconds=min_seconds,
        max_seconds=max_seconds,
        percentile=None if until is None else int(until[1:]),
        batch_size=(values["batch_size"] or _BATCH) if scenario == OFFLINE else 1,
        qps=values["qps"],
        latency_bound_ns=None if bound is None else round(bound * 1e6),
        rounds=(values["rounds"] or _ROUNDS) if scenario == SINGLE_STREAM else 1,
    )
