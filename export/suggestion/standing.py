"""Chooses which runs stand for a model in a precision, by the rule of the collector's report."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec

from commandline.standing import choose, variant
from contract.bundle import Manifest
from contract.device import Device
from contract.records import Settings


class MeasuredRun(NamedTuple):
    """A single-stream run, as the database holds it; see `commandline.standing.StoredRun`."""

    stream: int
    hardware_class: str
    questions_sha256: str
    questions_name: str
    bundle_sha256: str
    manifest: Manifest
    device: Device
    settings: Settings
    questions_selected: int
    answers: int
    state: str


def standing(runs: Iterable[MeasuredRun]) -> list[MeasuredRun]:
    """The runs that stand for a model, the newest last.

    Args:
        runs: all runs of the model in one precision on the same questions; at least one.
    """
    variants: dict[tuple[object, ...], list[MeasuredRun]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.stream):
        variants[run.hardware_class, variant(run)].append(run)
    return choose(variants.values())


def run_of(row: Any, manifest: Manifest) -> MeasuredRun:
    """The run of a row of the database.

    Args:
        row: with the columns of `measurements`.
        manifest: of its bundle.
    """
    return MeasuredRun(
        stream=row["stream"],
        hardware_class=row["hardware_class"],
        questions_sha256=row["questions_sha256"],
        questions_name=row["questions_name"],
        bundle_sha256=row["bundle_sha256"],
        manifest=manifest,
        device=msgspec.json.decode(row["device"], type=Device),
        settings=msgspec.json.decode(row["settings"], type=Settings),
        questions_selected=row["questions_selected"],
        answers=row["answers"],
        state=row["state"],
    )
