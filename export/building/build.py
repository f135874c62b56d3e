"""Builds bundles of one model from one source, in one or more precisions. The network is traced once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from commandline.counted import counted
from contract.bundle import MODEL_FILE, TOKENIZER_FILE, Architecture, Manifest, Precision
from contract.questions import QuestionFile
from contract.version import FORMAT_VERSION
from export import toolchain as tools
from export.answering import verification
from export.answering.inference import Cutter
from export.building import bundle
from export.building.build_check import RANDOM_QUESTIONS, BuildCheck, check_graph
from export.building.request import BuildRequest as BuildRequest
from export.building.request import QuestionFiles, find_source, folder_name, read_questions
from export.errors import VerificationFailed
from export.graph import trace as graph
from export.models.catalog import Model, architecture
from export.models.load import Reader, load
from export.models.sources import Source
from export.quantisation import calibration
from export.quantisation.calibration import Activation
from export.quantisation.targets import this_machine
from export.recipes import recipe as recipes
from export.recipes.recipe import Ingredients, Recipe
from export.recipes.search import Tried, asked_for, record, search

Progress = Callable[[str], None]


def build(
    request: BuildRequest, to: Path, progress: Progress, show: Callable[[list[Tried]], object] | None = None
) -> list[Path]:
    """Make the bundles of a request, each in `to`/MODEL-PRECISION; a bundle that is up to date is reused.

    Args:
        request: what to build.
        to: folder to put the bundles in; made if needed.
        progress: function that receives a line about each step.
        show: function that receives the candidates that a search tried.

    Returns:
        The bundles' folders, in the order of the precisions.

    Raises:
        BadInput: the request cannot be met; see `sources` and `load`.
        HubUnavailable: see `sources.from_hub`.
        NotInstalled: the extra `export` is not installed.
        StorageUnavailable: the bundles cannot be written.
        NothingFits: no recipe of a search is good enough.
        VerificationFailed: a graph does not answer like the network that it was made from; bundles of
            precisions that were built before it are kept.
    """
    tools.check_installed("building", tools.TO_BUILD)
    name = request.model.name
    source = find_source(request)
    files = read_questions(request)
    places = {precision: to / folder_name(request, precision) for precision in request.precisions}
    missing = []
    for precision, place in places.items():
        if request.force or not _is_built(place, request, source, files, precision):
            missing.append(precision)
        else:
            progress(f"{place.name}: already built from the same weights with the same tools; reused")
    if missing:
        progress(f"{name}: loading weights ({source.weights.origin}: {source.weights.source})")
        reader = load(request.model, source)
        with bundle.workshop(to) as shop:
            progress(f"{name}: tracing {reader.parameters / 1e6:.1f}M parameters")
            traced = _trace(reader, shop)
            check = None
            if request.verify:
                with _leaving_out("no bundle"):
                    check = _build_check(request, source, files, reader, traced, progress)
            del reader  # its weights are on disk now, and the next steps need the memory
            activations = (
                _activations(name, source, files, traced, shop, progress) if "int8" in missing else None
            )
            given = Ingredients(traced.graph, traced.inputs, traced.architecture, activations, {})
            for precision in missing:
                place = places[precision]
                recipe = _recipe(request, source, files, precision)
                if precision == "int8" and files.search is not None:
                    cutter = traced.cutter()
                    recipe = _searched(request, source, files, files.search, given, cutter, progress, show)
                progress(f"{place.name}: writing")
                draft = shop / place.name
                manifest = _draft(request.model, source, traced, precision, recipe, given, draft)
                if check is not None:
                    progress(f"{place.name}: verifying")
                    with _leaving_out(f"no {place.name}"):
                        found = check.verify(manifest, draft)
                    manifest = msgspec.structs.replace(manifest, verification=found)
                bundle.seal(draft, manifest, place)
    return list(places.values())


@contextmanager
def _leaving_out(what: str) -> Iterator[None]:
    """Add to the message of a failed verification what was not written."""
    try:
        yield
    except VerificationFailed as error:
        raise VerificationFailed(f"{error}, so {what} was written") from None


def _is_built(
    place: Path, request: BuildRequest, source: Source, files: QuestionFiles, precision: Precision
) -> bool:
    there = bundle.read(place)
    return (
        there is not None
        and there.model == request.model.name
        and there.weights == source.weights
        and there.precision == precision
        and _is_recipe(there.recipe, request, source, files, precision)
        and there.tools == tools.versions()
        and (there.verification is not None or not request.verify)
        and (source.checkpoint is not None or there.architecture == architecture(request.model.config))
    )


def _is_recipe(
    there: dict[str, Any], request: BuildRequest, source: Source, files: QuestionFiles, precision: Precision
) -> bool:
    if precision == "int8" and files.search is not None:
        asked = asked_for(files.search, request.limits)
        searched = there.get("search", {})
        return (
            bool(searched)
            and searched | asked == searched
            and there["target"] == (request.target or this_machine())
        )
    return there == there | _recipe(request, source, files, precision).described


class _Traced(NamedTuple):
    """The parts that all precisions of a model share."""

    graph: Path
    inputs: tuple[str, ...]
    tokenizer: str
    architecture: Architecture
    parameters: int

    def cutter(self) -> Cutter:
        """Cuts questions into windows that the model accepts."""
        return Cutter(self.tokenizer, self.inputs, self.architecture.max_positions)


def _trace(reader: Reader, shop: Path) -> _Traced:
    path = shop / "traced.onnx"
    inputs = graph.trace(reader, path)
    return _Traced(path, inputs, reader.tokenizer.to_str(), reader.architecture, reader.parameters)


def _activations(
    name: str, source: Source, files: QuestionFiles, traced: _Traced, shop: Path, progress: Progress
) -> dict[str, Activation] | None:
    if source.checkpoint is None:
        return None
    asked = files.calibration.questions
    progress(f"{name}: calibrating on {counted(len(asked), 'question')}")
    cutter = traced.cutter()
    return calibration.activations(traced.graph, cutter, asked, shop / "calibrated.onnx")


def _build_check(
    request: BuildRequest,
    source: Source,
    files: QuestionFiles,
    reader: Reader,
    traced: _Traced,
    progress: Progress,
) -> BuildCheck:
    trained = source.checkpoint is not None
    count = request.verify if trained else min(request.verify, RANDOM_QUESTIONS)
    asked = verification.chosen(files.questions, count)
    questions = counted(len(asked.questions), "question")
    progress(f"{request.model.name}: verifying the graph on {questions}")
    cutter = traced.cutter()
    return check_graph(request.model.name, reader.network, traced.graph, cutter, asked, trained=trained)


def _draft(
    model: Model,
    source: Source,
    traced: _Traced,
    precision: Precision,
    chosen: "_Chosen",
    given: Ingredients,
    folder: Path,
) -> Manifest:
    folder.mkdir()
    written = recipes.write(chosen.recipe, given, folder / MODEL_FILE)
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
        recipe=chosen.described | written.found,
        inputs=written.inputs,
        max_tokens=traced.architecture.max_positions,
        tools=tools.versions(),
        created_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        files={name: bundle.file_entry(folder / name) for name in (MODEL_FILE, TOKENIZER_FILE)},
    )


class _Chosen(NamedTuple):
    """A recipe, and its description for the manifest before it is applied."""

    recipe: Recipe
    described: dict[str, Any]


def _recipe(request: BuildRequest, source: Source, files: QuestionFiles, precision: Precision) -> _Chosen:
    recipe = recipes.recipe(precision, request.target or this_machine())
    return _Chosen(recipe, _described(recipe, source, files))


def _searched(
    request: BuildRequest,
    source: Source,
    files: QuestionFiles,
    asked: QuestionFile,
    given: Ingredients,
    cutter: Cutter,
    progress: Progress,
    show: Callable[[list[Tried]], object] | None,
) -> _Chosen:
    here = this_machine()
    target = request.target or here
    if target not in {here, "portable"}:
        progress(f"search: times and answers are those of this machine ({here}), not of {target}")
    found = search(given, cutter, asked, request.limits, target, progress)
    if show is not None:
        show(found.tried)
    searched = {"search": record(found, asked, request.limits)}
    return _Chosen(found.recipe, _described(found.recipe, source, files) | searched)


def _described(recipe: Recipe, source: Source, files: QuestionFiles) -> dict[str, Any]:
    fields = recipes.described(recipe)
    if source.tokenizer_name is not None:
        fields["tokenizer"] = source.tokenizer_name
    if "smoothing" in fields or "clipping" in fields:
        if source.checkpoint is None:
            fields["smoothing"] = "from random weights alone"
        else:
            fields["calibration_sha256"] = files.calibration.sha256
    return fields
