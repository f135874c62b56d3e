"""Commands about prediction files, which the SQuAD script reads, and about canaries."""

from pathlib import Path

import click

from collector.commands.known_values import RUN_IDS
from collector.commands.options import FILE, answerable_only, database, say
from collector.errors import BadInput
from collector.store.database import Where
from commandline.counted import counted
from commandline.disk import public_mode, write_whole
from commandline.help import Command, CommandGroup
from contract.questions import MOST_CANARIES


@click.command(
    cls=Command,
    examples="""
    collector evaluate dev-v1.1.json predictions.json
    """,
)
@click.argument("questions", type=FILE)
@click.argument("predictions", type=FILE)
@answerable_only
def evaluate(questions: Path, predictions: Path, answerable_only: bool) -> None:
    """Score a prediction file as the official SQuAD script does.

    QUESTIONS is a SQuAD v1.1 file with gold answers, PREDICTIONS a JSON object {"question id": "answer"}.
    Prints EM and F1 in percent as JSON. Needs no database.
    """
    import json

    from collector.scoring.predictions import evaluate as score
    from collector.scoring.predictions import read_predictions
    from collector.scoring.question_sets import read_questions

    asked = read_questions(questions, answerable_only=answerable_only)
    for sentence in asked.remarks():
        say(sentence)
    found = score(asked, read_predictions(predictions))
    if found.missing:
        without = "question has no prediction and counts", "questions have no prediction and count"
        say(f"{counted(found.missing, *without)} as wrong")
    click.echo(json.dumps({"exact_match": found.exact_match, "f1": found.f1}))


class _RunOrCommand(CommandGroup):
    """A group in which a run instead of a command means `write RUN`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["write", *args]
        return super().resolve_command(ctx, args)


@click.group(
    cls=_RunOrCommand,
    subcommand_metavar="RUN | add FILE [OPTIONS]...",
    examples="""
    collector predictions 5ae36d61 --to predictions.json --db results.db
    collector predictions add theirs.json --model "Their model" \\
        --questions dev-v1.1 --db results.db
    """,
)
def predictions() -> None:
    """Export the answers of a run, or add those of another system.

    `collector predictions RUN` is short for `collector predictions write RUN`.
    """


@predictions.command("write")
@click.argument("run", shell_complete=RUN_IDS)
@click.option("--to", "target", type=FILE, help="File to write. [default: standard output]")
@database
def write_predictions(database: Where, run: str, target: Path | None) -> None:
    """Write the answers of a run as a prediction file.

    RUN is the id of a run, or the beginning of one. The file is a JSON object {"question id": "answer"}.
    """
    import json

    from collector.scoring.predictions import predictions_of
    from collector.store.opening import open_store_to_read
    from collector.store.runs import find_run

    with open_store_to_read(database) as store:
        found = predictions_of(store, find_run(store, run))
    text = json.dumps(found, ensure_ascii=True, indent=0) + "\n"
    _write(text, target, "prediction", len(found))


@predictions.command("add")
@click.argument("file", type=FILE)
@click.option("--model", metavar="NAME", required=True, help="Name of the system in the report.")
@click.option(
    "--questions",
    required=True,
    metavar="NAME|DIGEST",
    help="Question file that the predictions answer: its name or the beginning of its digest in "
    "`collector questions list`.",
)
@database
def add_predictions(database: Where, file: Path, model: str, questions: str) -> None:
    """Add the predictions of another system to the report.

    FILE is a JSON object {"question id": "answer"}. The report shows the system's accuracy, but no times.
    """
    from collector.scoring.predictions import add_predictions as add
    from collector.store.opening import open_store

    with open_store(database) as store:
        click.echo(f"added {model}, {counted(add(store, file, model, questions), 'prediction')}")


@click.command(
    cls=Command,
    examples="""
    collector canaries dev-v1.1 --to canaries.json --db results.db
    agent run bundles/* --questions dev-v1.1.json --limit 200 \\
        --canary canaries.json --broker mqtt://workstation
    """,
)
@click.argument("questions", metavar="QUESTIONS")
@click.option(
    "--count",
    metavar="N",
    type=click.IntRange(1, MOST_CANARIES),
    default=20,
    show_default=True,
    help="Choose N questions.",
)
@click.option(
    "--model",
    "models",
    metavar="NAME",
    multiple=True,
    help="Choose by the answers of this model, by name or title; repeat it for more. [default: all models]",
)
@click.option("--to", "target", type=FILE, help="File to write. [default: standard output]")
@database
def canaries(
    database: Where, questions: str, count: int, models: tuple[str, ...], target: Path | None
) -> None:
    """Write the questions on which machines are likeliest to differ.

    QUESTIONS is the name of a question file in `collector questions list`, or the beginning of its digest.
    The questions are those that models answer with the least confidence. With `agent run --canary FILE`, a
    device asks them too; the report and `collector show` raise an alarm if it answers otherwise than another
    device.
    """
    from collector.store.opening import open_store_to_read
    from collector.store.runs import all_runs
    from collector.summaries.canaries import choose_canaries
    from contract.codec import encode

    with open_store_to_read(database) as store:
        found = choose_canaries(store, all_runs(store), questions, count, models)
    _write(encode(found).decode() + "\n", target, "canary", len(found.question_ids))


def _write(text: str, target: Path | None, what: str, count: int) -> None:
    if target is None:
        click.echo(text, nl=False)
        return
    try:
        write_whole(target, text.encode(), public_mode())
    except OSError as error:
        raise BadInput(f"{what} file {str(target)!r} cannot be written: {error.strerror}") from None
    plural = "canaries" if what == "canary" else f"{what}s"
    say(f"wrote {count} {what if count == 1 else plural} to {target}")
