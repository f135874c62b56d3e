"""`agent status`: shows the results that wait for delivery."""

from pathlib import Path

import click

from agent.commands.options import json_option, state_options
from agent.commands.output import print_json
from commandline.counted import counted
from commandline.help import Command
from commandline.program.streams import print_laid_out


@click.command(cls=Command)
@json_option
@state_options
def status(state_dir: Path | None, as_json: bool) -> None:
    """Show the results that wait for delivery, and those refused."""
    from agent.outbox.state_folder import OUTBOX_FILE, default_folder
    from agent.outbox.summary import summarise
    from contract.codec import encode

    summary = summarise((state_dir or default_folder()) / OUTBOX_FILE)
    if as_json:
        print_json(encode(summary))
        return
    click.echo(f"pending     {summary.pending}" + (f", oldest {summary.oldest}" if summary.oldest else ""))
    click.echo(f"dropped     {summary.dropped}")
    for refused in summary.refused:
        print_laid_out(" " * 12, f"{refused.count} refused: {refused.reason}")
    for gone in summary.gone:
        print_laid_out(" " * 12, f"{gone.count} deleted: {gone.reason}")
    click.echo(f"unfinished  {counted(summary.unfinished_runs, 'run')}")
    for run in summary.unfinished:
        click.echo(f"            run {run.run_id[:8]} after {counted(run.asked, 'question')}")
    if summary.unfinished:
        print_laid_out(
            " " * 12,
            "'agent run' with the same bundle, questions and settings continues a run; with --no-resume it "
            "ends it and starts over",
        )
    if summary.limit_bytes:
        full = f"{summary.used_bytes / 1_048_576:.1f} of {summary.limit_bytes / 1_048_576:.0f} MiB"
        left = summary.hours_left
        click.echo(f"outbox      {full}" + (f", full in {left:.1f} hours" if left is not None else ""))
    if summary.kept:
        size = f"{summary.kept_bytes / 1_048_576:.1f} MiB"
        click.echo(
            f"            and {counted(summary.kept, 'delivered result')} ({size}) while there is room"
        )
    click.echo(f"delivery    {summary.link}" + (f" since {summary.since}" if summary.since else ""))
    if summary.problem:
        print_laid_out(" " * 12, summary.problem)
