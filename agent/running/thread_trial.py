"""Finds the fastest number of threads for a bundle on this machine, in a short trial whose result is saved.

Workers with each number take turns, once forwards and once backwards, so that a machine that becomes hotter
or busier meanwhile disturbs them alike. The result is saved because a run is resumed only with the same
settings, and a second trial might end differently.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import msgspec

from agent.errors import BundleRefused, StateUnusable, WorkerDied
from agent.machine.device import cores_of, usable_cores
from agent.machine.memory_estimate import shortage
from agent.outbox.damage import move_aside
from agent.planning.plan import Plan
from agent.stop_signal import Stop
from agent.worker.process import WorkerProcess
from agent.worker.protocol import time_ns
from commandline.counted import counted
from commandline.disk import write_whole
from contract.codec import decode_json, encode, printable
from contract.errors import Malformed
from contract.records import Settings, ThreadTrial

TURN_SECONDS: Final = 1.0
WARMUP_SECONDS: Final = 0.2
MOST_QUESTIONS: Final = 32
TIE: Final = 0.02
"""More threads must save more than this share of the time, or they are not worth their energy."""
MEMORY_FILE: Final = "threads.json"

StartWorker = Callable[[Stop, Settings], WorkerProcess]
Say = Callable[[str], None]
Show = Callable[[str, float | None], None]
"""Function that is called with what the trial does now, and about how many seconds are left, if known."""


def with_fastest_threads(
    plan: Plan,
    folder: Path,
    stop: Stop,
    say: Say,
    show: Show = lambda doing, seconds_left: None,
    start_worker: StartWorker = WorkerProcess,
) -> Plan:
    """The plan with the fastest number of threads, or the same plan if the trial fails.

    Args:
        plan: has the default number of threads, one per physical core.
        folder: where the result is saved.
        stop: ends the trial.
        say: prints the result.
        show: shows how far the trial is.
        start_worker: starts the process that answers.

    Raises:
        StateUnusable: the result cannot be saved.
        Stopped: a signal came.
    """
    key = _key(plan)
    memory = _Memory(folder / MEMORY_FILE, say)
    trials = memory.recall(key)
    if not trials:
        lacking = shortage([plan.bundle.manifest], plan.settings.max_tokens)
        if lacking is not None and not plan.ignore_memory:
            return plan  # the run itself reports the reason
        try:
            trials = _try_all(plan, stop, show, start_worker)
        except (WorkerDied, BundleRefused) as failure:
            say(f"{plan.title}: cannot find the fastest number of threads: {failure}")
            return plan
        memory.keep(key, trials)
    threads = fastest(trials)
    tried = ", ".join(f"{trial.threads}: {trial.p50_ns / 1e6:.1f} ms" for trial in trials)
    say(f"{plan.title}: {counted(threads, 'thread is', 'threads are')} fastest ({tried})")
    settings = msgspec.structs.replace(plan.settings, threads=threads)
    return plan._replace(settings=settings, thread_trials=trials)


def fastest(trials: Sequence[ThreadTrial]) -> int:
    """The fewest threads that are not slower than the best by more than `TIE`."""
    best = min(trial.p50_ns for trial in trials)
    return min(trial.threads for trial in trials if trial.p50_ns <= best * (1 + TIE))


def candidates(physical: int, usable: int) -> tuple[int, ...]:
    """Numbers of threads to try: one, half of the physical cores, all of them, and the logical ones."""
    return tuple(sorted({1, max(1, physical // 2), physical, usable}))


def _try_all(plan: Plan, stop: Stop, show: Show, start_worker: StartWorker) -> tuple[ThreadTrial, ...]:
    affinity = plan.settings.options.get("affinity")
    usable = min(len(cores_of(str(affinity))), usable_cores()) if affinity else usable_cores()
    numbers = candidates(plan.settings.threads, usable)
    turns: dict[int, list[list[int]]] = {number: [] for number in numbers}
    order = (*numbers, *reversed(numbers))
    began = time.monotonic()
    for done, number in enumerate(order):
        left = (time.monotonic() - began) / done * (len(order) - done) if done else None
        show(f"trying {counted(number, 'thread')}, turn {done + 1} of {len(order)}", left)
        settings = msgspec.structs.replace(plan.settings, threads=number)
        turns[number].append(_turn(plan, settings, stop, start_worker))
    # Fewer questions are answered with a slow number; all numbers are compared on the same questions.
    count = min(len(times) for taken in turns.values() for times in taken)
    return tuple(
        ThreadTrial(threads=number, p50_ns=int(median([ns for times in taken for ns in times[:count]])))
        for number, taken in turns.items()
    )


def _turn(plan: Plan, settings: Settings, stop: Stop, start_worker: StartWorker) -> list[int]:
    with start_worker(stop, settings) as worker:
        worker.load(plan.bundle, settings)
        worker.ask(plan.questions[:MOST_QUESTIONS], WARMUP_SECONDS)
        answered = worker.ask(plan.questions[:MOST_QUESTIONS], TURN_SECONDS)
    return [time_ns(outcome) for outcome in answered.outcomes]


def _key(plan: Plan) -> str:
    """A hash of all that decides the fastest number: bundle, machine, software and settings."""
    device = plan.device
    machine = (device.cpu_model, device.cpu_flags, device.cores, device.memory_bytes, device.versions)
    settings = (plan.settings.decoding, plan.settings.max_tokens, plan.settings.options)
    return hashlib.sha256(encode((plan.bundle.sha256, machine, settings))).hexdigest()


_MEMORY: Final = msgspec.json.Decoder(dict[str, tuple[ThreadTrial, ...]])


class _Memory:
    def __init__(self, file: Path, say: Say) -> None:
        self._file = file
        self._say = say

    def recall(self, key: str) -> tuple[ThreadTrial, ...]:
        return self._all().get(key, ())

    def keep(self, key: str, trials: tuple[ThreadTrial, ...]) -> None:
        try:
            write_whole(self._file, encode({**self._all(), key: trials}))
        except OSError as error:
            raise StateUnusable(f"cannot save the number of threads: {error.strerror}") from None

    def _all(self) -> dict[str, tuple[ThreadTrial, ...]]:
        try:
            return decode_json(self._file.read_bytes(), _MEMORY, "number of threads")
        except OSError:
            return {}
        except Malformed:
            aside = move_aside(self._file)
            self._say(f"the saved numbers of threads were damaged and moved to '{printable(str(aside))}'")
            return {}
