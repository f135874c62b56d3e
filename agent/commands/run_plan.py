"""`agent run-plan`: works through a plan of runs, and resumes it after a reboot."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.commands.options import FILE, delivery_options, device_options, outbox_options
from agent.commands.run import measure_from, request_of, run
from agent.errors import BadInput, NotDelivered
from commandline.config import key_of
from commandline.counted import counted
from commandline.help import Command, option_group
from commandline.options import all_of, arguments_of, context_of
from commandline.program.messages import Problem, message_options, say

if TYPE_CHECKING:
    from agent.machine.telemetry import Telemetry
    from agent.planning.plan_file import Position, PositionFile
    from agent.systemd_notify import Service
    from contract.orders.plan import RunValues, Schedule, Timing

_LIMIT = "limit"
_NOT_IN_A_PLAN = frozenset({"questions", "no-resume"})


@click.command(
    "run-plan",
    cls=Command,
    examples="""
    agent run-plan plan.toml --check
    agent run-plan plan.toml --broker mqtt://workstation
    """,
)
@click.argument("plan", type=FILE)
@option_group(
    "The plan",
    click.option("--check", is_flag=True, help="Check the plan and print its runs; measure nothing."),
    click.option("--again", is_flag=True, help="Start the plan over, even if it is not finished."),
)
@all_of(delivery_options, outbox_options, device_options)
@message_options
@click.pass_context
def run_plan(
    context: click.Context,
    /,
    plan: Path,
    check: bool,
    again: bool,
    state_dir: Path | None,
    device_id: str | None,
    **_: Any,
) -> int:
    """Work through a plan of runs, with pauses to cool down.

    PLAN is a TOML file: [[run]] tables with the options of `agent run`, and how often to repeat them. It
    is checked as a whole before the first run. The same command resumes a plan, also after a reboot. If
    the plan is finished and not due again, the command only delivers results that wait. Exits with status
    1 if a run fails.
    """
    from agent.outbox.state_folder import StateFolder
    from agent.planning.plan_file import Position, PositionFile, identity_of, read_schedule, utc_time
    from agent.systemd_notify import Service
    from commandline.clock import synchronised

    schedule = read_schedule(plan, _keys_of_a_run(context))
    service = Service()
    runs, commands, inputs = _checked(plan, schedule, context, lambda: service.alive("checking the plan"))
    if check:
        for command in commands:
            click.echo(" ".join(["agent run", *command]))
        rounds = counted(schedule.timing.rounds, "round")
        say(f"{rounds} of {counted(len(runs), 'run')}: nothing wrong")
        return 0
    service.ready()
    file = PositionFile(StateFolder(state_dir).path, plan)
    identity = identity_of(commands, schedule.timing.rounds, inputs)
    position = file.read(say)
    if position is not None and position.identity != identity:
        say("the plan has changed since it started: starting over")
        position = None
    seconds = position.seconds if position is not None else {}
    total = len(runs) * schedule.timing.rounds
    if position is not None and position.done >= total and not again:
        # Before a board without a battery has asked a time server, its clock is slow.
        if not position.due(schedule.timing, utc_time(), clock_is_right=synchronised() is not False):
            began = f"{position.began_at:%Y-%m-%d %H:%M} UTC"
            say(f"the plan that started at {began} is finished; use --again to repeat it")
            _deliver(context, state_dir, device_id)
            return 0
        position = None
    if position is None or again:
        position = Position(identity, utc_time(), seconds=seconds)
    return _work_through(runs, schedule.timing, file, position, service)


def _keys_of_a_run(context: click.Context) -> list[str]:
    """The keys that a plan may set for a run: how to measure, but not where the results go."""
    other_keys = {key_of(param) for param in context.command.params} | _NOT_IN_A_PLAN
    return [
        key_of(param)
        for param in run.params
        if isinstance(param, click.Option) and key_of(param) not in other_keys
    ]


def _checked(
    plan: Path, schedule: "Schedule", context: click.Context, alive: Callable[[], None]
) -> tuple[list[click.Context], list[tuple[str, ...]], list[str]]:
    """Check every run as far as is possible without measuring.

    Bundles that do not take turns in rounds are measured in runs of their own, so that the machine cools down
    in between.

    Returns:
        A context of `run` for each run, its arguments, and the SHA-256 of each bundle and question file.

    Raises:
        click.UsageError: it is not clear where the results go.
        BadInput: a run cannot be started.
    """
    from agent.bundles.bundle import verify
    from agent.commands.destination_options import destination_of
    from agent.planning.plan import read_questions

    destination_of(context)
    pairs = [one for several in schedule.runs for one in _in_turns_or_apart(plan, several, context)]
    runs = [one for _, one in pairs]
    known: dict[Path | tuple[Path, bool], str] = {}
    for request in (request_of(one.params) for one in runs):
        for bundle in request.bundles:
            if bundle not in known:
                alive()
                known[bundle] = verify(bundle).sha256
        asked = request.question_file, request.answerable_only
        if asked not in known:
            known[asked] = read_questions(asked[0], answerable_only=asked[1]).file.sha256
    return runs, [arguments_of(run, values) for values, _ in pairs], list(known.values())


def _in_turns_or_apart(
    plan: Path, values: "RunValues", context: click.Context
) -> list[tuple["RunValues", click.Context]]:
    """The run itself if its bundles take turns in rounds; otherwise a run for each bundle, with its limit."""
    from agent.bundles.bundle import describe
    from contract.orders.plan import BUNDLES

    together = _context_of_run(plan, values, context)
    request = request_of(together.params)
    bundles = [describe(bundle) for bundle in request.bundles]
    request.limits.check(bundles)
    if request.load.rounds > 1:
        return [(values, together)]
    apart = []
    for bundle in bundles:
        one = {**values, BUNDLES: (str(bundle.folder),)}
        limit = request.limits.of(bundle)
        if request.limits.named:
            one.pop(_LIMIT, None)
            one |= {} if limit is None else {_LIMIT: limit}
        of_one = _context_of_run(plan, one, context)
        of_one.params[_LIMIT] = limit  # also if the limits are those of the configuration
        apart.append((one, of_one))
    return apart


def _context_of_run(plan: Path, values: "RunValues", context: click.Context) -> click.Context:
    from contract.codec import printable

    try:
        one = context_of(run, values, context)
        request_of(one.params)
    except click.UsageError as error:
        what = f"{error.format_message().rstrip('.')}, in: {' '.join(arguments_of(run, values))}"
        raise BadInput(f"'{printable(str(plan))}': {printable(what)}") from None
    return one


def _work_through(
    runs: Sequence[click.Context],
    timing: "Timing",
    file: "PositionFile",
    position: "Position",
    service: "Service",
) -> int:
    """Measure the runs after the position; return 1 if a run failed, otherwise 0."""
    from agent.planning.work import work_through

    after = work_through(
        len(runs),
        timing,
        position,
        lambda number: _failed(runs[number % len(runs)]),
        lambda telemetry, idle: _cool_down(telemetry, idle, timing, service),
        file.write,
        say,
    )
    service.stopping()
    total = len(runs) * timing.rounds
    say(f"the plan is finished: {counted(total, 'run')}, {after.failed} failed")
    return int(after.failed > 0)


def _failed(one: click.Context) -> bool:
    """Measure one run; return whether it failed. Results that are not delivered wait for the next run."""
    try:
        return bool(measure_from(one))
    except NotDelivered as problem:
        say(Problem(problem))
    except BadInput as problem:
        say(Problem(f"cannot start this run: {problem}"))
        return True
    return False


def _deliver(context: click.Context, state_dir: Path | None, device_id: str | None) -> None:
    from agent.commands.destination_options import destination_of
    from agent.delivery.flush import deliver_waiting

    try:
        deliver_waiting(destination_of(context), state_dir, device_id, say)
    except NotDelivered as problem:
        say(Problem(problem))


def _cool_down(telemetry: "Telemetry", idle: float, timing: "Timing", service: "Service") -> None:
    from agent.planning.work import wait_until_cool
    from agent.stop_signal import Stop

    with Stop() as stop:
        wait_until_cool(telemetry, idle, timing, stop, service.alive, say)
