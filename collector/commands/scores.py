"""Commands about gold answers and scores."""

from pathlib import Path

import click

from collector.commands.options import (
    FILE,
    WORKERS,
    answerable_only,
    as_json,
    bring_up_to_date,
    database,
    say,
    show_list,
    working,
)
from collector.errors import BadInput
from collector.store.database import Where
from commandline.counted import counted
from commandline.help import Command, CommandGroup, option_group
from commandline.program.streams import print_or_drop


@click.group(cls=CommandGroup)
def questions() -> None:
    """Add and list question files with their gold answers."""


@questions.command("list")
@as_json
@database
def list_questions(database: Where, as_json: bool) -> None:
    """List the question files that were added."""
    from collector.display import listing
    from collector.store.opening import open_store_to_read

    with open_store_to_read(database) as store:
        show_list(listing.question_sets(store), as_json)


@questions.command(
    "add",
    examples="""
    collector questions add dev-v1.1.json --db results.db
    """,
)
@click.argument("file", type=FILE)
@click.option("--name", metavar="NAME", help="Name of the question file in lists. [default: the file's name]")
@answerable_only
@database
def add_questions(database: Where, file: Path, name: str | None, answerable_only: bool) -> None:
    """Add a question file in SQuAD v1.1 format, with its gold answers.

    Stored answers to these questions are scored now, later ones when they arrive.
    """
    from collector.scoring.question_sets import name_of, put_questions, read_questions
    from collector.store.opening import open_store

    read = read_questions(file, answerable_only=answerable_only)
    for sentence in read.remarks():
        say(sentence)
    with open_store(database, create=True) as store:
        added = put_questions(store, read, name or name_of(file))
    verb = "added" if added.changed else "already there:"
    print_or_drop(
        f"{verb} {added.name}, {counted(added.questions, 'question')}, {counted(added.golds, 'gold answer')}"
    )
    bring_up_to_date(database)


@click.command(
    cls=Command,
    examples="""
    collector score --db results.db
    collector score --bertscore --db results.db
    collector score --bertscore-model sentence-transformers/all-MiniLM-L6-v2 \\
        --layers 6 --db results.db
    """,
)
@option_group(
    "BERTScore",
    click.option(
        "--bertscore",
        is_flag=True,
        help="Compute BERTScore, with bert-score's encoder for English unless another one is named.",
    ),
    click.option(
        "--bertscore-model",
        metavar="DIR|ID",
        help="Compute BERTScore with this encoder: a folder, or an id on the Hugging Face hub. "
        "[default: roberta-large]",
    ),
    click.option(
        "--layers",
        metavar="N",
        type=click.IntRange(1),
        help="Compare the output of the encoder's layer N, counted from 1. [default: by bert-score's table "
        "of encoders]",
    ),
    click.option("--idf", is_flag=True, help="Weigh tokens by their rarity in the gold answers."),
    click.option(
        "--rescale",
        is_flag=True,
        help="Rescale so that unrelated texts score 0, with the baseline of the package bert-score for the "
        "encoder.",
    ),
    click.option(
        "--baseline-file",
        type=FILE,
        help="Rescale with this baseline, for an encoder for which bert-score has none.",
    ),
    click.option(
        "--device",
        type=click.Choice(("cpu", "cuda")),
        help="Compute on the processor or on a GPU. [default: a GPU if there is one]",
    ),
)
@database
def score(
    database: Where,
    bertscore: bool,
    bertscore_model: str | None,
    layers: int | None,
    idf: bool,
    rescale: bool,
    baseline_file: Path | None,
    device: str | None,
) -> None:
    """Compute missing scores: EM and F1, and BERTScore on request.

    EM and F1 are also computed whenever results arrive; BERTScore is computed only here.
    """
    wanted = bertscore or bertscore_model is not None
    if not wanted and (layers or idf or rescale or baseline_file or device):
        raise click.UsageError("options of BERTScore go together with --bertscore or --bertscore-model")
    if baseline_file is not None and not baseline_file.is_file():
        raise BadInput(f"there is no baseline file {str(baseline_file)!r}")
    from collector.store.opening import open_store
    from collector.summaries.refresh import score_answers, score_pairs
    from commandline.program.progress_bar import progress_bar

    with open_store(database) as store:
        with progress_bar("EM and F1") as progress:
            scored = score_answers(store, progress)
        result = f"{counted(scored, 'answer')} scored" if scored else "nothing was left to score"
        print_or_drop(f"EM and F1: {result}")
        if wanted:
            from collector.scoring.bertscore import Scorer, chosen
            from collector.scoring.encoder_download import download_of
            from collector.scoring.golds import gold_texts

            encoder = chosen(bertscore_model, layers)
            say(f"BERTScore compares layer {encoder.layers} of {encoder.model}")
            if download := download_of(encoder.model):
                say(download)
            scorer = Scorer(
                *encoder,
                idf_texts=gold_texts(store) if idf else (),
                rescale=rescale or baseline_file is not None,
                baseline=baseline_file,
                device=device,
            )
            with progress_bar("BERTScore") as progress:
                pairs = score_pairs(store, scorer, progress)
            print_or_drop(f"BERTScore by {scorer.hash}: {counted(pairs, 'pair')} scored")
    bring_up_to_date(database)


@click.command(cls=Command)
@WORKERS
@database
def rebuild(database: Where, workers: str | None) -> None:
    """Recompute EM, F1 and all summaries from the stored answers.

    BERTScores are kept.
    """
    from collector.serving.rebuild import rebuild as rebuild_derived
    from collector.store.opening import open_store
    from commandline.program.progress_bar import progress_bar

    with open_store(database) as store, progress_bar("runs") as progress, working(workers) as computing:
        runs = rebuild_derived(store, progress, computing)
    click.echo(f"rebuilt {counted(runs, 'run')}")
