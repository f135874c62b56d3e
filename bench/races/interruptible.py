"""A race of networks that reports its progress and that returns what it has measured if it is interrupted."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Final, NamedTuple

from contract.bundle import MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE, decode_manifest
from contract.questions import Question
from export.answering.inference import Cutter, onnx_network
from export.answering.paired_timing import Lap, Runner, turns

_SECONDS_BETWEEN_LINES: Final = 10.0


class Raced(NamedTuple):
    """Times and answers of all networks."""

    questions: tuple[Question, ...]
    """Those that every network has answered: all, or the first ones if it was interrupted."""
    laps: list[Lap]
    """For each network its answers and times of these questions."""
    of: str
    """How many questions there are, in words for a table's heading."""


def runner(bundle: Path, threads: int) -> Runner:
    """The network of a bundle."""
    manifest = decode_manifest((bundle / MANIFEST_FILE).read_bytes())
    cutter = Cutter((bundle / TOKENIZER_FILE).read_text(encoding="utf-8"), manifest.inputs)
    return Runner(onnx_network(bundle / MODEL_FILE, threads), cutter)


def race(runners: Sequence[Runner], questions: tuple[Question, ...]) -> Raced:
    """Let networks take turns on questions until they end, or until SIGINT or SIGTERM.

    Raises:
        SystemExit: it was stopped before all networks had answered one question.
    """
    laps = [Lap([], []) for _ in runners]
    done, said = 0, time.monotonic()
    stopped = False
    with _stoppable():
        try:
            for done in turns(runners, questions, laps):
                if time.monotonic() - said > _SECONDS_BETWEEN_LINES:
                    said = time.monotonic()
                    say(f"{done} of {len(questions)} questions")
        except KeyboardInterrupt:
            stopped = True
    if done == 0:
        raise SystemExit("bench: stopped before all networks had answered the first question")
    of = f"{done} of {len(questions)} questions, then stopped," if stopped else f"{done} questions"
    return Raced(questions[:done], [Lap(lap.readings[:done], lap.seconds[:done]) for lap in laps], of)


def say(line: str) -> None:
    """Print a line about the progress to standard error."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def _stoppable() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
