"""Commands about gold answers and scores."""

from pathlib import Path

import click

from collector.commands.options import FILE, as_json, database, show_list


@click.group()
def questions() -> None:
    """The question files that answers are scored by."""


@questions.command("list")
@as_json
@database
def list_questions(database: Path, as_json: bool) -> None:
    """List the question files that were added."""
    from collector import listing
    from collector.store import Store

    with Store.open_to_read(database) as store:
        show_list(listing.question_sets(store), as_json)


@questions.command("add")
@click.argument("file", type=FILE)
@click.option("--name", help="What to call it [the file's name].")
@database
def add_questions(database: Path, file: Path, name: str | None) -> None:
    """Add a SQuAD v1.1 file with its gold answers."""
    from collector.questions import add_questions as add
    from collector.store import Store

    with Store.open(database, create=True) as store:
        added = add(store, file, name)
    verb = "added" if added.changed else "already there:"
    click.echo(f"{verb} {added.name}, {added.questions} questions, {added.golds} gold answers")


@click.command()
@click.option("--bertscore-model", metavar="DIR|ID", help="Encoder for BERTScore: a folder or a hub id.")
@click.option("--layers", type=click.IntRange(1), help="Which of its layers' output is compared.")
@database
def score(database: Path, bertscore_model: str | None, layers: int | None) -> None:
    """Score what has not been scored: EM and F1, and BERTScore if a model is given."""
    if (bertscore_model is None) != (layers is None):
        raise click.UsageError("--bertscore-model and --layers go together")
    from collector.scoring import score_answers, score_pairs
    from collector.store import Store

    with Store.open(database) as store:
        click.echo(f"EM and F1: {score_answers(store)} answers scored")
        if bertscore_model is not None and layers is not None:
            from collector.bertscore import Scorer
            from collector.progress import progress_bar

            scorer = Scorer(bertscore_model, layers)
            with progress_bar("BERTScore") as progress:
                pairs = score_pairs(store, scorer, progress)
            click.echo(f"BERTScore by {scorer.hash}: {pairs} pairs scored")


@click.command()
@database
def rebuild(database: Path) -> None:
    """Make everything derived anew from the raw rows, but for BERTScores."""
    from collector.progress import progress_bar
    from collector.rebuild import rebuild as make_anew
    from collector.store import Store

    with Store.open(database) as store, progress_bar("runs") as progress:
        runs = make_anew(store, progress)
    click.echo(f"rebuilt {runs} runs")
