"""`agent run`: measures bundles on questions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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
from commandline.help import Command, option_group
from commandline.program.messages import message_options, say

if TYPE_CHECKING:
    from agent.planning.request import RunRequest


@click.command(
    cls=Command,
    examples="""
    # 500 questions for each bundle, results to a broker
    agent run bundles/* --questions dev-v1.1.json --limit 500 \\
        --broker mqtt://workstation

    # Fewer for a slow model, which is asked a part of them in each round
    agent run bundles/* --questions dev-v1.1.json --limit 500,bert-large=60 \\
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
@message_options
@click.pass_context
def run(context: click.Context, /, **values: Any) -> int:
    """Measure bundles on questions, and record answers and times.

    BUNDLE is a folder made by `export-models build`; several are measured in rounds, in which each has its
    turn. Results go to --broker or --to-file. The same command resumes interrupted runs. Exits with status
    1 if a run fails.
    """
    return measure_from(context)


def measure_from(context: click.Context) -> int:
    """Measure what the parameters of `run` in a context ask for; return 1 if a run failed, otherwise 0.

    Raises:
        click.UsageError: parameters that cannot be combined.
        AgentError: see `agent.running.campaign.measure`.
    """
    from agent.commands.destination_options import destination_of
    from agent.running.campaign import measure

    values = context.params
    request = request_of(values)
    where = destination_of(context, live=values["publish"] == "live")
    return int(
        measure(request, where, values["state_dir"], values["device_id"], values["hardware_class"], say)
    )


def request_of(values: Mapping[str, Any]) -> "RunRequest":
    """What the parameters of `run` ask for, without the destination of the results.

    Raises:
        click.UsageError: parameters that cannot be combined.
    """
    from agent.commands.load_options import load_of
    from agent.planning.limits import Limits
    from agent.planning.plan import RuntimeOptions
    from agent.planning.request import RunRequest

    limit = values["limit"]
    runtime = RuntimeOptions(
        spinning=values["spinning"],
        arena=values["arena"],
        affinity=values["affinity"],
        provider=values["provider"],
        huge_pages=values["huge_pages"],
    )
    return RunRequest(
        bundles=values["bundles"],
        question_file=values["question_file"],
        answerable_only=values["answerable_only"],
        limits=limit if isinstance(limit, Limits) else Limits(limit),
        canary_file=values["canary_file"],
        seed=values["seed"],
        threads=values["threads"],
        warmup=values["warmup"],
        decoding=values["decoding"],
        runtime=runtime,
        load=load_of(values),
        ignore_memory=values["ignore_memory"],
        resume=not values["no_resume"],
        outbox_bytes=values["outbox_mib"] * 1_048_576,
        when_full=values["when_full"],
    )
