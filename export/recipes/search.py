"""The fastest int8 recipe that keeps a reader's answers, found by trying them on questions.

Two rounds, since most recipes lose early. In the first, each candidate answers a few questions, in turn with
the fp32 graph, and is dropped if it cannot be built or run, if its loss is beyond the limits by more than
twice its standard error, or if enough others are faster. The finalists answer all questions in one race. Of
those whose loss is inside the limits the fastest is kept; those that may be as fast, because the intervals of
their speed-ups overlap, count as equal, and of these the one with the most answers of fp32 is taken.
"""

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import stdev
from typing import Any, Final, NamedTuple

import msgspec

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
"""Questions of the first round."""
FINALISTS: Final = 6
_HEAT_BYTES: Final = 1_500_000_000
"""Graphs loaded at once: those of BERT-Large race in pairs."""
_STANDARD_ERRORS: Final = 2.0
_SECONDS_BETWEEN_LINES: Final = 10.0


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a recipe may cost."""

    max_f1_loss: float = 0.5
    """Points, where there are gold answers."""
    min_agreement: float | None = None
    """Share of fp32's answers to the letter; None for what `least_agreement` says."""

    def least_agreement(self, has_golds: bool) -> float | None:
        """Share of fp32's answers that a recipe must give; None where gold answers alone decide."""
        if self.min_agreement is None and not has_golds:
            return AGREEMENT_WITHOUT_GOLDS
        return self.min_agreement


AGREEMENT_WITHOUT_GOLDS: Final = 0.9


class Tried(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One candidate, and what it gave in the last round that it ran in."""

    name: str
    outcome: str
    questions: int = 0
    agreement: float | None = None
    f1_loss: float | None = None
    f1_loss_error: float | None = None
    """Standard error of the mean."""
    speed_up: float | None = None
    """Over the plain fp32 graph: median of the questions' ratios."""
    speed_up_low: float | None = None
    speed_up_high: float | None = None
    bytes: int = 0


class Found(NamedTuple):
    """The recipe that is kept, and everything that was tried, fastest first."""

    recipe: Recipe
    tried: list[Tried]


class NothingFits(VerificationFailed):
    """No candidate stays inside the limits; `tried` says what each gave."""

    def __init__(self, message: str, tried: list[Tried]) -> None:
        super().__init__(message)
        self.tried = tried


class Measured(NamedTuple):
    """A candidate after a round."""

    candidate: Candidate
    questions: int
    agreement: float
    f1_loss: float | None
    f1_loss_error: float
    speed: SpeedUp
    size: int

    def tried(self, outcome: str) -> Tried:
        """As the manifest holds it."""
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
    """Try the candidates that fit a target.

    Args:
        given: the graph, and what calibration saw.
        cutter: cuts the questions.
        asked: what is measured on, best with gold answers.
        limits: what may be lost.
        target: of the bundle. Times are this machine's, whatever the target.
        progress: called with a line about each step.
        candidates: what to try; None for all of `export.recipes.candidates`.

    Raises:
        NothingFits: no candidate stays inside the limits.
    """
    entered = [candidate for candidate in candidates or CANDIDATES if recipes.fits(candidate.recipe, target)]
    few = chosen(asked, SCREENED_ON).questions
    progress(f"search: {len(entered)} recipes on {len(few)} questions")
    has_golds = any(question.golds for question in asked.questions)
    least = limits.least_agreement(has_golds)
    if least is not None and not has_golds:
        progress(f"search: no gold answers there, so a recipe must keep {100 * least:g} % of fp32's answers")
    measured, tried = _round(entered, given, cutter, few, progress)
    plausible, hopeless = _split(measured, limits, _STANDARD_ERRORS)
    tried += [each.tried("loses too much") for each in hopeless]
    tried += [each.tried("slower than the finalists") for each in plausible[FINALISTS:]]
    finalists = [each.candidate for each in plausible[:FINALISTS]]
    if finalists:
        progress(f"search: {len(finalists)} finalists on {len(asked.questions)} questions")
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
    """A search as the manifest holds it."""
    return {
        **asked_for(asked, limits),
        "questions": len(asked.questions),
        "tried": [msgspec.to_builtins(each) for each in found.tried],
    }


def asked_for(asked: QuestionFile, limits: Limits) -> dict[str, Any]:
    """What a search depends on, besides the weights and the machine."""
    return {"questions_sha256": asked.sha256, "limits": msgspec.to_builtins(limits)}


def _round(
    candidates: Sequence[Candidate],
    given: Ingredients,
    cutter: Cutter,
    asked: tuple[Question, ...],
    progress: Callable[[str], None],
) -> tuple[list[Measured], list[Tried]]:
    """Measure candidates in heats that fit into memory, the fp32 graph in each; fastest first."""
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
            except Exception as error:  # whatever it is, the others can go on
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
    told = time.monotonic()
    for done in turns(runners, asked, laps):
        if time.monotonic() - told > _SECONDS_BETWEEN_LINES:
            told = time.monotonic()
            progress(f"search: {done} of {len(asked)} questions")
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
    wanted, mended = [], []
    if has_golds:
        wanted.append(f"loses at most {limits.max_f1_loss:g} points of F1")
        mended.append("--max-f1-loss")
    least = limits.least_agreement(has_golds)
    if least is not None:
        wanted.append(f"keeps {100 * least:g} % of fp32's answers")
        mended.append("--min-agreement")
    gave = "none could be run"
    if best.agreement is not None:
        loss = "" if best.f1_loss is None else f" and loses {best.f1_loss:.2f} points of F1"
        gave = f"the nearest, {best.name!r}, keeps {100 * best.agreement:.1f} % of the answers{loss}"
    return (
        f"no int8 recipe {' and '.join(wanted)}: {gave}; allow more with {' or '.join(mended)}, or build fp32"
    )
