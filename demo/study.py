"""`make study`: repeats the study with its real weights on this machine, and prints its numbers beside ours.

It needs the Hugging Face hub once. Every step reuses what is already there, so the same command continues
where it was interrupted.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, get_args

import click

from collector.errors import CollectorError
from collector.scoring.bertscore import Encoder, chosen
from contract.bundle import MANIFEST_FILE
from contract.errors import ContractError
from contract.study import STUDY
from demo.__main__ import Bar
from demo.programs import DemoError, run
from export.errors import ExportError
from export.models import hub
from export.models import resolve as names
from export.questions import squad_dataset as squad
from export.questions.squad_dataset import Split

DEFAULT_MODELS: Final = tuple(STUDY)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--split",
    type=click.Choice(get_args(Split)),
    default="validation",
    show_default=True,
    help="The split of SQuAD v1.1.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), help="Ask a sample of this many questions. [default: all]"
)
@click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed that draws the sample."
)
@click.option(
    "--precision", default="fp32", show_default=True, help="One or more precisions, such as fp32,int8."
)
@click.option(
    "--model",
    "models",
    multiple=True,
    default=DEFAULT_MODELS,
    show_default=True,
    help="A name from `export-models list` or an id of the hub; repeat it for several models.",
)
@click.option(
    "--bertscore-model",
    metavar="DIR|ID",
    help="Encoder for BERTScore. [default: bert-score's for English, roberta-large]",
)
@click.option(
    "--layers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Layer of the encoder. [default: by bert-score's table of encoders]",
)
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("study-results"),
    show_default=True,
    help="Folder for the questions, bundles, results and the report.",
)
def main(
    split: Split,
    limit: int | None,
    seed: int,
    precision: str,
    models: tuple[str, ...],
    bertscore_model: str | None,
    layers: int | None,
    folder: Path,
) -> None:
    """Build the study's models, measure them on SQuAD v1.1 and report them beside the study's numbers."""
    bar = Bar(steps=4 + 2 * len(models))
    try:
        bar.step("looking for the models and BERTScore's encoder on the hub")
        encoder = chosen(bertscore_model, layers)
        _find(models, encoder)
        bar.step(f"getting SQuAD v1.1 {split}")
        asked = questions(folder, split, limit, seed)
        bundles = []
        for name in models:
            bar.step(f"building {name}")
            bundles.append(_build(name, precision, folder / "bundles"))
        results = []
        for name, built in zip(models, bundles, strict=True):
            bar.step(f"measuring {name} on this machine")
            results += [measure(bundle, asked, folder) for bundle in built]
        bar.step(f"scoring, with BERTScore by {encoder.model}")
        database = _scored(results, asked, encoder, folder)
        bar.step("reporting")
        _report(database, folder)
    except (ContractError, DemoError, ExportError, CollectorError) as error:
        raise SystemExit(f"study: {error}") from None


def _find(models: Iterable[str], encoder: Encoder) -> None:
    """Look up every model, so that a wrong name fails before anything is downloaded."""
    if not Path(encoder.model).is_dir():
        hub.resolve(encoder.model)
    for name in models:
        model = names.find(name, "hub").model
        if model.hub_id is not None:
            hub.resolve(model.hub_id, model.revision)


def questions(folder: Path, split: Split, limit: int | None, seed: int) -> Path:
    """The question file of a split or of a sample of it; it is made if it is not there yet."""
    path = folder / f"squad-{split}{'' if limit is None else f'-{limit}-{seed}'}.json"
    if not path.is_file():
        squad.write(squad.sampled(squad.from_hub(split), limit, seed), path)
    return path


def _build(name: str, precision: str, bundles: Path) -> list[Path]:
    printed = run("export", "build", name, "--weights", "hub", "--precision", precision, "--to", bundles)
    return [Path(line) for line in printed.splitlines()]


def measure(bundle: Path, asked: Path, folder: Path) -> Path:
    """Measure a bundle, unless its results are already there.

    Returns:
        The results file, which gets this name only when it is complete.
    """
    digest = hashlib.sha256((bundle / MANIFEST_FILE).read_bytes()).hexdigest()[:12]
    place = folder / "results" / f"{bundle.name}-{digest}-{asked.stem}.jsonl"
    if not place.is_file():
        place.parent.mkdir(exist_ok=True)
        unfinished = place.with_suffix(".unfinished")
        run(
            "agent",
            "run",
            bundle,
            *("--questions", asked, "--to-file", unfinished, "--state-dir", folder / "agent"),
        )
        unfinished.rename(place)
    return place


def _scored(results: list[Path], asked: Path, encoder: Encoder, folder: Path) -> Path:
    """The database of the results with all scores; what is scored already is not scored again."""
    database = folder / f"{asked.stem}.db"
    run("collector", "questions", "add", asked, "--db", database, quiet=True)
    run("collector", "ingest", *results, "--db", database)
    by = ("--bertscore-model", encoder.model, "--layers", str(encoder.layers))
    run("collector", "score", "--db", database, *by)
    return database


def _report(database: Path, folder: Path) -> None:
    pages = {form: folder / f"report-{database.stem}.{ending}" for form, ending in _FORMS.items()}
    for form, page in pages.items():
        run("collector", "report", "--db", database, "--format", form, "--to", page)
    click.echo(run("collector", "report", "--db", database))
    click.echo(beside(json.loads(run("collector", "report", "--db", database, "--format", "json"))["rows"]))
    click.echo(f"\nWritten: {', '.join(map(str, pages.values()))} and {database}.", err=True)


_FORMS: Final = {"html": "html", "markdown": "md"}


def beside(rows: Iterable[Mapping[str, Any]]) -> str:
    """A table of the numbers measured here and those of the study, for the models that the study has.

    Args:
        rows: the rows of the collector's comparison, as JSON.
    """
    lines = [
        "The study measured on SQuAD v1.1 train, with the defaults of the Hugging Face pipeline:",
        f"{'model':<14} {'precision':<9} {'EM':>6} {'study':>6}   {'F1':>6} {'study':>6}   "
        f"{'speed':>6} {'study':>6}",
    ]
    for row in rows:
        study = STUDY.get(row["model"])
        if study is not None:
            lines.append(
                f"{row['title']:<14} {row['precision']:<9} "
                f"{_number(row['exact_match'])} {study.exact_match:>6.1f}   "
                f"{_number(row['f1'])} {study.f1:>6.1f}   "
                f"{_number(row['speed_up'])} {study.speed_up:>6.1f}"
            )
    return "\n".join(lines) if len(lines) > 2 else "None of these models is in the study."


def _number(value: float | None) -> str:
    return f"{'-':>6}" if value is None else f"{value:>6.1f}"


if __name__ == "__main__":
    main()
