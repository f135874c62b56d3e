"""Searches for the fastest int8 recipe that keeps a reader's answers, by trying candidates on questions.

There are two rounds, because most candidates fail early. In the first round, each candidate answers a few
questions, in turn with the fp32 graph. It is dropped if it cannot be built or run, if its loss exceeds the
limits by more than twice its standard error, or if enough others are faster. The finalists answer all
questions in one race. Of those whose loss is within the limits, the fastest is kept. Finalists whose speed-up
interval overlaps that of the fastest count as equally fast; of these, the one with the most answers equal to
fp32's is kept.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import stdev
from typing import Any, Final, NamedTuple

import msgspec

from commandline.counted import counted
from contract.questions import Question, QuestionFile
from export.answering.inference import Cutter, onnx_network
from export.answering.paired_timing import Lap, Runner, SpeedUp, speed_up, turns
from export.answering.verification import chosen, compare, f1_losses
from export.errors import VerificationFailed
from export.quantisation.targets import Target
from export.recipes import recipe as recipes
from export.recipes.candidates import CANDIDATES, Candidate
from export.recipes.recipe import Ingredients, Recipe

SCREENED_ON: Final = 32
"""Number of questions of the first round."""
FINALISTS: Final = 6
"""Number of candidates that enter the second round."""
_HEAT_BYTES: Final = 1_500_000_000
"""Size of the graphs that are loaded at once; those of BERT-Large race in pairs."""
_STANDARD_ERRORS: Final = 2.0
_SECONDS_BETWEEN_LINES: Final = 10.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits on what a recipe may lose compared with fp32."""

    max_f1_loss: float = 0.5
    """Largest F1 loss, in points; applies only if there are gold answers."""
    min_agreement: float | None = None
    """Smallest share of answers that equal fp32's, 0 to 1; None for the default of `least_agreement`."""

    def least_agreement(self, has_golds: bool) -> float | None:
        """Share of answers that must equal fp32's, 0 to 1; None if only gold answers decide."""
        if self.min_agreement is None and not has_golds:
            return AGREEMENT_WITHOUT_GOLDS
        return self.min_agreement


AGREEMENT_WITHOUT_GOLDS: Final = 0.9
"""Share of answers that must equal fp32's if no limit is given and there are no gold answers."""


class Tried(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One candidate, and its results in the last round that it ran in."""

    name: str
    outcome: str
    questions: int = 0
    agreement: float | None = None
    f1_loss: float | None = None
    f1_loss_error: float | None = None
    """Standard error of the mean F1 loss, in points."""
    speed_up: float | None = None
    """Speed-up over the plain fp32 graph: the median of the questions' ratios."""
    speed_up_low: float | None = None
    speed_up_high: float | None = None
    bytes: int = 0


class Found(NamedTuple):
    """The recipe that is kept, and all candidates that were tried, the kept one first."""

    recipe: Recipe
    tried: list[Tried]


class NothingFits(VerificationFailed):
    """No candidate stays within the limits; `tried` holds the results of each."""

    def __init__(self, message: str, tried: list[Tried]) -> None:
        super().__init__(message)
        self.tried = tried


class Measured(NamedTuple):
    """The results of a candidate in a round."""

    candidate: Candidate
    questions: int
    agreement: float
    f1_loss: float | None
    f1_loss_error: float
    speed: SpeedUp
    size: int

    def tried(self, outcome: str) -> Tried:
        """The results as the manifest records them."""
        return Tried(
            name=self.candidate.name,
            outcome=outcome,
            questions=self.questions,
            agreement=round(self.agreement, 4),
            f1_loss=None if self.f1_loss is None else round(self.f1_loss, 3),
            f1_loss_error=None if self.f1_loss is None else round(self.f1_loss_error, 3),
            speed_up=round(self.speed.paired, 3),
            speed_up_low=round(self.speed.low, 3),
            speed_up_high=round(self.speed.high, 3),
            bytes=self.size,
        )


def search(
    given: Ingredients,
    cutter: Cutter,
    asked: QuestionFile,
    limits: Limits,
    target: Target,
    progress: Callable[[str], None],
    candidates: Sequence[Candidate] | None = None,
) -> Found:
    """Try the candidates that fit a target, and keep the best.

    Args:
        given: the graph, and the activations from calibration.
        cutter: cuts the questions into windows.
        asked: the questions to measure on, preferably with gold answers.
        limits: limits on the losses.
        target: target of the bundle. Times are those of this machine, whatever the target.
        progress: function that receives a line about each step.
        candidates: the candidates to try; None for all of `export.recipes.candidates`.

    Raises:
        NothingFits: no candidate stays within the limits.
    """
    entered = [candidate for candidate in candidates or CANDIDATES if recipes.fits(candidate.recipe, target)]
    few = chosen(asked, SCREENED_ON).questions
    progress(f"search: trying {counted(len(entered), 'recipe')} on {counted(len(few), 'question')}")
    has_golds = any(question.golds for question in asked.questions)
    least = limits.least_agreement(has_golds)
    if least is not None and not has_golds:
        progress(
            f"search: the questions have no gold answers, so a recipe must keep {100 * least:g} % of fp32's "
            "answers"
        )
    measured, tried = _round(entered, given, cutter, few, progress)
    plausible, hopeless = _split(measured, limits, _STANDARD_ERRORS)
    tried += [each.tried("loses too much") for each in hopeless]
    tried += [each.tried("slower than the finalists") for each in plausible[FINALISTS:]]
    finalists = [each.candidate for each in plausible[:FINALISTS]]
    if finalists:
        questions = counted(len(asked.questions), "question")
        progress(f"search: trying {counted(len(finalists), 'finalist')} on {questions}")
    measured, failed = _round(finalists, given, cutter, asked.questions, progress)
    inside, outside = _split(measured, limits, 0.0)
    tried += failed + [each.tried("loses too much") for each in outside]
    if not inside:
        raise NothingFits(_none_fits(tried, limits, has_golds), _ordered(tried))
    equal = [each for each in inside if each.speed.high >= inside[0].speed.low]
    kept = max(equal, key=lambda each: each.agreement)
    tried += [
        each.tried("kept" if each is kept else "as fast, fewer answers kept" if each in equal else "slower")
        for each in inside
    ]
    return Found(msgspec.structs.replace(kept.candidate.recipe, target=target), _ordered(tried))


def _ordered(tried: list[Tried]) -> list[Tried]:
    return sorted(tried, key=lambda each: (each.outcome != "kept", -each.questions, -(each.speed_up or 0.0)))


def record(found: Found, asked: QuestionFile, limits: Limits) -> dict[str, Any]:
    """A search as the manifest records it."""
    return {
        **asked_for(asked, limits),
        "questions": len(asked.questions),
        "tried": [msgspec.to_builtins(each) for each in found.tried],
    }


def asked_for(asked: QuestionFile, limits: Limits) -> dict[str, Any]:
    """The inputs that a search depends on, other than the weights and the machine."""
    return {"questions_sha256": asked.sha256, "limits": msgspec.to_builtins(limits)}


def _round(
    candidates: Sequence[Candidate],
    given: Ingredients,
    cutter: Cutter,
    asked: tuple[Question, ...],
    progress: Callable[[str], None],
) -> tuple[list[Measured], list[Tried]]:
    """Measure candidates in heats that fit into memory, each with the fp32 graph; the fastest comes first."""
    measured: list[Measured] = []
    failed: list[Tried] = []
    waiting = list(candidates)
    while waiting:
        entries: list[tuple[Candidate, Path, Runner]] = []
        taken = given.traced.stat().st_size
        while waiting and (not entries or taken < _HEAT_BYTES):
            candidate = waiting.pop(0)
            progress(
                f"search: recipe {len(candidates) - len(waiting)} of {len(candidates)}, {candidate.name}"
            )
            path = given.traced.with_name(f"candidate-{len(waiting)}.onnx")
            try:
                recipes.write(candidate.recipe, given, path)
                network = onnx_network(path)
                for window in cutter.windows(asked[0]):
                    network(window)
            except Exception as error:  # whatever it is, the other candidates continue
                reason = str(error).strip().split("\n")[0] or type(error).__name__
                failed.append(Tried(name=candidate.name, outcome=f"failed: {reason[:200]}"))
                path.unlink(missing_ok=True)
                continue
            entries.append((candidate, path, Runner(network, cutter)))
            taken += path.stat().st_size
        if entries:
            fp32 = Runner(onnx_network(given.traced), cutter)
            reference, *laps = _race([fp32, *(entry[2] for entry in entries)], asked, progress)
            for (candidate, path, _), lap in zip(entries, laps, strict=True):
                measured.append(_measured(candidate, path.stat().st_size, asked, reference, lap))
                path.unlink()
    return sorted(measured, key=lambda each: -each.speed.paired), failed


def _race(
    runners: Sequence[Runner], asked: tuple[Question, ...], progress: Callable[[str], None]
) -> list[Lap]:
    laps = [Lap([], []) for _ in runners]
    last_line = time.monotonic()
    for done in turns(runners, asked, laps):
        if time.monotonic() - last_line > _SECONDS_BETWEEN_LINES:
            last_line = time.monotonic()
            progress(f"search: answered {done} of {counted(len(asked), 'question')}")
    return laps


def _measured(
    candidate: Candidate, size: int, asked: tuple[Question, ...], reference: Lap, lap: Lap
) -> Measured:
    comparison = compare(asked, reference.readings, lap.readings)
    losses = [100 * loss for loss in f1_losses(asked, reference.readings, lap.readings)]
    error = stdev(losses) / math.sqrt(len(losses)) if len(losses) > 1 else 0.0
    return Measured(
        candidate,
        len(asked),
        comparison.agreement,
        comparison.f1_loss,
        error,
        speed_up(reference, lap),
        size,
    )


def _split(measured: list[Measured], limits: Limits, errors: float) -> tuple[list[Measured], list[Measured]]:
    inside = [each for each in measured if _is_inside(each, limits, errors)]
    return inside, [each for each in measured if each not in inside]


def _is_inside(found: Measured, limits: Limits, errors: float) -> bool:
    if found.f1_loss is not None and found.f1_loss - errors * found.f1_loss_error > limits.max_f1_loss:
        return False
    least = limits.least_agreement(found.f1_loss is not None)
    if least is None:
        return True
    spread = math.sqrt(least * (1 - least) / found.questions)
    return found.agreement + errors * spread >= least


def _none_fits(tried: list[Tried], limits: Limits, has_golds: bool) -> str:
    best = max(tried, key=lambda each: each.agreement or 0.0)
    wanted, options = [], []
    if has_golds:
        points = "point" if limits.max_f1_loss == 1 else "points"
        wanted.append(f"loses at most {limits.max_f1_loss:g} F1 {points}")
        options.append("--max-f1-loss")
    least = limits.least_agreement(has_golds)
    if least is not None:
        wanted.append(f"keeps {100 * least:g} % of fp32's answers")
        options.append("--min-agreement")
    gave = "none could be run"
    if best.agreement is not None:
        loss = "" if best.f1_loss is None else f" and loses {best.f1_loss:.2f} F1 points"
        gave = f"the closest, {best.name!r}, keeps {100 * best.agreement:.1f} % of the answers{loss}"
    return (
        f"no int8 recipe {' and '.join(wanted)}: {gave}; allow more with {' or '.join(options)}, "
        "or build fp32"
    )
