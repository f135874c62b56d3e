"""Where every row comes from: bundle, weights, tools, runs, device, settings."""

import json
from collections.abc import Mapping
from typing import Final

import msgspec

from collector.findings.comparison import Comparison, Provenance
from collector.report.names import Names, hardware
from collector.report.page import Chapter, Heading, Section, Table, cells
from commandline.counted import counted
from contract.records import Settings

_UNSAID: Final = {
    field.name: field.default for field in msgspec.structs.fields(Settings) if not field.required
}


def provenance(comparison: Comparison) -> Chapter:
    """Where every row comes from: bundle, weights, tools, runs, device, settings."""
    names = Names(comparison)
    return Chapter(
        "provenance",
        "Provenance",
        (
            Section("Bundles and weights", tables=(_bundles(names, comparison.provenance),)),
            Section("Runs and devices", tables=(_devices(names, comparison.provenance),)),
        ),
    )


def _bundles(names: Names, found: tuple[Provenance, ...]) -> Table:
    by_bundle = {p.bundle_sha256: p for p in found}
    return Table(
        "Bundles",
        (
            Heading("model", number=False),
            Heading("bundle sha256", number=False),
            Heading("model.onnx sha256", number=False),
            Heading("weights", number=False),
            Heading("revision", number=False),
            Heading("licence", number=False),
            Heading("trained on", number=False),
            Heading("recipe", number=False),
            Heading("built by", number=False),
        ),
        tuple(
            cells(
                names.row(p.row),
                p.bundle_sha256,
                p.model_sha256,
                p.weights_source,
                p.weights_revision,
                p.licence or "not stated",
                _trained_on(p),
                _options(p.recipe, {}),
                _versions(p.tools),
            )
            for p in by_bundle.values()
        ),
        names=1,
    )


def _devices(names: Names, found: tuple[Provenance, ...]) -> Table:
    return Table(
        "Runs",
        (
            Heading("hardware", number=False),
            Heading("model", number=False),
            Heading("devices", number=False),
            Heading("board", number=False),
            Heading("processor", number=False),
            Heading("versions", number=False),
            Heading("settings", number=False),
            Heading("runs", number=False),
        ),
        tuple(
            cells(
                hardware(p.row.hardware_class),
                names.row(p.row),
                ", ".join(p.devices),
                p.device_model,
                " ".join((p.cpu_model, *p.cpu_flags)),
                _versions(p.versions),
                _options(p.settings, _UNSAID),
                ", ".join(p.runs),
            )
            for p in found
        ),
    )


def _trained_on(p: Provenance) -> str:
    listed = f" ({counted(p.training_articles, 'article')} listed)" if p.training_articles else ""
    return (p.training_data or "not stated") + listed


def _versions(found: dict[str, str]) -> str | None:
    return ", ".join(f"{name} {version}" for name, version in found.items()) or None


def _options(text: str, unsaid: Mapping[str, object]) -> str | None:
    """Names and values; what is not set, or as it is unless set, is left out."""
    chosen = {
        name: value
        for name, value in json.loads(text).items()
        if value not in (None, {}) and (name not in unsaid or value != unsaid[name])
    }
    return ", ".join(f"{name} {value}" for name, value in chosen.items()) or None
