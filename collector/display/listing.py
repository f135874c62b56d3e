"""The lists of runs, devices, question sets and rejected messages. `display.grid` writes them."""

from collections.abc import Iterable

from collector.comparison_inputs.machine import machine_of
from collector.display.grid import Grid
from collector.store.database import Store
from collector.store.runs import Run


def runs(found: Iterable[Run]) -> Grid:
    """List runs, one per row, in their order."""
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
        least=("questions", "scenario", "machine", "reason", "started_at"),
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
            "board",
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
        least=("architecture", "board", "cores", "cpu_model", "os", "memory_mb"),
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
        least=("golds", "passages", "added_at"),
    )


def rejected(store: Store) -> Grid:
    """List rejected messages, one row per message, the latest first."""
    return Grid(
        ("last_received_at", "times", "bytes", "sha256", "source", "reason"),
        list(
            store.tuples(
                "SELECT last_received_at, times, bytes, sha256, source, reason "
                "FROM rejected ORDER BY last_received_at DESC, rowid"
            )
        ),
        "nothing was rejected",
        least=("sha256", "bytes", "times", "source"),
    )
