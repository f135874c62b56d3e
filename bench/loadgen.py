"""Whether our p90 agrees with that of MLPerf's LoadGen.

    python -m bench.loadgen BUNDLE

The two take turns on one bundle, each in a process of its own. LoadGen draws its questions with replacement,
so that a question can weigh more in its p90 than in ours. So ours is printed as it is, and again over the
questions that LoadGen drew, with the times that we measured for them, one after the other. What is left are
differences between the instruments, and the machine's noise.
"""

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from itertools import cycle
from pathlib import Path
from statistics import median

from agent.bundles.bundle import describe
from agent.machine.device import inspect_device
from agent.outbox.outbox import Outbox
from agent.planning.plan import Load, Plan, plan_run, read_questions, settings_for
from agent.running.run import Run
from agent.stop_signal import Stop
from bench.commandline import options
from bench.commandline.options import command, count
from bench.results.records import time_ns, waiting
from collector.statistics.percentiles import percentile
from contract.records import Answer, Record, RunFinished
from contract.scenarios import LOADGEN, SINGLE_STREAM

_P90 = "90.00 percentile latency (ns)"


@command
@options.bundle
@options.questions
@options.limit(300)
@count("--queries", 2000, "Queries per run.", least=64)
@count("--rounds", 3, "Runs of each.")
def main(bundle: Path, questions: Path, limit: int, queries: int, rounds: int) -> None:
    """Print a Markdown table of both p90, round by round, and how far they are apart."""
    described = describe(bundle)
    read = read_questions(questions)
    plans = {
        scenario: plan_run(
            inspect_device("bench"),
            described,
            read,
            settings_for(described, limit=limit, load=Load(scenario, min_queries=queries)),
        )
        for scenario in (SINGLE_STREAM, LOADGEN)
    }
    print(
        f"{bundle.name}, {queries} queries of {len(plans[LOADGEN].questions)} questions of {questions.name}\n"
    )
    print("| round | ours ms | ours, over LoadGen's draws ms | LoadGen ms | apart % |")
    print("|--:|--:|--:|--:|--:|")
    apart = []
    for number in range(1, rounds + 1):
        ours, theirs = (_measured(plans[scenario]) for scenario in (SINGLE_STREAM, LOADGEN))
        last = theirs[-1]
        assert isinstance(last, RunFinished)
        if last.outcome is None or _P90 not in last.outcome.loadgen:
            raise SystemExit(f"bench: LoadGen did not finish: {last.reason or 'its summary has no p90'}")
        loadgen_ns = int(last.outcome.loadgen[_P90])
        times: dict[str, list[int]] = defaultdict(list)
        for answer in _answers(ours):
            times[answer.question_id].append(time_ns(answer))
        own = {question_id: cycle(found) for question_id, found in times.items()}
        drawn = [next(own[a.question_id]) for a in _answers(theirs) if a.question_id in own]
        found = [percentile(values, 0.9) for values in (_flat(times), drawn)]
        apart.append(100 * (loadgen_ns / found[1] - 1))
        print(
            f"| {number} | {found[0] / 1e6:.2f} | {found[1] / 1e6:.2f} | {loadgen_ns / 1e6:.2f} "
            f"| {apart[-1]:+.2f} |"
        )
    print(f"\nLoadGen's p90 over ours: {median(apart):+.2f} % (median of {rounds} rounds)")


def _measured(plan: Plan) -> list[Record]:
    with tempfile.TemporaryDirectory() as folder, Stop() as stop, Outbox(Path(folder, "outbox.db")) as outbox:
        Run(plan, outbox, stop).measure(lambda _: None)
        return waiting(outbox)


def _answers(records: Sequence[Record]) -> list[Answer]:
    return [record for record in records if isinstance(record, Answer) and record.error is None]


def _flat(times: dict[str, list[int]]) -> list[int]:
    return [ns for found in times.values() for ns in found]


if __name__ == "__main__":
    main()
