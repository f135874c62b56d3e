"""The request of a build, and the parts of it that can be found without torch."""

from pathlib import Path
from typing import NamedTuple

import msgspec

from contract.bundle import Precision
from contract.questions import QuestionFile
from export.answering import verification
from export.errors import BadInput
from export.models import sources as weights
from export.models.catalog import Model
from export.models.sources import Source
from export.quantisation.targets import Target
from export.questions import question_file
from export.recipes.search import Limits


class BuildRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The model to build, and the options of the build.

    `weights` is `hub`, `random` or a folder: a transformers checkpoint or a PEFT adapter. `base` is only for
    an adapter; `seed` and `tokenizer` (a `tokenizer.json`, or a folder with one) only for random weights.
    """

    model: Model
    weights: str = "hub"
    precisions: tuple[Precision, ...] = ("fp32",)
    base: Path | None = None
    tokenizer: Path | None = None
    seed: int = 0
    target: Target | None = None
    """Target of int8; None for this machine, and then the bundle's name does not contain the target."""
    calibration: Path | None = None
    """Question file to calibrate int8 on; None for the one that comes with the program."""
    questions: Path | None = None
    """Question file to verify on; None for the calibration questions."""
    search: Path | None = None
    """Question file to search an int8 recipe on; None for the default recipe."""
    search_limit: int = 400
    """Largest number of questions to search on."""
    limits: Limits = Limits()
    """Limits on the losses of the recipe that the search keeps."""
    verify: int = 128
    """Largest number of questions to verify on; 0 for no verification."""
    force: bool = False
    """Build even if the same bundle exists already."""


class QuestionFiles(NamedTuple):
    """The question files of a request, each read once."""

    calibration: QuestionFile
    questions: QuestionFile
    search: QuestionFile | None


def read_questions(request: BuildRequest) -> QuestionFiles:
    """Read the question files of a request.

    Raises:
        BadInput: a file cannot be read, or the request has a search that makes no sense.
    """
    calibrating = question_file.questions(request.calibration)
    asked = calibrating if request.questions is None else question_file.questions(request.questions)
    if request.search is None:
        return QuestionFiles(calibrating, asked, None)
    if "int8" not in request.precisions:
        raise BadInput("--search is for int8: add int8 to --precision")
    if request.weights == "random":
        raise BadInput("--search needs trained weights: random answers say nothing about a recipe")
    searched = verification.chosen(question_file.questions(request.search), request.search_limit)
    if not searched.questions:
        raise BadInput(f"'{request.search}' has no questions to search on")
    return QuestionFiles(calibrating, asked, searched)


def folder_name(request: BuildRequest, precision: Precision) -> str:
    """The name of the bundle's folder in a precision."""
    suffix = f"-{request.target}" if precision == "int8" and request.target is not None else ""
    return f"{request.model.name}-{precision}{suffix}"


def find_source(request: BuildRequest) -> Source:
    """The weights that a request names.

    Raises:
        BadInput: there are none, or the options contradict each other.
        HubUnavailable: see `sources.from_hub`.
    """
    if request.weights != "random" and request.tokenizer is not None:
        raise BadInput("--tokenizer works only with --weights random: other weights have their own")
    if request.weights in {"hub", "random"} and request.base is not None:
        raise BadInput("--base works only with an adapter folder in --weights")
    if request.weights == "random":
        return weights.random(request.model, request.seed, request.tokenizer)
    if request.weights == "hub":
        return weights.from_hub(request.model)
    return weights.from_folder(Path(request.weights), request.base)
