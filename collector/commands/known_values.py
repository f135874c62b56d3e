"""The values that a shell completes: what the database has of runs, devices, models and settings."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final, NamedTuple

import click

from collector.errors import CollectorError
from collector.store.database import is_address
from commandline.program.completion import completing
from commandline.sqlite.reading import connect_to_read

_SHORTEST_ID: Final = 8
_NEWEST: Final = """
SELECT run_id, device_id, model, title, precision, started_at, device, settings
FROM runs JOIN streams USING (stream) ORDER BY stream DESC LIMIT 1000
"""
"""Only the newest runs are looked at, so that the shell never waits."""


class _Run(NamedTuple):
    run_id: str
    device_id: str
    model: str
    title: str
    precision: str
    started_at: str
    device: str
    settings: str


def _runs(context: click.Context) -> list[_Run]:
    """Read the database that the command line, the environment or the configuration names."""
    path = context.params.get("database")
    if path is None:
        from collector.commands.config import CONFIG

        path = CONFIG.read(CONFIG.default)["db"]
    if is_address(str(path)):
        return []  # the shell waits for an answer, and a server may be far away
    with closing(connect_to_read(Path(str(path)))) as conn:
        return [_Run(*row) for row in conn.execute(_NEWEST)]


def _run_ids(context: click.Context) -> Iterator[tuple[str, str]]:
    from collector.store.runs import LATEST, PREVIOUS  # needs packages of the extra `collector`

    yield LATEST, "the newest run"
    yield PREVIOUS, "the run before it that measured the same"
    try:
        runs = _runs(context)
    except (KeyError, CollectorError, sqlite3.Error):
        return
    beginnings = [run.run_id[:_SHORTEST_ID] for run in runs]
    for run, beginning in zip(runs, beginnings, strict=True):
        short = beginning if beginnings.count(beginning) == 1 else run.run_id
        yield short, f"{run.model} {run.precision}, {run.device_id}, {run.started_at[:10]}"


def _hardware(context: click.Context) -> Iterator[tuple[str, str]]:
    import msgspec

    from collector.comparison_inputs.machine import machine_of
    from contract.device import Device

    for device in dict.fromkeys(run.device for run in _runs(context)):
        described = msgspec.json.decode(device, type=Device)
        yield described.hardware_class, "hardware class"
        yield machine_of(described)


def _settings(context: click.Context) -> Iterator[tuple[str, str]]:
    import msgspec

    for settings in dict.fromkeys(run.settings for run in _runs(context)):
        values = msgspec.json.decode(settings)
        for name, value in {**values, **values.pop("options", {})}.items():
            if isinstance(value, str | int):
                yield f"{name}={value}", ""


RUN_IDS: Final = completing(_run_ids)
HARDWARE: Final = completing(_hardware)
SETTINGS: Final = completing(_settings)
DEVICES: Final = completing(lambda context: ((run.device_id, "") for run in _runs(context)))
MODELS: Final = completing(lambda context: ((run.model, run.title) for run in _runs(context)))
PRECISIONS: Final = completing(lambda context: ((run.precision, "") for run in _runs(context)))
