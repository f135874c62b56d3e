"""Collects the provenance of the rows of a comparison."""

from typing import Final

from collector.comparison_inputs.groups import Group
from collector.findings.comparison import Provenance
from contract.bundle import MODEL_FILE
from contract.codec import encode

_LISTED: Final = 100
"""How many runs and how many devices of a row are listed."""


def provenance(group: Group) -> Provenance:
    """Collect where a row's numbers come from; versions and settings are those of its newest run."""
    run = group.runs[-1]
    weights = run.bundle.weights
    devices = sorted({r.device_id for r in group.runs})
    return Provenance(
        row=group.name,
        bundle_sha256=run.bundle_sha256,
        model_sha256=run.bundle.files[MODEL_FILE].sha256,
        weights_source=weights.source,
        weights_revision=weights.revision,
        licence=weights.licence,
        training_data=weights.training_data,
        training_articles=len(weights.training_articles),
        recipe=encode(run.bundle.recipe).decode(),
        tools=run.bundle.tools,
        runs=tuple(r.run_id for r in group.runs[-_LISTED:]),
        more_runs=max(0, len(group.runs) - _LISTED),
        devices=tuple(devices[:_LISTED]),
        more_devices=max(0, len(devices) - _LISTED),
        device_model=", ".join(sorted({r.device.model for r in group.runs})),
        cpu_model=", ".join(sorted({r.device.cpu_model for r in group.runs})),
        cpu_flags=run.device.cpu_flags,
        versions=run.device.versions,
        settings=encode(run.settings).decode(),
    )
