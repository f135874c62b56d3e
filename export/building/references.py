"""Finds the reference of a finished bundle: an fp32 bundle, or the PyTorch network of its weights."""

import re
from pathlib import Path
from typing import NamedTuple

from contract.bundle import MANIFEST_FILE, MODEL_FILE, Manifest, decode_manifest
from export.answering.inference import Network, onnx_network, torch_network
from export.building import bundle
from export.errors import BadInput
from export.graph.attention import MASK
from export.models import catalog
from export.models import resolve as names
from export.models import sources as weights
from export.models.catalog import Model
from export.models.load import load
from export.models.loading_errors import check_files
from export.models.sources import Source

_SEED = re.compile(r"seed (\d+)")


class Reference(NamedTuple):
    """A network whose answers are taken as correct."""

    name: str
    network: Network


def read_bundle(folder: Path) -> Manifest:
    """The manifest of a bundle, after checking that its files match it.

    Raises:
        BadInput: it is not a bundle, or its files were changed.
        ContractError: its manifest cannot be read.
    """
    try:
        data = (folder / MANIFEST_FILE).read_bytes()
    except OSError:
        raise BadInput(f"'{folder}' is not a bundle: it has no readable {MANIFEST_FILE}") from None
    check_files(folder)
    manifest = decode_manifest(data)
    for name, entry in manifest.files.items():
        try:
            found = bundle.file_entry(folder / name)
        except OSError as error:
            raise BadInput(f"cannot read '{folder / name}': {error.strerror or error}") from None
        if found != entry:
            raise BadInput(
                f"'{folder / name}' does not match its manifest (SHA-256 {found.sha256[:12]}… instead of "
                f"{entry.sha256[:12]}…): build or copy the bundle again"
            )
    return manifest


def find(folder: Path, manifest: Manifest, against: Path | None, base: Path | None) -> Reference:
    """The network to compare a bundle with.

    Args:
        folder: folder of the bundle.
        manifest: manifest of the bundle.
        against: an fp32 bundle, or a folder of weights; by default the fp32 bundle of the same weights next
            to a quantised one, otherwise the weights that the manifest names, if they can be found.
        base: folder of the base model, if `against` is an adapter.

    Raises:
        BadInput: no reference can be found, or it is of another model.
        HubUnavailable: see `sources.from_hub`.
    """
    if against is not None:
        if (against / MANIFEST_FILE).is_file():
            return _bundle(against, manifest)
        return _network(_model(manifest, against, base), weights.from_folder(against, base))
    beside = folder.resolve().with_name(f"{manifest.model}-fp32")
    if manifest.precision != "fp32" and (beside / MANIFEST_FILE).is_file():
        there = read_bundle(beside)
        if there.weights == manifest.weights:
            return _bundle(beside, manifest)
    return _named(folder, manifest)


def _bundle(folder: Path, manifest: Manifest) -> Reference:
    there = read_bundle(folder)
    if there.precision != "fp32":
        raise BadInput(f"'{folder}' is {there.precision}: give an fp32 bundle, or a folder of weights")
    if there.model != manifest.model or set(there.inputs) - {MASK} != set(manifest.inputs) - {MASK}:
        raise BadInput(f"'{folder}' is a bundle of {there.model!r}, not of {manifest.model!r}")
    return Reference(f"fp32 bundle '{folder.name}'", onnx_network(folder / MODEL_FILE))


def _named(folder: Path, manifest: Manifest) -> Reference:
    named = manifest.weights
    known = next((model for model in catalog.MODELS if model.name == manifest.model), None)
    seed = _SEED.fullmatch(named.source)
    if named.origin == "random" and known is not None and seed is not None:
        return _network(known, weights.random(known, int(seed[1])))
    if named.origin == "hub":
        model = known if known is not None and known.hub_id == named.source else None
        model = model or names.find(named.source).model
        source = weights.from_hub(model)
        if source.weights.revision == named.revision:
            return _network(model, source)
    wanted = "an fp32 bundle of the same weights or " if manifest.precision != "fp32" else ""
    raise BadInput(
        f"cannot find a reference for '{folder}': its weights came from {named.source!r} ({named.origin}), "
        f"and it is not known where they are now; give {wanted}the folder of the weights with --against"
    )


def _model(manifest: Manifest, against: Path, base: Path | None) -> Model:
    known = next((model for model in catalog.MODELS if model.name == manifest.model), None)
    return known or names.find(str(against.resolve()), None, base).model


def _network(model: Model, source: Source) -> Reference:
    return Reference(
        f"PyTorch network of {source.weights.source!r}", torch_network(load(model, source).network)
    )
