"""`agent run`: measures bundles on questions."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from agent.commands.options import (
    FOLDER,
    MEASURED,
    delivery_options,
    device_options,
    load_options,
    outbox_options,
    questions_option,
    runtime_options,
    selection_options,
)
from agent.commands.output import say
from commandline.help import Command, option_group
from contract.codec import printable

if TYPE_CHECKING:
    from agent.outbox.outbox import WhenFull


@click.command(
    cls=Command,
    examples="""
    # 500 questions for each bundle, results to a broker
    agent run bundles/* --questions dev-v1.1.json --limit 500 \\
        --broker mqtt://workstation

    # The highest rate at which p99 stays below 100 ms, results to a file
    agent run bundles/minilm-l6-int8 --questions dev-v1.1.json \\
        --scenario server --latency-bound 100 --to-file results.jsonl
    """,
)
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=FOLDER)
@questions_option
@selection_options
@load_options
@option_group(
    MEASURED,
    click.option("--no-resume", is_flag=True, help="Start interrupted runs over instead of resuming them."),
)
@runtime_options
@delivery_options
@outbox_options
@device_options
@click.pass_context
def run(
    context: click.Context,
    /,
    bundles: tuple[Path, ...],
    question_file: Path,
    publish: str,
    outbox_mib: int,
    when_full: "WhenFull",
    limit: int | None,
    seed: int,
    threads: "int | Literal['auto'] | None",
    spinning: bool,
    arena: bool,
    huge_pages: bool,
    affinity: str | None,
    provider: str,
    ignore_memory: bool,
    warmup: int,
    no_resume: bool,
    device_id: str | None,
    hardware_class: str | None,
    state_dir: Path | None,
    decoding: str,
    **other_options: Any,
) -> int:
    """Measure bundles on questions, and record answers and times.

    BUNDLE is a folder made by `export-models build`; several are measured one after the other. Results go to
    --broker or --to-file. The same command resumes an interrupted run. Exits with status 1 if a run fails.
    """
    from agent.bundles.bundle import describe
    from agent.commands.destination_options import destination_of
    from agent.commands.load_options import load_of
    from agent.delivery.destination import delivering
    from agent.machine.device import inspect_device
    from agent.machine.remarks import remarks
    from agent.outbox.state_folder import opened_state
    from agent.planning.plan import RuntimeOptions, plan_run, read_questions, settings_for
    from agent.running.campaign import measure_all
    from agent.running.thread_trial import with_fastest_threads

    load = load_of(other_options)
    where = destination_of(context, live=publish == "live")
    described = [describe(bundle) for bundle in bundles]
    questions = read_questions(question_file)
    limit_bytes = outbox_mib * 1_048_576
    with opened_state(state_dir, device_id, say, limit_bytes=limit_bytes, when_full=when_full) as state:
        device = inspect_device(state.device_id, hardware_class)
        plans = []
        for bundle in described:
            settings = settings_for(
                bundle,
                limit=limit,
                seed=seed,
                threads=None if threads == "auto" else threads,
                warmup=warmup,
                decoding=decoding,
                options=RuntimeOptions(spinning, arena, affinity, provider, huge_pages),
                load=load,
            )
            plan = plan_run(device, bundle, questions, settings)
            plans.append(plan._replace(ignore_memory=ignore_memory))
        against = tuple(remark.sentence for remark in remarks())
        for sentence in against:
            say(f"beware: {sentence}")
        plans = [plan._replace(remarks=against) for plan in plans]
        if threads == "auto":
            plans = [with_fastest_threads(plan, state.folder, state.stop, say) for plan in plans]
        with delivering(where, state, say) as delivery:
            finished = measure_all(plans, state, delivery, say, resume=not no_resume)
            state.stop.check()
        if left := state.outbox.pending():
            say(
                f"{left} results wait for a collector in '{printable(str(state.folder))}': "
                "'agent flush' sends them"
            )
    return int(any(last.status == "failed" for last in finished))
