"""Commands about prediction files: `{"question id": "answer"}`, as the SQuAD script reads them."""

from pathlib import Path

import click

from collector.commands.options import FILE, database, say
from collector.errors import BadInput
from commandline.counted import counted


@click.command()
@click.argument("questions", type=FILE)
@click.argument("predictions", type=FILE)
def evaluate(questions: Path, predictions: Path) -> None:
    """Score a prediction file as the official SQuAD v1.1 script does."""
    import json

    from collector.scoring.predictions import evaluate as score
    from collector.scoring.predictions import read_predictions, read_questions

    found = score(read_questions(questions), read_predictions(predictions))
    if found.missing:
        without = "question has no prediction and counts", "questions have no prediction and count"
        say(f"{counted(found.missing, *without)} as wrong")
    click.echo(json.dumps({"exact_match": found.exact_match, "f1": found.f1}))


class _RunOrCommand(click.Group):
    """A group whose first word is a command, or else a run to write the predictions of."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in self.commands:
            args = ["write", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_RunOrCommand, subcommand_metavar="RUN | add FILE [OPTIONS]...")
def predictions() -> None:
    """Write the predictions of a run, or add somebody else's to the comparison."""


@predictions.command("write")
@click.argument("run")
@click.option("--to", "target", type=FILE, help="Write here [standard output].")
@database
def write_predictions(database: Path, run: str, target: Path | None) -> None:
    """Write the answers of RUN, the beginning of its id, as a prediction file."""
    import json

    from collector.scoring.predictions import predictions_of
    from collector.store.database import Store
    from collector.store.runs import find_run

    with Store.open_to_read(database) as store:
        found = predictions_of(store, find_run(store, run))
    text = json.dumps(found, ensure_ascii=True, indent=0) + "\n"
    if target is None:
        click.echo(text, nl=False)
        return
    try:
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise BadInput(f"prediction file {str(target)!r} cannot be written: {error.strerror}") from None
    say(f"wrote {len(found)} predictions to {target}")


@predictions.command("add")
@click.argument("file", type=FILE)
@click.option("--model", required=True, help="What to call the system.")
@click.option("--questions", required=True, metavar="NAME|DIGEST", help="Which question file it answers.")
@database
def add_predictions(database: Path, file: Path, model: str, questions: str) -> None:
    """Bring another system into the comparison: its accuracy, since nothing else is known."""
    from collector.scoring.predictions import add_predictions as add
    from collector.store.database import Store

    with Store.open(database) as store:
        click.echo(f"added {model}, {add(store, file, model, questions)} predictions")
