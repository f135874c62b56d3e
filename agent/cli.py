"""The command line. Data goes to standard output, talk and progress to standard error."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from agent.commands.audit import audit
from agent.commands.config import config
from agent.commands.doctor import doctor
from agent.commands.fetch import fetch
from agent.commands.plan import run_plan_command
from agent.config import CONFIG
from agent.errors import AgentError, BadInput, NotDelivered
from agent.options import (
    FILE,
    FOLDER,
    delivery_options,
    device_options,
    load_options,
    measuring_options,
    outbox_options,
    state_options,
    threads_option,
)
from contract.codec import printable
from contract.errors import ContractError

if TYPE_CHECKING:
    from agent.outbox import WhenFull


def main() -> None:
    """Run the command line; every error that a user can cause ends in one sentence."""
    from agent.stop import Stopped

    try:
        code = cli.main(prog_name="agent", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (AgentError, ContractError) as error:
        say(f"agent: {error}")
        code = 1
    except Stopped as stopped:
        code = stopped.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    sys.exit(code)


def say(sentence: str) -> None:
    """Tell the user something."""
    click.echo(sentence, err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="distilbench", prog_name="agent")
def cli() -> None:
    """Measure question-answering bundles on this device and send the results to a collector."""


@cli.command()
@click.argument("bundles", metavar="BUNDLE...", nargs=-1, required=True, type=FOLDER)
@click.option("--questions", "question_file", type=FILE, required=True, help="SQuAD v1.1 JSON.")
@delivery_options
@outbox_options
@measuring_options
@load_options
@click.option("--no-resume", is_flag=True, help="Begin anew where a run was interrupted.")
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
    """Measure each BUNDLE on the questions, one question at a time.

    The same command continues a run that was interrupted.
    """
    from agent.bundle import describe
    from agent.campaign import measure_all
    from agent.commands.load import load_of
    from agent.commands.target import destination_of
    from agent.delivery import delivering
    from agent.device import inspect_device
    from agent.plan import RuntimeOptions, plan_run, read_questions, settings_for
    from agent.remarks import remarks
    from agent.state import opened_state
    from agent.trial import with_fastest_threads

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


@cli.command()
@device_options
def device(device_id: str | None, hardware_class: str | None, state_dir: Path | None) -> None:
    """Print what the agent knows of this machine, as JSON: exactly what it sends."""
    from agent.device import inspect_device
    from agent.state import StateFolder
    from contract.codec import encode

    own_id = StateFolder(state_dir).device_id(device_id)
    _print_json(encode(inspect_device(own_id, hardware_class)))


@cli.command()
@state_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(state_dir: Path | None, as_json: bool) -> None:
    """Print what waits to be delivered, and what could not be."""
    from agent.state import StateFolder
    from agent.summary import summarise
    from contract.codec import encode

    summary = summarise(StateFolder(state_dir).outbox)
    if as_json:
        _print_json(encode(summary))
        return
    click.echo(f"pending     {summary.pending}" + (f", oldest {summary.oldest}" if summary.oldest else ""))
    click.echo(f"dropped     {summary.dropped}")
    for refused in summary.refused:
        click.echo(f"            {refused.count} refused: {printable(refused.reason)}")
    for gone in summary.gone:
        click.echo(f"            {gone.count} gone: {printable(gone.reason)}")
    click.echo(f"unfinished  {summary.unfinished_runs} runs")
    if summary.limit_bytes:
        full = f"{summary.used_bytes / 1_048_576:.1f} of {summary.limit_bytes / 1_048_576:.0f} MiB"
        left = summary.hours_left
        click.echo(f"outbox      {full}" + (f", full in {left:.1f} hours" if left is not None else ""))
    click.echo(f"delivery    {summary.link}" + (f" since {summary.since}" if summary.since else ""))
    if summary.problem:
        click.echo(f"            {printable(summary.problem)}")


@cli.command()
@delivery_options
@click.option("--refused", is_flag=True, help="Try what was refused as well, after an update.")
@device_options
@click.pass_context
def flush(
    context: click.Context,
    /,
    refused: bool,
    device_id: str | None,
    state_dir: Path | None,
    **delivery_options: Any,
) -> None:
    """Deliver what waits from earlier runs."""
    from agent.commands.target import destination_of
    from agent.delivery import ResultFile, delivering, write_waiting
    from agent.state import opened_state

    where = destination_of(context)
    with opened_state(state_dir, device_id, say) as state:
        if refused:
            state.outbox.release()
        waiting = state.outbox.pending()
        if isinstance(where, ResultFile):
            write_waiting(where.path, state.outbox)
        else:
            with delivering(where, state, say) as delivery:
                delivery.finish()
        state.stop.check()
        left = state.outbox.pending()
    say(f"{waiting - left} results delivered")
    if left:
        raise NotDelivered(f"{left} results stay in the outbox: no collector has taken them yet")


@cli.command()
@click.argument("bundle", type=FOLDER)
@click.option("--question", required=True)
@click.option("--context", required=True, help="The text that holds the answer.")
@threads_option
def answer(bundle: Path, question: str, context: str, threads: int | None) -> None:
    """Answer one question with BUNDLE and print JSON: answer, confidence, span and times."""
    from agent.bundle import describe
    from agent.plan import settings_for
    from agent.process import WorkerProcess
    from agent.stop import Stop
    from contract.codec import encode
    from contract.questions import Question

    described = describe(bundle)
    settings = settings_for(described, threads=threads)
    with Stop() as stop, WorkerProcess(stop, settings) as worker:
        loaded = worker.load(described, settings)
        (outcome,) = worker.ask([Question("asked", question, context, (), "")], seconds=0).outcomes
    if outcome.error is not None:
        raise BadInput(f"the question cannot be answered: {printable(outcome.error)}")
    _print_json(
        encode(
            {
                "answer": outcome.text,
                "confidence": outcome.confidence,
                "start": outcome.start_char,
                "end": outcome.end_char,
                "load_ns": loaded.load_ns,
                "tokenize_ns": outcome.tokenize_ns,
                "infer_ns": outcome.infer_ns,
                "decode_ns": outcome.decode_ns,
                "windows": outcome.windows,
                "tokens": outcome.tokens,
            }
        )
    )


cli.add_command(audit)
cli.add_command(config)
cli.add_command(fetch)
cli.add_command(run_plan_command(run, flush, say))
cli.add_command(doctor)
CONFIG.configure(cli, except_for=config.commands["init"])


def _print_json(data: bytes) -> None:
    import msgspec

    lines = msgspec.json.format(data, indent=2).decode().split("\n")
    # JSON escapes most control characters; the others would reach the terminal.
    click.echo(
        "\n".join("".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in line) for line in lines)
    )
