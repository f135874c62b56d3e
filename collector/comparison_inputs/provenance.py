"""Collects the provenance of the rows of a comparison."""

from collector.comparison_inputs.groups import Group
from collector.findings.comparison import Provenance
from contract.bundle import MODEL_FILE
from contract.codec import encode


def provenance(group: Group) -> Provenance:
    """Collect where a row's numbers come from; versions and settings are those of its newest run."""
    run = group.runs[-1]
    weights = run.bundle.weights
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
        runs=tuple(r.run_id for r in group.runs),
        devices=tuple(sorted({r.device_id for r in group.runs})),
        device_model=", ".join(sorted({r.device.model for r in group.runs})),
        cpu_model=", ".join(sorted({r.device.cpu_model for r in group.runs})),
        cpu_flags=run.device.cpu_flags,
        versions=run.device.versions,
        settings=encode(run.settings).decode(),
    )
