"""What each setting of the runtime changes in speed, one setting at a time.

    python -m bench.settings BUNDLE

Every setting is a process of its own that answers the same questions, taking turns as in `bench.reader`.
"""

import os
from pathlib import Path

import numpy as np

from agent.machine.device import physical_cores, usable_cores
from agent.planning.plan import RuntimeOptions
from agent.planning.selection import select
from bench.commandline import options
from bench.commandline.options import command
from bench.races.contestants import Entry, compare
from bench.races.medians import speed_up
from collector.statistics.percentiles import percentile
from contract.questions import decode_questions


@command
@options.bundle
@options.questions
@options.limit(400)
def main(bundle: Path, questions: Path, limit: int) -> None:
    """Print a Markdown table of times, and of ratios to the defaults with 95 % intervals."""
    asked = select(decode_questions(questions.read_bytes()).questions, limit, seed=0)
    variants = _variants()
    entries = [Entry("our reader", "", bundle, threads, chosen) for _, threads, chosen in variants]
    compared = compare(entries, asked)
    times = [np.array([t.ns for t in one]) for one in compared.answers]
    print(f"{bundle.name}, {len(asked)} questions of {questions.name}, load {compared.load:.1f} before\n")
    print("| setting | p50 ms | p99 ms | times as fast as the defaults |")
    print("|---|--:|--:|--:|")
    for (name, _, _), taken in zip(variants, times, strict=True):
        found = speed_up(times[0], taken)
        assert found is not None, "they answered the same questions"
        print(
            f"| {name} | {percentile(taken, 0.5) / 1e6:.2f} | {percentile(taken, 0.99) / 1e6:.2f} "
            f"| {found.ratio:.3f} ({found.low:.3f}-{found.high:.3f}) |"
        )


def _variants() -> list[tuple[str, int, RuntimeOptions]]:
    cores = physical_cores()
    default = RuntimeOptions()
    on_cores = ",".join(map(str, sorted(os.sched_getaffinity(0))[:cores]))
    variants = [
        (f"defaults: {cores} threads", cores, default),
        ("the same again", cores, default),
        ("--no-spinning", cores, default._replace(spinning=False)),
        ("--no-arena", cores, default._replace(arena=False)),
        ("--no-huge-pages", cores, default._replace(huge_pages=False)),
        (f"--affinity {on_cores}", cores, default._replace(affinity=on_cores)),
        ("--threads 1", 1, default),
    ]
    if usable_cores() > cores:
        variants.append((f"--threads {usable_cores()}", usable_cores(), default))
    return variants


if __name__ == "__main__":
    main()
