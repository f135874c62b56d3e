"""`agent answer`: answers one question."""

from pathlib import Path

import click

from agent.commands.options import FOLDER, threads_option
from agent.commands.output import print_json
from agent.errors import BadInput
from commandline.help import Command
from contract.codec import printable


@click.command(
    cls=Command,
    examples="""
    agent answer bundles/minilm-l6-int8 --question "Who wrote it?" \\
        --context "The first version was written by Ada in 1843."
    """,
)
@click.argument("bundle", type=FOLDER)
@click.option("--question", metavar="TEXT", required=True, help="The question.")
@click.option("--context", metavar="TEXT", required=True, help="The text that contains the answer.")
@threads_option
def answer(bundle: Path, question: str, context: str, threads: int | None) -> None:
    """Answer one question and print the answer and its times as JSON.

    BUNDLE is a folder made by `export-models build`. Times are in nanoseconds (`_ns`); `start` and `end`
    count the characters of the text from 0.
    """
    for option, text in (("--question", question), ("--context", context)):
        if not text.strip():
            raise click.UsageError(f"{option} is empty")
    from agent.bundles.bundle import describe
    from agent.planning.plan import settings_for
    from agent.stop_signal import Stop
    from agent.worker.process import WorkerProcess
    from contract.codec import encode
    from contract.questions import Question

    described = describe(bundle)
    settings = settings_for(described, threads=threads)
    with Stop() as stop, WorkerProcess(stop, settings) as worker:
        loaded = worker.load(described, settings)
        (outcome,) = worker.ask([Question("asked", question, context, (), "")], seconds=0).outcomes
    if outcome.error is not None:
        raise BadInput(f"the question cannot be answered: {printable(outcome.error)}")
    print_json(
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
