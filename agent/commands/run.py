"""`agent run`: measures bundles on questions."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from agent.commands.options import (
    FILE,
    FOLDER,
    delivery_options,
    device_options,
    load_options,
    measuring_options,
    outbox_options,
)
from agent.commands.output import say

if TYPE_CHECKING:
    from agent.planning.request import RunRequest


@click.command()
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=FOLDER)
@click.option("--questions", "question_file", type=FILE, required=True, help="SQuAD v1.1 JSON.")
@delivery_options
@outbox_options
@measuring_options
@load_options
@click.option("--no-resume", is_flag=True, help="Begin anew where a run was interrupted.")
@device_options
@click.pass_context
def run(context: click.Context, /, **values: Any) -> int:
    """Measure each BUNDLE on the questions, one question at a time.

    The same command continues a run that was interrupted.
    """
    return measure_from(context)


def measure_from(context: click.Context) -> int:
    """Measure what the parameters of `run` in a context ask for; returns 1 if a run failed, else 0.

    Raises:
        click.UsageError: parameters that do not go together.
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
    """What the parameters of `run` ask for, but for where the results go.

    Raises:
        click.UsageError: parameters that do not go together.
    """
    from agent.commands.load_options import load_of
    from agent.planning.plan import RuntimeOptions
    from agent.planning.request import RunRequest

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
        limit=values["limit"],
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
