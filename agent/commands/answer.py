"""`agent answer`: one question, one answer."""

from pathlib import Path

import click

from agent.commands.options import FOLDER, threads_option
from agent.commands.output import print_json
from agent.errors import BadInput
from contract.codec import printable


@click.command()
@click.argument("bundle", type=FOLDER)
@click.option("--question", required=True)
@click.option("--context", required=True, help="The text that holds the answer.")
@threads_option
def answer(bundle: Path, question: str, context: str, threads: int | None) -> None:
    """Answer one question with BUNDLE and print JSON: answer, confidence, span and times."""
    from agent.bundles.bundle import describe
    from agent.planning.plan import settings_for
    from agent.stop import Stop
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
