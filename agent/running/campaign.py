"""The bundles of one command, one run after the other."""

from collections.abc import Sequence

from agent.delivery.destination import Delivery, Say
from agent.errors import WentBack
from agent.outbox.state_folder import OpenedState
from agent.planning.plan import Plan
from agent.progress import Progress
from agent.running.progress_line import ProgressLine
from agent.running.run import Run
from agent.service import Service
from agent.stop import Stopped
from commandline.outcome_text import outcome_lines
from contract.records import RunFinished


def measure_all(
    plans: Sequence[Plan], state: OpenedState, delivery: Delivery, say: Say, *, resume: bool
) -> list[RunFinished]:
    """Measure each plan and hand over its results; a run that fails does not keep the next from running.

    Returns:
        The last record of each run.

    Raises:
        Stopped: a signal came; what was measured is in the outbox, and the same command continues it.
        NotDelivered: results stay in the outbox because something is wrong with where they go.
    """
    line = ProgressLine(state.outbox.pending)
    service = Service()
    service.ready()
    finished = []

    paused: str | None = None

    def between(progress: Progress) -> None:
        nonlocal paused
        line.draw(progress)
        service.alive(f"{progress.title}: {progress.how_far}")
        delivery.between(progress)
        if progress.paused != paused:
            line.clear()
            say(f"{progress.title}: pausing: {progress.paused}" if progress.paused else "going on")
            paused = progress.paused

    def meanwhile() -> None:
        service.alive("measuring without a pause")
        delivery.meanwhile()

    def measure(plan: Plan) -> tuple[str, RunFinished]:
        run = Run(plan, state.outbox, state.stop, resume=resume)
        if run.goes_on_after is not None:
            say(f"{plan.title}: going on after {run.goes_on_after}")
        try:
            return run.run_id, run.measure(between, meanwhile)
        except WentBack as reason:
            line.clear()
            say(f"{plan.title}: {reason}")
            return measure(plan)
        except Stopped as stopped:
            line.clear()
            say(f"{plan.title}: stopped by {stopped}; the same command goes on from here")
            raise

    for plan in plans:
        run_id, last = measure(plan)
        line.clear()
        delivery.run_ended(run_id)
        finished.append(last)
        if last.status == "failed":
            say(f"{plan.title} failed: {last.reason}")
        else:
            errors = f", {last.errors} could not be answered" if last.errors else ""
            say(f"{plan.title}: {last.answered} questions answered{errors}")
            if last.status == "inconclusive":
                say(f"{plan.title}: inconclusive: {last.reason}")
            for sentence in outcome_lines(plan.settings, last.outcome):
                if sentence != last.reason:
                    say(f"{plan.title}: {sentence}")
    delivery.finish()
    return finished
