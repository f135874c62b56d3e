"""Measures the bundles of one command: in each round, every bundle has its turn."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from agent.bundles.bundle import Bundle, describe
from agent.delivery.destination import Delivery, Destination, ResultFile, Say, delivering
from agent.errors import OutboxFull
from agent.machine.device import inspect_device
from agent.machine.remarks import remarks
from agent.outbox.interrupted import end_runs_of_older_versions
from agent.outbox.state_folder import OpenedState, opened_state
from agent.planning.plan import OrderStep, Plan, Questions, read_questions
from agent.planning.request import RunRequest
from agent.planning.rounds import nested, planned, with_possible_rounds, with_possible_turns
from agent.progress import Progress
from agent.running.progress_line import ProgressLine
from agent.running.runs import Runs
from agent.running.thread_trial import with_fastest_threads
from agent.stopping.stop_rule import hopeless
from agent.systemd_notify import Service
from commandline.counted import counted
from commandline.estimation.duration import about
from commandline.estimation.rounds import LEAST_QUESTIONS
from commandline.outcome_text import outcome_lines
from commandline.program.messages import Problem
from contract.codec import printable
from contract.records import RunFinished


def measure(
    request: RunRequest,
    where: Destination,
    state_dir: Path | None,
    device_id: str | None,
    hardware_class: str | None,
    say: Say,
) -> bool:
    """Measure every bundle of a request and deliver the results.

    Args:
        request: what to measure.
        where: destination of the results.
        state_dir: the state folder; None for the default one.
        device_id: the id that the user chose; None for the one in the state folder.
        hardware_class: the class that the user chose; None for the detected one.
        say: prints a sentence for the user.

    Returns:
        Whether a run failed.

    Raises:
        BadInput: a bundle, the question file or the device id cannot be used; nothing was measured.
        StateUnusable: another agent works in the state folder, or it cannot be used.
        NotDelivered: results stay in the outbox because their destination cannot be reached or refuses them.
        Stopped: a signal came; what was measured is in the outbox, and the same request continues it.
    """
    named = read_named(request, say)
    with opened_state(
        state_dir, device_id, say, limit_bytes=request.outbox_bytes, when_full=request.when_full
    ) as state:
        plans = plans_of(request, named, state, hardware_class, say)
        with delivering(where, state, say) as delivery:
            finished = measure_all(plans, state, delivery, say, resume=request.resume)
            state.stop.check()
        if state.outbox.missing is None and (pending := state.outbox.pending()):
            say(_waiting(pending, state.folder, where))
    return any(last.status == "failed" for last in finished)


class Named(NamedTuple):
    """What a request names: its bundles, described, and its questions."""

    bundles: tuple[Bundle, ...]
    questions: Questions


def read_named(request: RunRequest, say: Say) -> Named:
    """Read what a request names.

    Raises:
        BadInput: a bundle or the question file cannot be used.
    """
    bundles = tuple(describe(bundle) for bundle in request.bundles)
    request.limits.check(bundles)
    return Named(
        bundles, read_questions(request.question_file, answerable_only=request.answerable_only, say=say)
    )


def plans_of(
    request: RunRequest,
    named: Named,
    state: OpenedState,
    hardware_class: str | None,
    say: Say,
    step: OrderStep | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> list[Plan]:
    """The plan for each bundle of a request; prints what speaks against measuring now.

    Args:
        request: what to measure.
        named: what it names.
        state: the state folder.
        hardware_class: the class that the user chose; None for the detected one.
        say: prints a sentence for the user.
        step: which step of which order it is; None if it is none.
        meanwhile: called between the turns of a trial of threads.

    Raises:
        BadInput: the canaries cannot be used, or a manifest does not fit into a message.
        StateUnusable: the result of a trial of threads cannot be saved.
        Stopped: a signal came.
    """
    device = inspect_device(state.device_id, hardware_class)
    warnings = tuple(remark.sentence for remark in remarks())
    plans = [request.plan(device, bundle, named.questions, warnings) for bundle in named.bundles]
    plans = [
        plan._replace(step=step) for plan in nested(_in_possible_turns(_in_possible_rounds(plans, say), say))
    ]
    with suppress(OutboxFull):  # a later command ends them
        end_runs_of_older_versions(state.outbox)
    fewest = min(plans, key=lambda plan: len(plan.questions))
    undecided = hopeless(fewest.settings, len(fewest.questions))
    for sentence in warnings if undecided is None else (*warnings, undecided):
        say(Problem(f"warning: {sentence}"))
    if request.threads == "auto":
        plans = [_with_fastest_threads(plan, state, say, meanwhile) for plan in plans]
    return plans


def _with_fastest_threads(plan: Plan, state: OpenedState, say: Say, meanwhile: Callable[[], None]) -> Plan:
    line = ProgressLine(state.outbox.pending, say)

    def show(doing: str, seconds_left: float | None) -> None:
        meanwhile()
        trial = Progress("", plan.title, 0, 0, (), temperature_celsius=None, stage=doing)
        line.draw(trial._replace(seconds_left=seconds_left))

    def tell(sentence: str) -> None:
        line.clear()
        say(sentence)

    return with_fastest_threads(plan, state.folder, state.stop, tell, show)


def _waiting(pending: int, folder: Path, where: Destination) -> str:
    if isinstance(where, ResultFile):
        place = f"in '{printable(str(folder))}': 'agent flush --to-file {printable(str(where.path))}' appends"
    else:
        place = f"for a collector in '{printable(str(folder))}': 'agent flush' sends"
    return counted(pending, f"result waits {place} it", f"results wait {place} them")


def _in_possible_rounds(plans: Sequence[Plan], say: Say) -> list[Plan]:
    """The plans with fewer rounds if the questions of one are too few."""
    possible = with_possible_rounds(plans)
    wanted, rounds = plans[0].settings.rounds, possible[0].settings.rounds
    if rounds < wanted:
        fewest = min(planned(plan.settings, len(plan.questions)) for plan in plans)
        asked = counted(fewest, "question")
        least = counted(LEAST_QUESTIONS, "question")
        say(f"{asked} in {counted(rounds, 'round')} instead of {wanted}: a round has at least {least}")
    return possible


def _in_possible_turns(plans: Sequence[Plan], say: Say) -> list[Plan]:
    """The plans with fewer turns in a round if they cannot alternate, or if its questions are too few."""
    possible = with_possible_turns(plans)
    wanted, turns = plans[0].settings.turns, possible[0].settings.turns
    if turns < wanted:
        if len(plans) == 1:
            reason = "no other bundle is measured"
        elif plans[0].settings.rounds == 1:
            reason = "that needs at least 2 rounds"
        else:
            reason = f"a round has {counted(turns, 'question')} of a bundle"
        say(f"{counted(turns, 'turn')} in a round instead of {wanted}: {reason}")
    return possible


def measure_all(
    plans: Sequence[Plan], state: OpenedState, delivery: Delivery, say: Say, *, resume: bool
) -> list[RunFinished]:
    """Measure the plans in turns and deliver their results; a run that fails does not stop the others.

    In each round, every run has its turn, in an order drawn for the round. The last records of all runs are
    written after the last round, so that an interrupted command resumes all of them.

    Returns:
        The last record of each run.

    Raises:
        Stopped: a signal came; what was measured is in the outbox, and the same command continues it.
        NotDelivered: results stay in the outbox because their destination cannot be reached or refuses them.
    """
    line = ProgressLine(state.outbox.pending, say)
    service = Service()
    service.ready()
    paused: str | None = None
    known = advised = warned = False

    def between(progress: Progress) -> None:
        nonlocal paused, known, advised, warned
        progress = progress._replace(seconds_left=runs.seconds_left)
        if progress.seconds_left is not None and not known:
            tell(f"{about(progress.seconds_left)} left")
            known = True
        if not advised and (sentence := runs.advice) is not None:
            tell(sentence)
            advised = True
        if not warned and (missing := state.outbox.missing) is not None:
            tell(Problem(f"{missing}: results can be delivered until this command ends, and are lost then"))
            warned = True
        line.draw(progress)
        service.alive(f"{progress.name}: {progress.how_far}{progress.left}")
        delivery.between(progress)
        if progress.paused != paused:
            tell(f"{progress.title}: pausing: {progress.paused}" if progress.paused else "continuing")
            paused = progress.paused

    def meanwhile() -> None:
        service.alive("working without a pause")
        delivery.meanwhile()

    def tell(sentence: str) -> None:
        line.clear()
        say(sentence)

    runs = Runs(plans, state, tell, resume=resume)
    known = runs.seconds_left is not None
    for sentence in (*runs.announcement(), *([runs.advice] if runs.advice else [])):
        say(sentence)
    advised = runs.advice is not None
    runs.measure_rounds(between, meanwhile)
    finished = runs.finish(between, meanwhile)
    line.clear()
    for plan, (run_id, last) in zip(plans, finished, strict=True):
        delivery.run_ended(run_id)
        _say_result(plan, last, say)
    delivery.finish()
    return [last for _, last in finished]


def _say_result(plan: Plan, last: RunFinished, say: Say) -> None:
    if last.status == "failed":
        say(Problem(f"{plan.title} failed: {last.reason}"))
        return
    errors = f", {last.errors} could not be answered" if last.errors else ""
    say(f"{plan.title}: {counted(last.answered, 'question')} answered{errors}")
    if last.status == "inconclusive":
        say(f"{plan.title}: inconclusive: {last.reason}")
    for sentence in outcome_lines(plan.settings, last.outcome):
        if sentence != last.reason:
            say(f"{plan.title}: {sentence}")
