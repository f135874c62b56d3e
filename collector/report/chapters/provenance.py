"""The chapter on provenance: bundle, weights, tools, runs, device and settings of every row."""

import json
from collections.abc import Mapping
from typing import Final

import msgspec

from collector.findings.comparison import Comparison, Provenance
from collector.report.names import Names
from collector.report.page import Chapter, Column, Section, Table, table_of
from commandline.counted import counted
from contract.records import Settings

_DEFAULTS: Final = {
    field.name: field.default for field in msgspec.structs.fields(Settings) if not field.required
}


def provenance(comparison: Comparison) -> Chapter:
    """Show where every row comes from: bundle, weights, tools, runs, device and settings."""
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
    columns: tuple[Column[Provenance], ...] = (
        Column("model", lambda p: names.row(p.row), number=False),
        Column("bundle sha256", lambda p: p.bundle_sha256, number=False),
        Column("model.onnx sha256", lambda p: p.model_sha256, number=False),
        Column("weights", lambda p: p.weights_source, number=False),
        Column("revision", lambda p: p.weights_revision, number=False),
        Column("licence", lambda p: p.licence or "not stated", number=False),
        Column("trained on", lambda p: _trained_on(p), number=False),
        Column("recipe", lambda p: _options(p.recipe, {}), number=False),
        Column("built by", lambda p: _versions(p.tools), number=False),
    )
    return table_of("Bundles", columns, by_bundle.values(), names=1)


def _devices(names: Names, found: tuple[Provenance, ...]) -> Table:
    columns: tuple[Column[Provenance], ...] = (
        Column("hardware", lambda p: p.row.machine, number=False),
        Column("model", lambda p: names.row(p.row), number=False),
        Column("devices", lambda p: ", ".join(p.devices), number=False),
        Column("board", lambda p: p.device_model, number=False),
        Column("processor", lambda p: " ".join((p.cpu_model, *p.cpu_flags)), number=False),
        Column("versions", lambda p: _versions(p.versions), number=False),
        Column("settings", lambda p: _options(p.settings, _DEFAULTS), number=False),
        Column("runs", lambda p: ", ".join(p.runs), number=False),
    )
    return table_of("Runs", columns, found)


def _trained_on(p: Provenance) -> str:
    listed = f" ({counted(p.training_articles, 'article')} listed)" if p.training_articles else ""
    return (p.training_data or "not stated") + listed


def _versions(found: dict[str, str]) -> str | None:
    return ", ".join(f"{name} {version}" for name, version in found.items()) or None


def _options(text: str, defaults: Mapping[str, object]) -> str | None:
    """List names and values of a JSON object, without those that are not set or have their default."""
    chosen = {
        name: value
        for name, value in json.loads(text).items()
        if value not in (None, {}) and (name not in defaults or value != defaults[name])
    }
    return ", ".join(f"{name} {value}" for name, value in chosen.items()) or None
