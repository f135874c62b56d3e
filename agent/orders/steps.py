"""An order as the steps that a plan would have, with the files on this device that they measure."""

from pathlib import Path

import msgspec
from msgspec.structs import replace

from agent.machine.device import core_list, cores_of, usable_core_numbers
from agent.orders.shelf import Shelf
from agent.outbox.outbox import DEFAULT_LIMIT_BYTES
from agent.planning.limits import Limits
from agent.planning.load import load_from
from agent.planning.plan import RuntimeOptions
from agent.planning.request import RunRequest
from commandline.disk import write_whole
from contract import codec
from contract.orders.order import Order, OrderedRun
from contract.orders.plan import Timing
from contract.questions import CanaryFile

CANARY_FILE = "canaries.json"


def steps_of(order: Order) -> list[OrderedRun]:
    """The steps of one round: bundles that take turns are one, and others are one each, as in a plan."""
    steps: list[OrderedRun] = []
    for run in order.runs:
        if load_from(msgspec.structs.asdict(run)).rounds > 1:
            steps.append(run)
        else:
            steps += [replace(run, bundles=(bundle,)) for bundle in run.bundles]
    return steps


def timing_of(order: Order) -> Timing:
    """How often the steps are repeated, and how cool the machine has to be in between."""
    return Timing(
        rounds=order.rounds,
        cool_down_minutes=order.cool_down_minutes,
        cool_down_celsius=order.cool_down_celsius,
        idle_celsius=order.idle_celsius,
    )


def misfit(order: Order) -> str | None:
    """Why an order does not fit this machine, as a sentence; None if nothing is known against it."""
    usable = usable_core_numbers()
    for run in order.runs:
        if run.affinity is None:
            continue
        try:
            cores = cores_of(run.affinity)
        except ValueError:
            return f"'{run.affinity}' is not a list of cores"
        if not cores <= usable:
            return f"affinity '{run.affinity}': this machine has cores {core_list(usable)}"
    return None


def request_of(order: Order, step: OrderedRun, shelf: Shelf) -> RunRequest:
    """What `agent run` would be asked for.

    Raises:
        OSError: the file of canaries cannot be written.
    """
    sha256 = order.questions[step.questions]
    canaries: Path | None = None
    if step.canary:
        canaries = shelf.folder / CANARY_FILE
        write_whole(canaries, codec.encode(CanaryFile(questions_sha256=sha256, question_ids=step.canary)))
    return RunRequest(
        bundles=tuple(shelf.bundle(order.bundles[name]) for name in step.bundles),
        question_file=shelf.questions(sha256),
        answerable_only=False,  # the hub has left the others out
        limits=Limits(step.limit),
        canary_file=canaries,
        seed=step.seed,
        threads=step.threads,
        warmup=step.warmup,
        decoding=step.decoding,
        runtime=RuntimeOptions(
            spinning=step.spinning,
            arena=step.arena,
            affinity=step.affinity,
            provider=step.provider,
            huge_pages=step.huge_pages,
        ),
        load=load_from(msgspec.structs.asdict(step)),
        ignore_memory=step.ignore_memory,
        resume=True,
        outbox_bytes=DEFAULT_LIMIT_BYTES,
        when_full="pause",
    )
