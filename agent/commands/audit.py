"""`agent audit`: checks that answers do not come from a cache."""

import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from agent.commands.options import FOLDER, questions_option
from agent.errors import BadInput
from commandline.counted import counted
from commandline.help import Command
from commandline.program.messages import may_draw, say
from commandline.program.streams import print_laid_out


@click.command(
    cls=Command,
    examples="""
    agent audit bundles/minilm-l6-int8 --questions dev-v1.1.json
    """,
)
@click.argument("bundle", type=FOLDER)
@questions_option
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(min=10),
    default=100,
    show_default=True,
    help="Ask N questions, at least 10, twice each.",
)
def audit(bundle: Path, question_file: Path, answerable_only: bool, limit: int) -> int:
    """Check that repeated questions are not answered from a cache.

    Asks each question of BUNDLE twice and compares the times. Exits with status 1 if the second time is
    shorter: in a sign test with p below 0.001, and by more than 10 % in the median.
    """
    from agent.bundles.bundle import describe
    from agent.planning.plan import read_questions, settings_for
    from agent.planning.selection import select
    from agent.running.audit import judge, with_repeats
    from agent.stop_signal import Stop
    from agent.worker.process import WorkerProcess
    from agent.worker.protocol import time_ns

    described = describe(bundle)
    questions = read_questions(question_file, answerable_only=answerable_only, say=say)
    chosen = select(questions.file.questions, limit, seed=0)
    times: dict[str, list[int]] = defaultdict(list)
    settings = settings_for(described)
    with Stop() as stop, WorkerProcess(stop, settings) as worker:
        worker.load(described, settings)
        worker.ask(chosen[:10], seconds=60.0)  # warm-up
        remaining = with_repeats(chosen)
        with _progress(len(remaining)) as show:
            while remaining:
                outcomes = worker.ask(remaining[:64], seconds=0.5).outcomes
                for outcome in outcomes:
                    if outcome.error is None:
                        times[outcome.question_id].append(time_ns(outcome))
                remaining = remaining[len(outcomes) :]
                show(len(outcomes))
    pairs = [pair for pair in times.values() if len(pair) == 2]
    if not pairs:
        raise BadInput("no question could be answered, so there is nothing to compare")
    found = judge([first for first, _ in pairs], [second for _, second in pairs])
    print_laid_out(
        "",
        f"{found.faster} of {counted(found.questions, 'repeat')} took less time (p = {found.p_value:.3g}), "
        f"and the median repeat took {found.ratio:.3f} of its question's time: "
        + ("no sign of cached answers" if found.passed else "answers seem to come from a cache"),
    )
    return int(not found.passed)


@contextmanager
def _progress(length: int) -> Iterator[Callable[[int], None]]:
    """Draw a bar with the time left on a terminal; yields a function that takes how many more are done."""
    if not may_draw():
        yield lambda more: None
        return
    with click.progressbar(length=length, label="asking questions", file=sys.stderr) as bar:
        yield bar.update
