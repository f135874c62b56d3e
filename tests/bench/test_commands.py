"""Every benchmark runs at its smallest size, and names in one sentence what is not installed."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.__main__ import commands
from bench.processes.collecting import collector
from bench.results.committed import check
from contract.bundle import Precision
from export.building.build import BuildRequest, build
from export.models.resolve import find
from tests.installed import program
from tests.mosquitto import Mosquitto
from tests.postgres import programs

ROOT = Path(__file__).parents[2]
BENCH = ROOT / "bench"
PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
NUMBER = r"[\d,.]+"


class Given(NamedTuple):
    """What the smallest runs are made from."""

    checkpoint: Path
    bundles: Path
    """Folder of the checkpoint's bundles."""
    scratch: Path

    @property
    def fp32(self) -> Path:
        return self.bundles / f"{self.checkpoint.name}-fp32"

    @property
    def int8(self) -> Path:
        return self.bundles / f"{self.checkpoint.name}-int8"


class Smallest(NamedTuple):
    """The smallest run of a benchmark, and a line of its result."""

    arguments: Callable[[Given], tuple[str | Path, ...]]
    line: str
    """A regular expression."""
    broker: bool = False
    postgres: bool = False
    proof: bool = False

    @property
    def marks(self) -> list[pytest.MarkDecorator]:
        names = ("broker", "postgres", "proof")
        return [getattr(pytest.mark, name) for name in names if getattr(self, name)]


SAMPLE = "demo/sample-questions.json"
SMALLEST = {
    "chaos": Smallest(
        lambda _: ("--schedules", "1"), r"1 schedules, [1-9]\d* records, 0 failures", broker=True
    ),
    "cluster": Smallest(
        lambda _: ("--minutes", "0.05", "--devices", "1", "--every", "1", "--away", "0.2"),
        r"0\.05 minutes, [1-9]\d* blows, [1-9][\d,]* records: 0 lost, 0 duplicated, 0 refused",
        broker=True,
        proof=True,
    ),
    "distillation": Smallest(
        lambda given: (
            *(SAMPLE, "--limit", "40", "--teacher", given.checkpoint, "--student", "layers=1"),
            *("--arm", "hard=1", "--arm", "minilm", "--steps", "1", "--seeds", "1", "--to", given.scratch),
        ),
        rf"\| minilm \| {NUMBER} \| {NUMBER} \| [+-]{NUMBER} \|",
    ),
    "equality": Smallest(
        lambda given: (given.fp32, "--weights", given.checkpoint, "--limit", "3"),
        r"same answer 3 \(100\.00%\), and its confidence within 0\.001 3",
    ),
    "fuzz": Smallest(
        lambda _: ("--executions", "60", "--only", "message", "--only", "database"),
        r"message: 60 executions, [1-9]\d* taken(.*\n)*database: 60 executions, [1-9]\d* taken",
    ),
    "harness": Smallest(
        lambda given: (given.fp32, "--limit", "40", "--starts", "1"),
        r"resident at most\n- .*: [1-9]\d* ms \(median of 1",
        broker=True,
    ),
    "hub": Smallest(
        lambda _: ("--devices", "2", "--orders", "2", "--answers", "3"),
        rf"\| 2 \| {NUMBER} \|(.*\n)*4 orders, 4 of them measured, 0 repeated, 0 lists refused",
        broker=True,
    ),
    "ingest": Smallest(
        lambda _: (
            *("--devices", "2", "--answers", "40", "--crowd", "2"),
            *(() if shutil.which("mosquitto_sub") else ("--no-subscriber",)),
        ),
        rf"\| collector serve, synchronous FULL \| {NUMBER} \|(\n.*)*all after {NUMBER} s",
        broker=True,
    ),
    "intake": Smallest(
        lambda _: ("--rounds", "2", "--answers", "4000"),
        rf"two collectors' rate over one's \| {NUMBER} \({NUMBER} to {NUMBER}\) \|",
        postgres=True,
    ),
    "int8": Smallest(
        lambda given: (given.fp32, given.int8, "--limit", "3"), rf"-int8 \| {NUMBER} \| {NUMBER} \|"
    ),
    "leaks": Smallest(
        lambda _: ("--reconnects", "27", "--records", "2"),
        rf"\| traced, kB \| {NUMBER} \| {NUMBER} \|",
        broker=True,
        proof=True,
    ),
    "loadgen": Smallest(
        lambda given: (given.fp32, "--limit", "8", "--queries", "64", "--rounds", "1"),
        rf"LoadGen's p90 over ours: [+-]{NUMBER} %",
    ),
    "models": Smallest(
        lambda given: (given.checkpoint, "--bundles", given.bundles / "random", "--limit", "2"),
        rf"\| tiny-squad \| {NUMBER} \| 1\.0 \| {NUMBER} \| 1 \|",
    ),
    "reader": Smallest(
        lambda given: (
            *("--model", given.checkpoint, "--weights", given.checkpoint, "--bundles", given.bundles),
            *("--precision", "fp32", "--limit", "8"),
        ),
        rf"\| our reader \| fp32 \| {NUMBER} \| .* \| 100\.0 \|",
        proof=True,  # four processes, most of which import PyTorch
    ),
    "report": Smallest(
        lambda _: ("--devices", "1", "--questions", "50", "--alone", "0.3"),
        rf"\| report \| {NUMBER} \| {NUMBER} \|",
    ),
    "score": Smallest(
        lambda _: ("--questions", "50", "--pairs", "3"),
        rf"\| BERTScore of 3 models, [1-9]\d* distinct pairs \| {NUMBER}",
    ),
    "settings": Smallest(
        lambda given: (given.fp32, "--limit", "8"), rf"\| --no-arena \| {NUMBER} \| {NUMBER} \|"
    ),
    "soak": Smallest(
        lambda _: (
            *("--minutes", "0.15", "--devices", "1", "--pause", "0.1", "--warm-up", "0"),
            *("--stall", "1", "--away", "0.2"),
        ),
        r"0\.15 minutes, [1-9]\d* faults, [1-9][\d,]* records: 0 lost, 0 duplicated",
        broker=True,
        proof=True,
    ),
    "turns": Smallest(
        lambda given: (
            *(given.fp32, given.int8, "--limit", "12", "--rounds", "2"),
            *("--turns", "2", "--repeats", "1"),
        ),
        rf"\|.*int8 \| {NUMBER} \| {NUMBER} % .* \| {NUMBER} % ",
    ),
    "truth": Smallest(
        lambda _: ("--draws", "5", "--only", "time"),
        rf"time: 5 draws.*\n\n\| situation .*\n.*\n\| .* \| {NUMBER} \|",
    ),
}


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory, checkpoint: Path) -> Path:
    folder = tmp_path_factory.mktemp("benchmarks")
    request = BuildRequest(model=find(str(checkpoint)).model, weights=str(checkpoint), precisions=PRECISIONS)
    build(request, folder, lambda line: None)
    return folder


def run(name: str, *arguments: str | Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", f"bench.{name}", *map(str, arguments)],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_benchmark_is_run_here() -> None:
    """The list is the folder's: a new benchmark needs an entry."""
    assert {name for name, _ in commands()} == set(SMALLEST)


@pytest.mark.proof
@pytest.mark.parametrize("name", [pytest.param(name, marks=s.marks) for name, s in SMALLEST.items()])
def test_a_benchmark_measures(name: str, checkpoint: Path, bundles: Path, tmp_path: Path) -> None:
    smallest = SMALLEST[name]
    if smallest.broker:
        program("mosquitto")
    if smallest.postgres:
        programs()
    done = run(name, *smallest.arguments(Given(checkpoint, bundles, tmp_path)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(smallest.line, done.stdout), done.stdout


def test_no_command_line_is_outside_the_list() -> None:
    """`bench.processes.device` is a program that benchmarks start; a test below runs it."""
    modules = {
        ".".join(path.relative_to(BENCH).with_suffix("").parts)
        for path in BENCH.rglob("*.py")
        if 'if __name__ == "__main__":' in path.read_text(encoding="utf-8")
    }
    assert modules == {*SMALLEST, "__main__", "processes.device"}


@pytest.mark.broker
def test_a_device_delivers_what_it_committed(broker: Mosquitto, tmp_path: Path) -> None:
    with collector(broker, tmp_path) as (database, _):
        state = ("--state-dir", tmp_path / "device", "--device-id", "device-0")
        done = run("processes.device", *state, "--broker", broker.url, "--records", "5", "--pause", "0")
        assert done.returncode == 0, done.stderr
        assert check(database, tmp_path / "device") == 6  # a start, answers 1 to 4, an end


def test_the_list_has_one_sentence_for_each() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    listed = dict(line.split(maxsplit=1) for line in done.stdout.split("\n\n")[0].splitlines())
    assert set(listed) == set(SMALLEST)
    assert all(re.fullmatch(r"[A-Z][^:]{20,110}\.", sentence) for sentence in listed.values()), listed


def test_a_missing_program_is_named_in_one_sentence(tmp_path: Path) -> None:
    done = run("ingest", PATH=str(tmp_path))
    assert done.returncode == 1
    assert re.fullmatch(
        r"bench: the program 'mosquitto\w*' is missing: install the package .*\n", done.stderr
    )


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("ingest", "psutil"),
        ("report", "duckdb"),
        ("score", "bert_score"),
        ("reader", "torch"),
    ],
)
def test_a_missing_package_is_named_in_one_sentence(
    name: str, package: str, checkpoint: Path, bundles: Path, tmp_path: Path
) -> None:
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError('none', name='{package}')\n")
    search = os.pathsep.join((str(tmp_path), str(ROOT)))
    done = run(name, *SMALLEST[name].arguments(Given(checkpoint, bundles, tmp_path)), PYTHONPATH=search)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stderr.startswith(f"bench: the Python package '{package}' is missing: ")
    assert done.stderr.count("\n") == 1


def test_bad_input_is_quoted_in_one_sentence(tmp_path: Path) -> None:
    done = run("harness", tmp_path, "--only", "overhead")
    assert done.returncode == 1
    assert done.stderr == f"bench: '{tmp_path}' is not a bundle: it has no manifest.json\n"
