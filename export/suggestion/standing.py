"""Chooses which runs stand for a model in a precision, by the rule of the collector's report.

Complete runs come before all others. Of several bundles or settings, those with the most questions stand for
the model, and among equals the newest. Runs that asked less than half as many questions as the largest of
them are left out.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from contract.bundle import Manifest
from contract.records import Settings

_FULL: Final = 0.5
"""Runs with fewer questions than this share of the largest do not stand beside it."""


class MeasuredRun(NamedTuple):
    """A single-stream run, as the database holds it."""

    stream: int
    """Number of the run, in the order in which the collector first received something of it. The clock of a
    device may be years off, so this decides which run is newer."""
    device_id: str
    hardware_class: str
    questions_sha256: str
    questions_name: str
    bundle_sha256: str
    manifest: Manifest
    settings: Settings
    asked: int
    """How many different questions it has answers to."""
    complete: bool
    """Whether it asked all of its questions, even if they did not decide what it was to decide."""

    @property
    def variant(self) -> tuple[object, ...]:
        """The bundle, the settings and the hardware that runs must share to stand together."""
        s = self.settings
        windows = s.max_tokens, s.stride_tokens, s.max_answer_tokens
        options = tuple(sorted(s.options.items()))
        return self.hardware_class, self.bundle_sha256, s.decoding, windows, s.threads, options


def standing(runs: Sequence[MeasuredRun]) -> list[MeasuredRun]:
    """The runs that stand for a model, the newest last.

    Args:
        runs: all runs of the model in one precision on the same questions; at least one.
    """
    variants: dict[tuple[object, ...], list[MeasuredRun]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.stream):
        variants[run.variant].append(run)
    return max(map(_full, variants.values()), key=_rank)


def _full(runs: Sequence[MeasuredRun]) -> list[MeasuredRun]:
    complete = [run for run in runs if run.complete] or runs
    most = max(run.asked for run in complete)
    return [run for run in complete if run.asked >= _FULL * most]


def _rank(runs: Sequence[MeasuredRun]) -> tuple[bool, int, int]:
    return runs[-1].complete, max(run.asked for run in runs), runs[-1].stream


def run_of(row: Any, manifest: Manifest) -> MeasuredRun:
    """The run of a row of the database.

    Args:
        row: with the columns of `measurements`.
        manifest: of its bundle.
    """
    asked = min(row["questions_selected"], row["answers"])
    return MeasuredRun(
        stream=row["stream"],
        device_id=row["device_id"],
        hardware_class=row["hardware_class"],
        questions_sha256=row["questions_sha256"],
        questions_name=row["questions_name"],
        bundle_sha256=row["bundle_sha256"],
        manifest=manifest,
        settings=msgspec.json.decode(row["settings"], type=Settings),
        asked=asked,
        complete=row["status"] == "complete"
        or (row["status"] == "inconclusive" and asked == row["questions_selected"]),
    )
