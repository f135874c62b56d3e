"""How much F1 distillation adds to training on gold answers alone.

    python -m bench.distillation QUESTIONS --to FOLDER

Articles are split into three: to train on, to choose the best step by, and to test on. Arms differ in their
losses only: they have the same student, steps, batches and seeds. Every arm of a seed answers every test
question, and the gain's interval is a paired bootstrap over them. Started again, it continues from what is in
the folder.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

import click
import numpy as np

from agent.planning.selection import select
from bench.commandline import options
from bench.commandline.options import command, count
from contract.questions import Question
from export.answering.inference import Cutter
from export.answering.verification import f1
from export.distillation import windows as data
from export.distillation.evaluation import HeldOut
from export.distillation.load import load_teacher
from export.distillation.request import DistilRequest
from export.distillation.run import distil
from export.models import training_record as record
from export.models.sources import from_folder
from export.models.training_record import TrainingRecord
from export.questions import squad_dataset as squad

_RESAMPLES = 10_000


@command
@click.argument("questions", metavar="QUESTIONS", type=options.FILE)
@options.limit(None)
@click.option("--teacher", default="demo/reader", show_default=True, help="Checkpoint of the teacher.")
@click.option("--student", default="layers=3", show_default=True, help="The student's shape.")
@click.option(
    "--arm",
    "arms",
    multiple=True,
    default=("hard=1", "minilm"),
    show_default=True,
    help="Losses to train with; repeat it for more.",
)
@count("--seeds", 3, "Students per arm.")
@count("--steps", 600, "Training steps per student.")
@click.option("--learning-rate", type=float, default=3e-4, show_default=True, help="Highest learning rate.")
@click.option("--chosen-on", default=0.1, show_default=True, help="Share of the questions to choose by.")
@click.option("--tested-on", default=0.25, show_default=True, help="Share of the questions to test on.")
@click.option("--cache", type=options.NEW_FOLDER, help="Folder for what the teacher computed.")
@click.option("--to", type=options.NEW_FOLDER, required=True, help="Folder for students and results.")
def main(
    questions: Path,
    limit: int | None,
    teacher: str,
    student: str,
    arms: tuple[str, ...],
    seeds: int,
    steps: int,
    learning_rate: float,
    chosen_on: float,
    tested_on: float,
    cache: Path | None,
    to: Path,
) -> None:
    """Print a Markdown table of each arm's F1 on the test articles, and of its gain over the first arm."""
    to.mkdir(parents=True, exist_ok=True)
    given = data.read(questions)
    rest, test = data.split(given if limit is None else select(given, limit, seed=0), tested_on, seed=0)
    learn, choose = data.split(rest, chosen_on, seed=0)
    for name, part in (("learn", learn), ("choose", choose), ("test", test)):
        squad.write(squad.Origin(part, f"{questions.name}, {name}"), to / f"{name}.json")
    scores: dict[str, list[list[float]]] = {arm: [] for arm in arms}
    minutes: dict[str, list[float]] = {arm: [] for arm in arms}
    for seed in range(seeds):
        for arm in arms:
            folder = to / f"{arm.replace('=', '').replace(',', '-')}-{seed}"
            request = DistilRequest(
                teacher=teacher,
                student=student,
                questions=(to / "learn.json",),
                held_out=str(to / "choose.json"),
                losses=arm,
                steps=steps,
                learning_rate=learning_rate,
                seed=seed,
                cache=cache,
                resume=(folder / "training").is_dir() or record.read(folder) is not None,
            )
            made = distil(request, folder, lambda line: click.echo(line, err=True))
            minutes[arm].append(made.evaluations[-1].seconds / 60)
            scores[arm].append(_scores(folder, test))
            print(f"seed {seed}, {arm}: F1 {100 * mean(scores[arm][-1]):.1f}, {_said(made)}", flush=True)
    _table(scores, minutes, test)


def _said(made: TrainingRecord) -> str:
    return f"best step {made.best.step} (F1 {made.best.f1:.1f} where it was chosen)"


def _scores(folder: Path, test: tuple[Question, ...]) -> list[float]:
    kept = folder / "test-f1.json"
    if kept.is_file():
        found: list[float] = json.loads(kept.read_text())
        return found
    network, tokenizer = load_teacher(from_folder(folder))
    cutter = Cutter(tokenizer.backend_tokenizer.to_str(), data.INPUTS)
    answers = HeldOut(test, cutter, tokenizer.pad_token_id or 0).answers(network)
    found = [f1(text, question) for text, question in zip(answers, test, strict=True)]
    kept.write_text(json.dumps(found))
    return found


def _table(
    scores: dict[str, list[list[float]]], minutes: dict[str, list[float]], test: tuple[Question, ...]
) -> None:
    first = next(iter(scores))
    print(f"\n{len(test)} test questions of {len({q.title for q in test})} articles\n")
    print("| losses | F1 % by seed | mean | gain over the first, by seed | 95 % of the mean gain | minutes |")
    print("|---|---|--:|---|---|--:|")
    for arm, of_seeds in scores.items():
        each = [100 * mean(one) for one in of_seeds]
        gains = [100 * (mean(a) - mean(b)) for a, b in zip(of_seeds, scores[first], strict=True)]
        low, high = _interval(of_seeds, scores[first])
        print(
            f"| {arm} | {_list(each, '.1f')} | {mean(each):.1f} | {_list(gains, '+.1f')} "
            f"| {low:+.1f} to {high:+.1f} | {mean(minutes[arm]):.0f} |"
        )


def _list(values: Sequence[float], how: str) -> str:
    return ", ".join(format(value, how) for value in values)


def _interval(ours: Sequence[Sequence[float]], theirs: Sequence[Sequence[float]]) -> tuple[float, float]:
    """95 % of the mean gain over seeds, in points, when the test questions are drawn again."""
    gains = np.array(ours).mean(axis=0) - np.array(theirs).mean(axis=0)
    drawn = np.random.default_rng(0)
    means = [100 * gains[drawn.integers(len(gains), size=len(gains))].mean() for _ in range(_RESAMPLES)]
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


if __name__ == "__main__":
    main()
