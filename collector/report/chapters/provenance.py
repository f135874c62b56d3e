"""The chapter on provenance: bundle, weights, tools, runs, device and settings of every row."""

import json
from collections.abc import Mapping, Sequence
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
        Column("trained on", lambda p: trained_on(p), number=False),
        Column("recipe", lambda p: _options(p.recipe, {}), number=False),
        Column("built by", lambda p: versions_text(p.tools), number=False),
    )
    return table_of("Bundles", columns, by_bundle.values(), names=1)._replace(blocks=True)


def _devices(names: Names, found: tuple[Provenance, ...]) -> Table:
    columns: tuple[Column[Provenance], ...] = (
        Column("hardware", lambda p: p.row.machine, number=False),
        Column("model", lambda p: names.row(p.row), number=False),
        Column("devices", devices_text, number=False),
        Column("board", lambda p: p.device_model, number=False),
        Column("processor", lambda p: " ".join((p.cpu_model, *p.cpu_flags)), number=False),
        Column("versions", lambda p: versions_text(p.versions), number=False),
        Column("settings", chosen_settings, number=False),
        Column("runs", runs_text, number=False),
    )
    return table_of("Runs", columns, found)._replace(blocks=True)


def chosen_settings(p: Provenance) -> str | None:
    """Write the settings of a row that are not the defaults; None if all are."""
    return _options(p.settings, _DEFAULTS)


def runs_text(p: Provenance) -> str:
    """Write the ids of a row's runs, and how many older ones there are."""
    return _with_more(p.runs, p.more_runs)


def devices_text(p: Provenance) -> str:
    """Write the ids of a row's devices, and how many more there are."""
    return _with_more(p.devices, p.more_devices)


def _with_more(names: Sequence[str], more: int) -> str:
    return ", ".join(names) + (f" and {more:,} more" if more else "")


def trained_on(p: Provenance) -> str:
    """Write what a row's weights were trained on, as far as its bundle states it."""
    listed = f" ({counted(p.training_articles, 'article')} listed)" if p.training_articles else ""
    return (p.training_data or "not stated") + listed


def versions_text(found: dict[str, str]) -> str | None:
    """Write programs and their versions; None if there are none."""
    return ", ".join(f"{name} {version}" for name, version in found.items()) or None


def _options(text: str, defaults: Mapping[str, object]) -> str | None:
    """List names and values of a JSON object, without those that are not set or have their default."""
    chosen = {
        name: value
        for name, value in json.loads(text).items()
        if value not in (None, {}) and (name not in defaults or value != defaults[name])
    }
    return ", ".join(f"{name} {value}" for name, value in chosen.items()) or None
