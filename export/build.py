"""Building bundles: one model from one source, in one or more precisions. The network is traced once."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from contract.bundle import MODEL_FILE, TOKENIZER_FILE, Architecture, Manifest, Precision
from contract.version import FORMAT_VERSION
from export import bundle, graph, recipes, weights
from export.catalog import Model, architecture
from export.errors import BadInput, NotInstalled
from export.reader import Reader, load
from export.weights import Source

_TOOLS: Final = (
    "distilbench",
    "numpy",
    "onnx",
    "optimum",
    "optimum-onnx",
    "peft",
    "tokenizers",
    "torch",
    "transformers",
)
_NEEDED: Final = ("onnx", "optimum", "peft", "torch", "transformers")

Progress = Callable[[str], None]


class BuildRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to build.

    `weights` is `hub`, `random` or a folder: a transformers checkpoint or a PEFT adapter. `base` goes with
    an adapter; `seed` and `tokenizer` (a `tokenizer.json`, or a folder with one) with random weights.
    """

    model: Model
    weights: str = "hub"
    precisions: tuple[Precision, ...] = ("fp32",)
    base: Path | None = None
    tokenizer: Path | None = None
    seed: int = 0
    force: bool = False
    """Build even where the same bundle is there already."""


def build(request: BuildRequest, to: Path, progress: Progress) -> list[Path]:
    """Make the bundles of a request, `to`/MODEL-PRECISION each; what is there already is reused.

    Args:
        request: what to build.
        to: folder of the bundles; made if needed.
        progress: called with a line about each step.

    Returns:
        The bundles' folders, in the order of the precisions.

    Raises:
        BadInput: the request cannot be met as it stands; see `weights` and `reader`.
        HubUnavailable: see `weights.from_hub`.
        NotInstalled: the extra `export` is not installed.
        StorageUnavailable: the bundles cannot be written.
    """
    _check_installed()
    name = request.model.name
    source = _source(request)
    places = {precision: to / f"{name}-{precision}" for precision in request.precisions}
    missing = []
    for precision, place in places.items():
        if request.force or not _is_built(place, request.model, source, precision):
            missing.append(precision)
        else:
            progress(f"{place.name}: built before from the same weights with the same tools, reused")
    if missing:
        progress(f"{name}: loading weights ({source.weights.origin}: {source.weights.source})")
        reader = load(request.model, source)
        with bundle.workshop(to) as shop:
            progress(f"{name}: tracing {reader.parameters / 1e6:.1f}M parameters")
            traced = _trace(reader, shop)
            del reader  # its weights are on disk now, and the next steps need the memory
            for precision in missing:
                place = places[precision]
                progress(f"{place.name}: writing")
                draft = shop / place.name
                bundle.seal(draft, _draft(request.model, source, traced, precision, draft), place)
    return list(places.values())


def _source(request: BuildRequest) -> Source:
    if request.weights != "random" and request.tokenizer is not None:
        raise BadInput("--tokenizer goes with random weights: others bring their own")
    if request.weights in {"hub", "random"} and request.base is not None:
        raise BadInput("--base goes with an adapter folder in --weights")
    if request.weights == "random":
        return weights.random(request.model, request.seed, request.tokenizer)
    if request.weights == "hub":
        return weights.from_hub(request.model)
    return weights.from_folder(Path(request.weights), request.base)


def _is_built(place: Path, model: Model, source: Source, precision: Precision) -> bool:
    there = bundle.read(place)
    return (
        there is not None
        and there.model == model.name
        and there.weights == source.weights
        and there.precision == precision
        and there.recipe == _recipe(source, precision)
        and there.tools == _tools()
        and (source.checkpoint is not None or there.architecture == architecture(model.config))
    )


class _Traced(NamedTuple):
    """What all precisions of a model share."""

    graph: Path
    inputs: tuple[str, ...]
    tokenizer: str
    architecture: Architecture
    parameters: int


def _trace(reader: Reader, shop: Path) -> _Traced:
    path = shop / "traced.onnx"
    inputs = graph.trace(reader, path)
    return _Traced(path, inputs, reader.tokenizer.to_str(), reader.architecture, reader.parameters)


def _draft(model: Model, source: Source, traced: _Traced, precision: Precision, folder: Path) -> Manifest:
    folder.mkdir()
    recipes.write(recipes.RECIPES[precision], traced.graph, folder / MODEL_FILE)
    (folder / TOKENIZER_FILE).write_text(traced.tokenizer, encoding="utf-8")
    return Manifest(
        format_version=FORMAT_VERSION,
        model=model.name,
        title=model.title,
        architecture=traced.architecture,
        parameters=traced.parameters,
        distillation=model.distillation,
        weights=source.weights,
        precision=precision,
        recipe=_recipe(source, precision),
        inputs=traced.inputs,
        max_tokens=traced.architecture.max_positions,
        tools=_tools(),
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        files={name: bundle.file_entry(folder / name) for name in (MODEL_FILE, TOKENIZER_FILE)},
    )


def _recipe(source: Source, precision: Precision) -> dict[str, Any]:
    recipe = recipes.described(recipes.RECIPES[precision])
    return recipe if source.tokenizer_name is None else {**recipe, "tokenizer": source.tokenizer_name}


def _tools() -> dict[str, str]:
    installed = {name: _version(name) for name in _TOOLS}
    return {name: version for name, version in installed.items() if version is not None}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:  # distilbench itself, run from a folder where it is not installed
        return None


def _check_installed() -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise NotInstalled(
            f"building needs {', '.join(missing)}, not installed here: pip install 'distilbench[export]'"
        )
