"""What a person asks a build for, and what can be found of it without torch."""

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
    search: Path | None = None
    """Question file to search the recipe of int8 on; None for the default recipe."""
    search_limit: int = 400
    """Search on at most so many questions."""
    limits: Limits = Limits()
    """What the recipe that is found may cost."""
    verify: int = 128
    """Verify with at most so many questions; 0 for no verification."""
    force: bool = False
    """Build even where the same bundle is there already."""


class QuestionFiles(NamedTuple):
    """The question files of a request, each read once."""

    calibration: QuestionFile
    questions: QuestionFile
    search: QuestionFile | None


def read_questions(request: BuildRequest) -> QuestionFiles:
    """Read them.

    Raises:
        BadInput: a file cannot be read, or a search that makes no sense.
    """
    calibrating = question_file.questions(request.calibration)
    asked = calibrating if request.questions is None else question_file.questions(request.questions)
    if request.search is None:
        return QuestionFiles(calibrating, asked, None)
    if "int8" not in request.precisions:
        raise BadInput("--search is for int8: add it to --precision")
    if request.weights == "random":
        raise BadInput("--search needs trained weights: what random ones answer says nothing of a recipe")
    searched = verification.chosen(question_file.questions(request.search), request.search_limit)
    if not searched.questions:
        raise BadInput(f"'{request.search}' has no questions to search on")
    return QuestionFiles(calibrating, asked, searched)


def folder_name(request: BuildRequest, precision: Precision) -> str:
    """What the bundle of a precision is called."""
    suffix = f"-{request.target}" if precision == "int8" and request.target is not None else ""
    return f"{request.model.name}-{precision}{suffix}"


def find_source(request: BuildRequest) -> Source:
    """The weights that a request names.

    Raises:
        BadInput: there are none, or its options contradict each other.
        HubUnavailable: see `weights.from_hub`.
    """
    if request.weights != "random" and request.tokenizer is not None:
        raise BadInput("--tokenizer goes with random weights: others bring their own")
    if request.weights in {"hub", "random"} and request.base is not None:
        raise BadInput("--base goes with an adapter folder in --weights")
    if request.weights == "random":
        return weights.random(request.model, request.seed, request.tokenizer)
    if request.weights == "hub":
        return weights.from_hub(request.model)
    return weights.from_folder(Path(request.weights), request.base)
