"""The command that works through a plan of runs, over reboots."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from agent.commands.config import CONFIG
from agent.commands.options import FILE, delivery_options, device_options, outbox_options
from agent.errors import BadInput, NotDelivered
from commandline.config import config_file, key_of
from commandline.help import Command, option_group
from commandline.options import all_of

Say = Callable[[str], None]


def run_plan_command(run: click.Command, flush: click.Command, say: Say) -> click.Command:
    """The command `run-plan`, which gives the commands `run` and `flush`.

    Args:
        run: takes bundles, questions and everything a plan may set.
        flush: delivers what waits.
        say: tells the user a sentence.
    """

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
    @click.pass_context
    def run_plan(
        context: click.Context, /, plan: Path, check: bool, again: bool, state_dir: Path | None, **_: Any
    ) -> int:
        """Work through a plan of runs, with pauses to cool down.

        PLAN is a TOML file: [[run]] tables with the options of `agent run`, and how often to repeat them. It
        is checked as a whole before the first run. The same command resumes a plan, also after a reboot. If
        the plan is finished and not due again, the command only delivers results that wait. Exits with status
        1 if a run fails.
        """
        from agent.machine.cooldown import idle_celsius
        from agent.machine.telemetry import Telemetry
        from agent.outbox.state_folder import StateFolder
        from agent.planning.plan_file import Course, CourseFile, read_schedule, utc_time
        from agent.service import Service

        schedule = read_schedule(plan, _keys_of_a_run(run))
        service = Service()
        given = _given(context)
        commands = [[*command, *given] for command in schedule.commands]
        identity = _checked(run, plan, schedule, commands, lambda: service.alive("checking the plan"))
        if check:
            for command in schedule.commands:
                click.echo(" ".join(["agent run", *command]))
            say(f"{len(commands)} runs in each of {schedule.timing.rounds} rounds: nothing wrong")
            return 0
        service.ready()
        kept = CourseFile(StateFolder(state_dir).path, plan)
        total = len(commands) * schedule.timing.rounds
        course = kept.read()
        if course is not None and course.identity != identity:
            say("the plan has changed since it was begun: beginning anew")
            course = None
        if course is not None and course.done >= total and not again:
            if not course.due(schedule.timing, utc_time()):
                began = f"{course.began_at:%Y-%m-%d %H:%M} UTC"
                say(f"the plan, begun at {began}, is through; --again repeats it")
                _deliver(flush, given, say)
                return 0
            course = None
        telemetry = Telemetry()
        if course is None or again:
            idle = schedule.timing.idle_celsius or idle_celsius(telemetry)
            course = Course(identity, utc_time(), idle_celsius=idle)
            kept.write(course)
        elif course.done:
            say(f"going on with run {course.done + 1} of {total}")
        rounds = itertools.chain.from_iterable([commands] * schedule.timing.rounds)
        for number, arguments in enumerate(
            itertools.islice(rounds, course.done, None), start=course.done + 1
        ):
            say(f"run {number} of {total}")
            failed = _measure(run, arguments, say)
            course = Course(identity, course.began_at, number, course.failed + failed, course.idle_celsius)
            kept.write(course)
            if number < total:
                _cool_down(telemetry, course.idle_celsius, schedule.timing, service, say)
        service.stopping()
        say(f"the plan is through: {total} runs, {course.failed} failed")
        return int(course.failed > 0)

    return run_plan


def _keys_of_a_run(run: click.Command) -> list[str]:
    """What a plan may set for a run: how to measure, not where the results go."""
    elsewhere = {option.name for option in _delivering().params}
    elsewhere |= {"config", "question_file", "no_resume"}
    return [
        key_of(option)
        for option in run.params
        if isinstance(option, click.Option) and option.name not in elsewhere
    ]


def _delivering() -> click.Command:
    @click.command()
    @all_of(delivery_options, outbox_options, device_options)
    def command() -> None:
        pass

    return command


def _given(context: click.Context) -> list[str]:
    """The flags of this command that its runs need as well; variables they read themselves."""
    arguments: list[str] = []
    if (file := config_file(context)) is not None:
        arguments += ["--config", str(file)]
    for option in CONFIG.settings.values():
        name = option.name or ""
        if context.get_parameter_source(name) == click.core.ParameterSource.COMMANDLINE:
            arguments += [option.opts[0], str(context.params[name])]
    return arguments


def _checked(
    run: click.Command, plan: Path, schedule: Any, commands: list[list[str]], alive: Callable[[], None]
) -> str:
    """Check every run as far as that goes without measuring; returns the plan's identity.

    Raises:
        BadInput: a run cannot be.
    """
    from agent.bundles.bundle import verify
    from agent.commands.destination_options import destination_of
    from agent.planning.plan import read_questions
    from agent.planning.plan_file import identity_of
    from contract.codec import printable

    known: dict[Path, str] = {}
    for short, command in zip(schedule.commands, commands, strict=True):
        try:
            with run.make_context("run", list(command)) as context:
                destination_of(context)
                for bundle in context.params["bundles"]:
                    if bundle not in known:
                        alive()
                        known[bundle] = verify(bundle).sha256
                questions = context.params["question_file"]
                if questions not in known:
                    known[questions] = read_questions(questions).file.sha256
        except click.UsageError as error:
            what = f"{error.format_message().rstrip('.')}, in: {' '.join(short)}"
            raise BadInput(f"'{printable(str(plan))}': {printable(what)}") from None
    return identity_of(schedule, list(known.values()))


def _measure(run: click.Command, command: list[str], say: Say) -> bool:
    """Give one command; whether its run failed."""
    try:
        with run.make_context("run", list(command)) as context:
            return bool(run.invoke(context))
    except NotDelivered as problem:
        say(str(problem))
    except BadInput as problem:
        say(f"this run cannot be: {problem}")
        return True
    return False


def _deliver(flush: click.Command, given: list[str], say: Say) -> None:
    taken = {option.opts[0] for option in flush.params}
    pairs = list(zip(given[::2], given[1::2], strict=True))
    arguments = [part for pair in pairs if pair[0] in taken for part in pair]
    try:
        with flush.make_context("flush", arguments) as context:
            flush.invoke(context)
    except NotDelivered as problem:
        say(str(problem))


def _cool_down(telemetry: Any, idle: float | None, timing: Any, service: Any, say: Say) -> None:
    from agent.machine.cooldown import cool_down
    from agent.stop import Stop

    if idle is None or not timing.cool_down_minutes:
        return
    goal = idle + timing.cool_down_celsius
    with Stop() as stop:
        reached = cool_down(
            telemetry,
            goal,
            timing.cool_down_minutes * 60,
            stop,
            lambda now: service.alive(f"cooling down: {now:.0f} °C, until {goal:.0f} °C"),
        )
    if reached is not None and reached > goal:
        say(
            f"still {reached:.0f} °C after {timing.cool_down_minutes:g} minutes, and idle was {idle:.0f} °C: "
            "going on; a fan or a cooler room helps"
        )
