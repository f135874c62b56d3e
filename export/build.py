"""Building bundles: one model from one source, in one or more precisions. The network is traced once."""

from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from contract.bundle import MODEL_FILE, TOKENIZER_FILE, Architecture, Manifest, Precision
from contract.questions import QuestionFile
from contract.version import FORMAT_VERSION
from export import bundle, calibration, graph, recipes, verification, weights
from export.answers import Cutter, onnx_network, torch_network
from export.calibration import Activation
from export.catalog import Model, architecture
from export.errors import BadInput, NotInstalled
from export.reader import Reader, load
from export.targets import Target, this_machine
from export.verification import Reading
from export.weights import Source

_TOOLS: Final = (
    "distilbench",
    "numpy",
    "onnx",
    "onnxruntime",
    "optimum",
    "optimum-onnx",
    "peft",
    "tokenizers",
    "torch",
    "transformers",
)
_NEEDED: Final = ("onnx", "optimum", "peft", "torch", "transformers")

_RANDOM_QUESTIONS: Final = 4
"""Verify random weights: their answers mean nothing, and BERT-Large takes a second for each."""

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
    target: Target | None = None
    """What int8 is for; None for this machine, which also leaves the target out of the bundle's name."""
    calibration: Path | None = None
    """Question file to calibrate int8 on; None for the shipped one."""
    questions: Path | None = None
    """Question file to verify on; None for the one of calibration."""
    verify: int = 128
    """Verify with at most so many questions; 0 for no verification."""
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
    places = {precision: to / _folder(request, precision) for precision in request.precisions}
    missing = []
    for precision, place in places.items():
        if request.force or not _is_built(place, request, source, precision):
            missing.append(precision)
        else:
            progress(f"{place.name}: built before from the same weights with the same tools, reused")
    if missing:
        progress(f"{name}: loading weights ({source.weights.origin}: {source.weights.source})")
        reader = load(request.model, source)
        with bundle.workshop(to) as shop:
            progress(f"{name}: tracing {reader.parameters / 1e6:.1f}M parameters")
            traced = _trace(reader, shop)
            judge = _judge(request, source, reader, traced, progress) if request.verify else None
            del reader  # its weights are on disk now, and the next steps need the memory
            activations = _activations(request, source, traced, shop, progress) if "int8" in missing else None
            for precision in missing:
                place = places[precision]
                progress(f"{place.name}: writing")
                draft = shop / place.name
                manifest = _draft(request, source, traced, precision, activations, draft)
                if judge is not None:
                    progress(f"{place.name}: verifying")
                    manifest = msgspec.structs.replace(manifest, verification=judge.verdict(manifest, draft))
                bundle.seal(draft, manifest, place)
    return list(places.values())


def _folder(request: BuildRequest, precision: Precision) -> str:
    suffix = f"-{request.target}" if precision == "int8" and request.target is not None else ""
    return f"{request.model.name}-{precision}{suffix}"


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


def _is_built(place: Path, request: BuildRequest, source: Source, precision: Precision) -> bool:
    there = bundle.read(place)
    return (
        there is not None
        and there.model == request.model.name
        and there.weights == source.weights
        and there.precision == precision
        and there.recipe == there.recipe | _recipe(request, source, precision)
        and there.tools == _tools()
        and (there.verification is not None or not request.verify)
        and (source.checkpoint is not None or there.architecture == architecture(request.model.config))
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


def _activations(
    request: BuildRequest, source: Source, traced: _Traced, shop: Path, progress: Progress
) -> dict[str, Activation] | None:
    if source.checkpoint is None:
        return None
    asked = calibration.questions(request.calibration).questions
    progress(f"{request.model.name}: calibrating on {len(asked)} questions")
    cutter = Cutter(traced.tokenizer, traced.inputs)
    return calibration.activations(traced.graph, cutter, asked, shop / "calibrated.onnx")


class _Judge(NamedTuple):
    """What every precision of a model is held against: the fp32 graph, itself compared with PyTorch."""

    asked: QuestionFile
    cutter: Cutter
    readings: list[Reading]
    against_network: dict[str, Any]
    trained: bool

    def verdict(self, manifest: Manifest, draft: Path) -> dict[str, Any]:
        if manifest.precision == "fp32":
            return self.against_network
        found = verification.read(onnx_network(draft / MODEL_FILE), self.cutter, self.asked.questions)
        comparison = verification.compare(self.asked.questions, self.readings, found)
        if self.trained:
            verification.check_quantised(comparison, draft.name)
        return verification.recorded(comparison, "fp32", self.asked.sha256)


def _judge(
    request: BuildRequest, source: Source, reader: Reader, traced: _Traced, progress: Progress
) -> _Judge:
    trained = source.checkpoint is not None
    count = request.verify if trained else min(request.verify, _RANDOM_QUESTIONS)
    asked = verification.chosen(calibration.questions(request.questions or request.calibration), count)
    progress(f"{request.model.name}: verifying the graph on {len(asked.questions)} questions")
    cutter = Cutter(traced.tokenizer, traced.inputs)
    network = verification.read(torch_network(reader.network), cutter, asked.questions)
    readings = verification.read(onnx_network(traced.graph), cutter, asked.questions)
    comparison = verification.compare(asked.questions, network, readings)
    verification.check_exact(comparison, request.model.name, trained)
    recorded = verification.recorded(comparison, "PyTorch", asked.sha256)
    return _Judge(asked, cutter, readings, recorded, trained)


def _draft(
    request: BuildRequest,
    source: Source,
    traced: _Traced,
    precision: Precision,
    activations: dict[str, Activation] | None,
    folder: Path,
) -> Manifest:
    model = request.model
    folder.mkdir()
    recipe = recipes.recipe(precision, request.target or this_machine())
    found = recipes.write(recipe, traced.graph, folder / MODEL_FILE, activations)
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
        recipe=_recipe(request, source, precision) | found,
        inputs=traced.inputs,
        max_tokens=traced.architecture.max_positions,
        tools=_tools(),
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        files={name: bundle.file_entry(folder / name) for name in (MODEL_FILE, TOKENIZER_FILE)},
    )


def _recipe(request: BuildRequest, source: Source, precision: Precision) -> dict[str, Any]:
    fields = recipes.described(recipes.recipe(precision, request.target or this_machine()))
    if source.tokenizer_name is not None:
        fields["tokenizer"] = source.tokenizer_name
    if "smoothing" in fields:
        if source.checkpoint is None:
            fields["smoothing"] = "from random weights alone"
        else:
            fields["calibration_sha256"] = calibration.questions(request.calibration).sha256
    return fields


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
