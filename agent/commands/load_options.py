"""How a user says in which way, how often and how long questions are asked."""

from typing import Any, Final

import click

from agent.planning.plan import Load
from contract.scenarios import LOADGEN, OFFLINE, SERVER, SUSTAINED

_BATCH: Final = 8
_MINUTES: Final = 10.0
_ONLY_FOR: Final = {"batch_size": OFFLINE, "qps": SERVER, "latency_bound": SERVER, "minutes": SUSTAINED}


def load_of(options: dict[str, Any]) -> Load:
    """What `options.load_options` say; they are taken out of the dictionary, but for `decoding`.

    Raises:
        UsageError: options that do not go together.
    """
    scenario = options.pop("scenario")
    min_queries, min_seconds = options.pop("min_queries"), options.pop("min_seconds")
    max_seconds, until = options.pop("max_seconds"), options.pop("until")
    special = {name: options.pop(name) for name in _ONLY_FOR}
    for name, its_scenario in _ONLY_FOR.items():
        if special[name] is not None and scenario != its_scenario:
            raise click.UsageError(f"--{name.replace('_', '-')} goes with --scenario {its_scenario}.")
    if until is not None and scenario in (OFFLINE, SERVER, LOADGEN):
        raise click.UsageError(f"--until does not go with --scenario {scenario}.")
    if max_seconds is not None and max_seconds < min_seconds:
        raise click.UsageError(f"--max-seconds {max_seconds:g} is less than --min-seconds {min_seconds:g}.")
    if scenario == SERVER and special["latency_bound"] is None:
        raise click.UsageError("--scenario server needs --latency-bound MS, such as 100.")
    if scenario == SUSTAINED:
        if max_seconds is not None or min_seconds:
            raise click.UsageError("--scenario sustained takes --minutes.")
        min_seconds = max_seconds = 60 * (special["minutes"] or _MINUTES)
    bound = special["latency_bound"]
    return Load(
        scenario=scenario,
        min_queries=min_queries,
        min_seconds=min_seconds,
        max_seconds=max_seconds,
        percentile=None if until is None else int(until[1:]),
        batch_size=(special["batch_size"] or _BATCH) if scenario == OFFLINE else 1,
        qps=special["qps"],
        latency_bound_ns=None if bound is None else round(bound * 1e6),
    )
