"""Works through the runs of a plan, round after round, and lets the machine cool down in between."""

import time
from collections.abc import Callable

from msgspec.structs import replace

from agent.machine.cooldown import cool_down, idle_celsius
from agent.machine.telemetry import Telemetry
from agent.planning.plan_file import Position
from agent.planning.time_left import time_left
from agent.stop_signal import Stop
from contract.orders.plan import Timing

Say = Callable[[str], None]


def work_through(
    runs: int,
    timing: Timing,
    position: Position,
    measure: Callable[[int], bool],
    cool: Callable[[Telemetry, float], None],
    save: Callable[[Position], None],
    say: Say,
) -> Position:
    """Measure the runs of a plan after a position.

    Args:
        runs: how many runs a round has.
        timing: how many rounds there are, and how cool the machine has to be between two runs.
        position: how far an earlier process has come.
        measure: measures a run, which it gets by its number over all rounds, from 0; returns whether it
            failed.
        cool: waits until the machine is nearly as cool as it was when idle; gets that temperature.
        save: saves each new position.
        say: prints a sentence for the user.

    Returns:
        The position after the last run.
    """
    telemetry = Telemetry()
    total = runs * timing.rounds
    if position.idle_celsius is None and not position.done:
        idle = idle_celsius(telemetry) if timing.idle_celsius is None else timing.idle_celsius
        position = replace(position, idle_celsius=idle)
        save(position)
    elif position.done:
        say(f"continuing with run {position.done + 1} of {total}")
    whole = not position.done  # the first run after an interruption was perhaps begun before it
    for number in range(position.done, total):
        say(f"run {number + 1} of {total}{time_left(position.seconds, runs, number, total)}")
        began = time.monotonic()
        failed = measure(number)
        position = replace(position, done=number + 1, failed=position.failed + failed)
        save(position)
        if number + 1 < total and position.idle_celsius is not None and timing.cool_down_minutes:
            cool(telemetry, position.idle_celsius)
        if whole and not failed:
            taken = {number % runs: time.monotonic() - began}
            position = replace(position, seconds=position.seconds | taken)
            save(position)
        whole = True
    return position


def wait_until_cool(
    telemetry: Telemetry,
    idle: float,
    timing: Timing,
    stop: Stop,
    report: Callable[[str], None],
    say: Say,
) -> None:
    """Wait until the machine is cool enough for the next run, but not longer than the plan allows.

    Args:
        telemetry: reads the temperature.
        idle: the temperature of the idle machine.
        timing: how much warmer it may be, and how long to wait.
        stop: ends the wait.
        report: called about every two seconds with what happens, as a sentence.
        say: prints a sentence for the user if the machine stays hot.

    Raises:
        Stopped: a signal came.
    """
    goal = idle + timing.cool_down_celsius
    reached = cool_down(
        telemetry,
        goal,
        timing.cool_down_minutes * 60,
        stop,
        lambda now: report(f"cooling down: {now:.0f} °C, goal {goal:.0f} °C"),
    )
    if reached is not None and reached > goal:
        say(
            f"still {reached:.0f} °C after {timing.cool_down_minutes:g} min, and {idle:.0f} °C when idle: "
            "the next run starts anyway; a fan or a cooler room helps"
        )
