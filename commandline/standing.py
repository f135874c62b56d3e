"""Which runs stand for a model in a precision: the report and the suggestion follow the same rule.

Complete runs come before all others. Of several bundles or settings, those with the most questions stand for
the model, and among equals the newest. Runs that asked less than half as many questions as the largest of
them are left out.

A run that asked a random part of the questions takes its accuracy over from one that answered all of them
with the same bundle, decoding and windows, on the nearest machine.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Protocol, TypeVar

from contract.device import Device
from contract.records import Settings

FULL: Final = 0.5
"""Runs and rows with fewer questions than this share of the largest do not stand beside it."""

_RUNTIME: Final = "onnxruntime"


class StoredRun(Protocol):
    """What the rule reads of a run in the collector's database."""

    @property
    def stream(self) -> int:
        """Number of the run, in the order in which the collector first received something of it.

        The clock of a device may be years off, so this decides which run is newer.
        """

    @property
    def bundle_sha256(self) -> str:
        """The bundle that it measured."""

    @property
    def questions_sha256(self) -> str:
        """The question file that it asked."""

    @property
    def device(self) -> Device:
        """The machine that it measured."""

    @property
    def settings(self) -> Settings:
        """How it measured."""

    @property
    def questions_selected(self) -> int:
        """How many different questions it was to ask."""

    @property
    def answers(self) -> int:
        """How many answers are stored, repeats and errors included."""

    @property
    def state(self) -> str:
        """How it ended, such as `complete`; `incomplete` if records are missing."""


R = TypeVar("R", bound=StoredRun)


def variant(run: StoredRun) -> tuple[object, ...]:
    """Return the bundle and the settings that runs of one name must share to stand together."""
    s = run.settings
    windows = (s.max_tokens, s.stride_tokens, s.max_answer_tokens)
    return run.bundle_sha256, s.decoding, windows, s.threads, tuple(sorted(s.options.items()))


def asked(run: StoredRun) -> int:
    """Count the distinct questions that a run has answers to."""
    return min(run.questions_selected, run.answers)


def is_complete(run: StoredRun) -> bool:
    """Return whether a run asked all of its questions, even if they did not decide what it was to decide."""
    return run.state == "complete" or (run.state == "inconclusive" and asked(run) == run.questions_selected)


def can_lend(source: StoredRun, run: StoredRun, questions: int) -> bool:
    """Return whether a run's accuracy could be taken over from another one.

    That one must be complete and have asked all questions of the same file, with the same bundle, decoding
    and windows.

    Args:
        source: the other run.
        run: the run that asked a part of the questions.
        questions: how many questions the file has.
    """
    complete = is_complete(source) and asked(source) == questions
    return complete and _answering(source) == _answering(run)


def _answering(run: StoredRun) -> tuple[object, ...]:
    """Return all that decides the answers, except the machine and its software."""
    s = run.settings
    windows = (s.max_tokens, s.stride_tokens, s.max_answer_tokens)
    return run.questions_sha256, run.bundle_sha256, s.decoding, windows


def nearness(source: StoredRun, run: StoredRun) -> tuple[object, ...]:
    """Return what a choice among several sources is by, the highest first.

    An equal processor comes first, then an equal architecture, an equal onnxruntime, and the newest run.
    """
    theirs, ours = source.device, run.device
    alike = theirs.architecture == ours.architecture
    return (
        alike and sorted(theirs.cpu_flags) == sorted(ours.cpu_flags),
        alike,
        theirs.versions.get(_RUNTIME) == ours.versions.get(_RUNTIME),
        source.stream,
    )


def choose(variants: Iterable[Sequence[R]]) -> list[R]:
    """Return the runs that stand for a model, the newest last.

    Args:
        variants: the runs of each variant of the model, the newest last; at least one run.
    """
    return max(map(_full, variants), key=_rank)


def _full(runs: Sequence[R]) -> list[R]:
    """Return the runs that can stand for equal runs: complete ones if there are any, and no small ones."""
    complete = [run for run in runs if is_complete(run)] or runs
    most = max(map(asked, complete))
    return [run for run in complete if asked(run) >= FULL * most]


def _rank(runs: Sequence[StoredRun]) -> tuple[bool, int, int]:
    return is_complete(runs[-1]), max(map(asked, runs)), runs[-1].stream
