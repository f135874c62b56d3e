"""What measuring costs per question, and whether publishing results changes the times.

    python -m bench.harness BUNDLE

Four parts, each with its own table (`--only` picks one):

- overhead: the time that the agent adds to a question, in a run of the bundle and in one of a reader that
  answers at once, so that the time of the network hides nothing.
- publish: whether times change if results are published while they are measured. Two runs share one worker
  and take turns, a chunk each; one publishes live, to Mosquitto and a collector on this machine.
- repeat: whether two runs of the bundle, one after the other, agree.
- light: the parent's memory, and the time of `agent run` with one question, without loading and answering.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import click
import numpy as np
from numpy.typing import NDArray

from agent.bundles.bundle import describe
from agent.machine.device import inspect_device
from agent.outbox.outbox import Outbox
from agent.planning.plan import Plan, plan_run, read_questions, settings_for
from agent.running.run import Run
from agent.stop_signal import Stop
from agent.worker.process import WorkerProcess
from bench.commandline import needed, options
from bench.commandline.options import command, count
from bench.processes.collecting import collector
from bench.processes.null_reader import PROGRAM
from bench.processes.process import peak_bytes
from bench.races.side_by_side import side_by_side
from bench.results.records import time_ns, waiting
from collector.statistics.percentiles import percentile
from contract.messages import Batch, decode_message
from contract.records import Answer, Record, RunFinished, Sample
from tests.mosquitto import Mosquitto

Times = NDArray[np.int64]
_REPLICATES: Final = 2000
_POLL_SECONDS: Final = 0.002
_PARTS: Final = ("overhead", "publish", "repeat", "light")


@command
@options.bundle
@options.questions
@options.limit(2000, least=40)
@count("--starts", 5, "Starts of 'agent run' that the part 'light' times.")
@click.option(
    "--only", type=click.Choice(_PARTS), multiple=True, help="A part; repeat it for more. [default: all]"
)
def main(bundle: Path, questions: Path, limit: int, starts: int, only: tuple[str, ...]) -> None:
    """Print Markdown tables of what measuring BUNDLE costs."""
    if not only or {"publish", "light"} & {*only}:
        needed.mosquitto()
    described = describe(bundle)
    settings = settings_for(described, limit=limit)
    plan = plan_run(inspect_device("bench"), described, read_questions(questions), settings)
    asked = len(plan.questions)
    print(f"{bundle.name}, {asked} questions of {questions.name}, load {os.getloadavg()[0]:.1f} before")
    with tempfile.TemporaryDirectory() as scratch:
        for part in only or _PARTS:
            work = Path(scratch, part)
            work.mkdir()
            print(f"\n{part}\n")
            if part == "overhead":
                _overhead(plan, work)
            elif part == "publish":
                _publish(plan, work)
            else:
                arguments: list[str | Path] = ["run", bundle, "--questions", questions, "--limit", str(asked)]
                if part == "repeat":
                    _repeat(arguments, work)
                else:
                    _light(arguments, work, starts)


class Cost(NamedTuple):
    """What a run took per question, in nanoseconds."""

    reader: float
    """Median of the time that is reported."""
    worker: float
    """Mean time in the worker between two questions of a chunk."""
    pause: float
    """Pauses between chunks (commit, look at the machine, deliver), over the number of questions."""


def _overhead(plan: Plan, work: Path) -> None:
    print("| reader | reported µs | rest of the worker µs | % | pauses between chunks µs | % |")
    print("|---|--:|--:|--:|--:|--:|")
    found = {}
    for name, program in (("null", PROGRAM), ("of the bundle", None)):
        with Stop() as stop, Outbox(work / f"{name}.db") as outbox:
            start = partial(WorkerProcess, program=program) if program else WorkerProcess
            Run(plan, outbox, stop, start_worker=start).measure(lambda _: None)
            found[name] = _cost(waiting(outbox))
    real = found["of the bundle"].reader
    for name, cost in found.items():
        print(
            f"| {name} | {cost.reader / 1e3:.1f} | {cost.worker / 1e3:.1f} | {100 * cost.worker / real:.2f} "
            f"| {cost.pause / 1e3:.1f} | {100 * cost.pause / real:.2f} |"
        )
    print("\n%: of the median question of the bundle. Pauses cost throughput, but are in no reported time.")


def _cost(records: Sequence[Record]) -> Cost:
    times: list[int] = []
    beside: list[int] = []
    pauses: list[int] = []
    previous: Answer | None = None
    paused = False
    for record in records:
        if isinstance(record, Sample):
            paused = True
        elif isinstance(record, Answer):
            if previous is not None:
                gap = record.at_ns - previous.at_ns - time_ns(previous)
                (pauses if paused else beside).append(gap)
            times.append(time_ns(record))
            previous, paused = record, False
    return Cost(percentile(times, 0.5), float(np.mean(beside)), sum(pauses) / len(times))


def _publish(plan: Plan, work: Path) -> None:
    folder = work / "mosquitto"
    folder.mkdir()
    with Mosquitto(folder) as broker, collector(broker, work):
        sides = side_by_side(plan, work, broker.url)
    shared = sorted(sides.live.keys() & sides.kept.keys())
    live, kept = (np.array([side[id_] for id_ in shared]) for side in (sides.live, sides.kept))
    print("| percentile | kept ms | live ms | change % (95 %) |")
    print("|---|--:|--:|--:|")
    for fraction in (0.5, 0.9, 0.99):
        change, low, high = _change(kept, live, fraction)
        print(
            f"| p{100 * fraction:.0f} | {percentile(kept, fraction) / 1e6:.3f} "
            f"| {percentile(live, fraction) / 1e6:.3f} | {change:+.2f} ({low:+.2f} to {high:+.2f}) |"
        )
    left_out = len(plan.questions) - len(shared)
    print(f"\n{len(shared)} questions; {left_out} left out, since one of the two runs marked them.")


def _change(before: Times, after: Times, fraction: float) -> tuple[float, float, float]:
    """Change of a percentile in percent, with its interval by paired bootstrap over questions."""
    drawn = np.random.default_rng(0).integers(len(before), size=(_REPLICATES, len(before)))
    rank = int(np.ceil(fraction * len(before))) - 1
    olds, news = (np.partition(times[drawn], rank, axis=1)[:, rank] for times in (before, after))
    low, high = np.percentile(100 * (news / olds - 1), [2.5, 97.5])
    change = 100 * (percentile(after, fraction) / percentile(before, fraction) - 1)
    return change, float(low), float(high)


def _repeat(arguments: Sequence[str | Path], work: Path) -> None:
    runs = []
    for number in (1, 2):
        out = work / f"{number}.jsonl"
        _agent(*arguments, "--to-file", out, "--state-dir", work / "state", "--no-resume")
        runs.append(_records_of(out))
    first, second = ({a.question_id: a for a in _timed(run)} for run in runs)
    shared = sorted(first.keys() & second.keys())
    times = [np.array([time_ns(run[id_]) for id_ in shared]) for run in (first, second)]
    print("| run | p50 ms | p90 ms | p99 ms | load ms | first ms |")
    print("|---|--:|--:|--:|--:|--:|")
    for number, (taken, run) in enumerate(zip(times, runs, strict=True), 1):
        last = run[-1]
        assert isinstance(last, RunFinished), "the run ended"
        columns = [*(percentile(taken, q) for q in (0.5, 0.9, 0.99)), last.load_ns or 0, last.first_ns or 0]
        print(f"| {number} | " + " | ".join(f"{ns / 1e6:.2f}" for ns in columns) + " |")
    change, low, high = _change(times[0], times[1], 0.5)
    same = sum(first[id_].text == second[id_].text for id_ in shared)
    print(
        f"\np50 differs by {change:+.2f} % ({low:+.2f} to {high:+.2f}); "
        f"{same} of {len(shared)} answers are the same."
    )


def _light(arguments: Sequence[str | Path], work: Path, starts: int) -> None:
    folder = work / "mosquitto"
    folder.mkdir()
    with Mosquitto(folder) as broker, collector(broker, work):
        live = (*arguments, "--broker", broker.url, "--state-dir", work / "state")
        with _started(*live) as process:
            peak = 0
            while process.poll() is None:
                peak = max(peak, peak_bytes(process.pid))
                time.sleep(_POLL_SECONDS)
    print(f"- the parent, publishing live: {peak / 1e6:.1f} MB resident at most")
    taken = []
    for number in range(starts):
        out = work / f"{number}.jsonl"
        begun = time.perf_counter_ns()
        _agent(
            *arguments,
            *("--limit", "1", "--warmup", "0", "--to-file", out, "--state-dir", work / "state"),
        )
        whole = time.perf_counter_ns() - begun
        records = _records_of(out)
        last = records[-1]
        assert isinstance(last, RunFinished), "the run ended"
        beside = (last.load_ns or 0) + (last.first_ns or 0) + sum(time_ns(a) for a in _timed(records))
        taken.append(whole - beside)
    print(
        f"- `agent run` with one question, from start to end, without loading the bundle and answering: "
        f"{percentile(taken, 0.5) / 1e6:.0f} ms (median of {len(taken)}, at most {max(taken) / 1e6:.0f} ms)"
    )


def _agent(*arguments: str | Path) -> None:
    with _started(*arguments) as process:
        if process.wait():
            raise SystemExit("bench: the agent failed")


def _started(*arguments: str | Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "agent", *arguments])  # noqa: S603  # our own program


def _records_of(file: Path) -> list[Record]:
    records: list[Record] = []
    for line in file.read_bytes().splitlines():
        message = decode_message(line)
        assert isinstance(message, Batch), "a file of results holds batches"
        records += message.records
    return records


def _timed(records: Sequence[Record]) -> list[Answer]:
    return [r for r in records if isinstance(r, Answer) and not r.marks and r.error is None]


if __name__ == "__main__":
    main()
