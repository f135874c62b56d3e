"""The lists of runs, devices, question sets and rejected messages. `display.grid` writes them."""

import re
from collections.abc import Iterable
from typing import Final

from collector.comparison_inputs.machine import machine_of
from collector.display.grid import Grid
from collector.store.database import Store
from collector.store.runs import Run

SHORTEST_ID: Final = 8
LONGEST_REASON: Final = 300
"""Characters of a reason, which a device or a message decides, in a list for people."""
_FRACTION: Final = re.compile(r"\.\d+(?=Z\Z)")


def runs(found: Iterable[Run]) -> Grid:
    """List runs, one per row, in the order in which the collector first received something of them."""
    return Grid(
        (
            "run",
            "device",
            "hardware_class",
            "machine",
            "model",
            "precision",
            "scenario",
            "questions",
            "answers",
            "asked",
            "state",
            "reason",
            "started_at",
        ),
        [
            (
                run.run_id,
                run.device_id,
                run.device.hardware_class,
                machine_of(run.device).label,
                run.bundle.model,
                run.bundle.precision,
                run.settings.scenario,
                run.questions_name,
                run.answers,
                run.questions_selected,
                run.state,
                run.explanation,
                run.started_at,
            )
            for run in found
        ],
        "no run has been received yet",
    )


def devices(found: Iterable[Run]) -> Grid:
    """List the devices of runs by name, one per row, as the latest of these runs describes each."""
    runs_of: dict[str, list[Run]] = {}
    for run in found:
        runs_of.setdefault(run.device_id, []).append(run)
    rows = []
    for device_id, runs in sorted(runs_of.items()):
        device = runs[-1].device
        rows.append(
            (
                device_id,
                device.hardware_class,
                machine_of(device).label,
                device.model,
                device.architecture,
                device.cpu_model,
                device.cores,
                device.memory_bytes / 1e6,
                device.os,
                len(runs),
                runs[-1].started_at,
            )
        )
    return Grid(
        (
            "device_id",
            "hardware_class",
            "machine",
            "model",
            "architecture",
            "cpu_model",
            "cores",
            "memory_mb",
            "os",
            "runs",
            "latest_run_at",
        ),
        rows,
        "no device has sent a run yet",
    )


def question_sets(store: Store) -> Grid:
    """List the question files that were added, one per row, in the order in which they were added."""
    return Grid(
        ("name", "questions", "passages", "golds", "runs", "added_at", "sha256"),
        list(
            store.tuples(
                "SELECT name, (SELECT count(*) FROM questions AS q WHERE q.question_set = s.question_set), "
                "(SELECT count(*) FROM passages AS p WHERE p.question_set = s.question_set), "
                "(SELECT count(*) FROM golds AS g WHERE g.question_set = s.question_set), "
                "(SELECT count(*) FROM runs WHERE questions_sha256 = s.sha256), added_at, sha256 "
                "FROM question_sets AS s ORDER BY question_set"
            )
        ),
        "no question file has been added yet: collector questions add FILE",
    )


def rejected(store: Store) -> Grid:
    """List rejected messages, one row per message and reason, the latest first."""
    return _selected(
        store,
        ("last_received_at", "times", "bytes", "sha256", "source", "reason"),
        "FROM rejected ORDER BY last_received_at DESC",
        "nothing was rejected",
    )


def for_people(grid: Grid) -> Grid:
    """Shorten the ids of a list to as many characters as make them differ, its times to seconds, and reasons.

    A machine type stands in for the hardware class.
    """
    if "machine" in grid.columns:
        kept = [i for i, name in enumerate(grid.columns) if name != "hardware_class"]
        grid = grid._replace(
            columns=tuple(grid.columns[i] for i in kept),
            rows=[tuple(row[i] for i in kept) for row in grid.rows],
        )
    shortened = [_shorten(name, [row[i] for row in grid.rows]) for i, name in enumerate(grid.columns)]
    return grid._replace(rows=list(zip(*shortened, strict=True)))


def _selected(store: Store, columns: tuple[str, ...], rest: str, empty: str) -> Grid:
    return Grid(columns, list(store.tuples(f"SELECT {', '.join(columns)} {rest}")), empty)  # our own names


def _shorten(column: str, values: Iterable[object]) -> list[object]:
    values = list(values)
    if column in {"run", "sha256"}:
        length = SHORTEST_ID
        texts = {str(value) for value in values if value is not None}
        while len({text[:length] for text in texts}) < len(texts):
            length += 1
        return [None if value is None else str(value)[:length] for value in values]
    if column.endswith("_at"):
        return [None if value is None else _FRACTION.sub("", str(value)) for value in values]
    if column == "reason":
        return [None if value is None else _cut(str(value)) for value in values]
    return values


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"
