"""Runs as the collector knows them: who measured what, and how far it got."""

from typing import NamedTuple

import msgspec

from collector.store import Store
from contract.bundle import Manifest, decode_manifest
from contract.device import Device
from contract.records import Settings


class Run(NamedTuple):
    """One run that has started. Fields of its end are None as long as it has not come."""

    stream: int
    run_id: str
    device_id: str
    started_at: str
    bundle_sha256: str
    bundle: Manifest
    device: Device
    settings: Settings
    questions_name: str
    """What the file was added as; until then, what the device calls it."""
    questions_sha256: str
    questions_selected: int
    answers: int
    """Stored so far, repeats and errors included."""
    missing: int
    """Records known to exist and not here yet."""
    status: str | None
    reason: str | None
    peak_rss_bytes: int | None
    """Highest that the worker reported or a sample saw."""

    @property
    def state(self) -> str:
        """How it ended; `running` before its end, `incomplete` when records are missing before it."""
        if self.missing:
            return "incomplete"
        return self.status or "running"


_DEVICE = msgspec.json.Decoder(Device)
_SETTINGS = msgspec.json.Decoder(Settings)

_RUNS = """
SELECT stream, run_id, device_id, started_at, bundle_sha256, bundle, device, settings,
    ifnull((SELECT name FROM question_sets WHERE sha256 = questions_sha256), questions_name)
        AS questions_name,
    questions_sha256, questions_selected, status, reason,
    (SELECT count(*) FROM answers WHERE answers.stream = runs.stream) AS answers,
    (SELECT max(last_seq) + 1 - sum(last_seq - first_seq + 1)
        FROM ranges WHERE ranges.stream = runs.stream) AS missing,
    nullif(max(ifnull(peak_rss_bytes, 0), (SELECT ifnull(max(worker_rss_bytes), 0)
        FROM samples WHERE samples.stream = runs.stream)), 0) AS peak_rss_bytes
FROM runs JOIN streams USING (stream) LEFT JOIN finishes USING (stream)
ORDER BY stream
"""


def all_runs(store: Store) -> list[Run]:
    """Every run whose first record is here, in the order in which the collector heard of them."""
    return [
        Run(
            bundle=decode_manifest(row.pop("bundle").encode()),
            device=_DEVICE.decode(row.pop("device")),
            settings=_SETTINGS.decode(row.pop("settings")),
            **row,
        )
        for row in store.rows(_RUNS)
    ]


def headless(store: Store) -> int:
    """Runs of which records are here, and the first is not."""
    return int(store.value("SELECT count(*) FROM streams WHERE stream NOT IN (SELECT stream FROM runs)"))
