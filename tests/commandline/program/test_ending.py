"""How the three programs end, as processes with real pipes and on their own in this one."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from commandline.program.ending import run_program
from commandline.program.installation import how_to_add
from contract.codec import encode
from contract.errors import Malformed
from tests.agent.conftest import ROOT, write_questions
from tests.collector.factory import batch, run_records

PROGRAMS = ("agent", "collector", "export")
INSTALL = f"install it with: {how_to_add('collector')}"
PRINTING = {
    "agent": ("device",),
    "collector": ("schema",),
    "export": ("list",),
}


def ended(
    program: str, *arguments: str | Path, stdout: int, stderr: int = subprocess.PIPE
) -> tuple[int, str]:
    """The exit status of a program and what it said on standard error."""
    done = subprocess.run(
        [sys.executable, "-m", program, *map(str, arguments)],
        stdout=stdout,
        stderr=stderr,
        text=True,
        cwd=ROOT,
        check=False,
    )
    return done.returncode, done.stderr or ""


@pytest.fixture
def gone() -> int:
    """The end of a pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("arguments", [None, ("--help",), ("--version",)])
def test_a_reader_that_has_gone_is_no_error(
    program: str, arguments: tuple[str, ...] | None, gone: int, tmp_path: Path
) -> None:
    words: tuple[str | Path, ...] = arguments or PRINTING[program]
    if words == ("device",):
        words = ("device", "--state-dir", tmp_path)
    assert ended(program, *words, stdout=gone) == (0, "")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_full_disk_is_one_sentence(program: str, tmp_path: Path) -> None:
    words: tuple[str | Path, ...] = PRINTING[program]
    if words == ("device",):
        words = ("device", "--state-dir", tmp_path)
    with Path("/dev/full").open("w") as full:
        status, said = ended(program, *words, stdout=full.fileno())
    name = "export-models" if program == "export" else program
    assert (status, said) == (1, f"{name}: cannot write to standard output: No space left on device\n")


@pytest.mark.parametrize("program", PROGRAMS)
def test_wrong_usage_is_2_even_if_nobody_hears_it(program: str, gone: int) -> None:
    assert ended(program, "nonsense", stdout=subprocess.DEVNULL)[0] == 2
    assert ended(program, "nonsense", stdout=subprocess.DEVNULL, stderr=gone)[0] == 2


@pytest.mark.parametrize(
    ("program", "words", "status"),
    [
        ("agent", ("flush", "--broker", "http://here"), 2),
        ("agent", ("device", "--device-id", "No Name"), 2),
        ("agent", ("flush", "--broker", "mqtts://me@here", "--password-file", "none"), 1),
        ("agent", ("flush", "--to-file", "none/results.jsonl"), 1),
        ("collector", ("serve", "--broker", "http://here", "--db", "none.db"), 2),
        ("collector", ("watch", "--broker", "http://here", "--db", "none.db"), 2),
        ("collector", ("report", "--require", "f1>=", "--db", "none.db"), 2),
        ("collector", ("report", "--json", "--format", "csv", "--db", "none.db"), 2),
        ("collector", ("compare", "a", "b", "--fail-if", "p50>", "--db", "none.db"), 2),
        ("collector", ("report", "--require", "f1>=80", "--db", "none.db"), 1),
        ("export", ("suggest", "--hardware", "pi", "--require", "f1>=", "--db", "none.db"), 2),
        ("export", ("suggest", "--db", "none.db", "--hardware", "pi", "--require", "f1>="), 2),
        ("export", ("suggest", "--hardware", "pi", "--require", "p90_ms<=9", "--db", "none.db"), 1),
    ],
)
def test_an_impossible_value_is_wrong_usage_and_what_is_missing_is_an_error(
    program: str, words: tuple[str, ...], status: int, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", program, *words],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stdout) == (status, ""), done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [], "nothing is made before the command line is understood"


def test_a_run_outlives_the_reader_of_its_talk(gone: int, tiny_bundle: Path, tmp_path: Path) -> None:
    """`agent run … 2>&1 | head -1`: what is measured is worth more than what is said about it."""
    questions, results = write_questions(tmp_path, 5, sentences=1), tmp_path / "results.jsonl"
    words = ("run", tiny_bundle, "--questions", questions, "--to-file", results)
    status, _ = ended("agent", *words, "--state-dir", tmp_path / "state", stdout=gone, stderr=gone)
    assert status == 0
    assert results.read_bytes().count(b'"finished_at"') == 1


def test_files_are_ingested_though_nobody_reads_on(gone: int, tmp_path: Path) -> None:
    files = [tmp_path / f"{number}.jsonl" for number in range(3)]
    for file in files:
        file.write_bytes(encode(batch(run_records(), f"{file.stem:0>32}")))
    database = tmp_path / "results.db"
    assert ended("collector", "ingest", *files, "--db", database, stdout=gone) == (0, "")
    shown = subprocess.run(
        [sys.executable, "-m", "collector", "runs", "--json", "--db", database],
        capture_output=True,
        cwd=ROOT,
        check=True,
    )
    assert len(json.loads(shown.stdout)) == len(files)


class OwnError(Exception):
    """The root of a program's errors."""


def run(monkeypatch: pytest.MonkeyPatch, command: Callable[[], object], *arguments: str) -> int:
    @click.group()
    def cli() -> None:
        pass

    cli.command("do")(command)
    monkeypatch.setattr(sys, "argv", ["program", *(arguments or ("do",))])
    return run_program(cli, "program", OwnError, extras={"rich": "collector"})


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (OwnError("a\x1b[31mname\nbelow"), 1, "program: a?[31mname below\n"),
        (Malformed("it is not JSON"), 1, "program: it is not JSON\n"),
        (ModuleNotFoundError(name="rich"), 1, f"program: 'rich' is missing; {INSTALL}\n"),
        (ModuleNotFoundError(name="rich.table"), 1, f"program: 'rich.table' is missing; {INSTALL}\n"),
        (click.UsageError("wrong"), 2, "Error: wrong\n"),
        (KeyboardInterrupt(), 130, "\n"),
        (click.Abort(), 130, ""),
    ],
)
def test_whatever_stops_a_program_has_its_status(
    error: BaseException,
    status: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise error

    streams = sys.stdout, sys.stderr
    assert run(monkeypatch, fail) == status
    assert capsys.readouterr().err.endswith(said)
    assert (sys.stdout, sys.stderr) == streams


def test_an_error_of_our_own_making_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise ModuleNotFoundError(name="unknown")

    with pytest.raises(ModuleNotFoundError):
        run(monkeypatch, fail)


@pytest.mark.parametrize(("value", "status"), [(None, 0), (3, 3), ("text", 0)])
def test_a_command_may_return_its_status(value: object, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, lambda: value) == status


def test_sigterm_cleans_up_if_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def cli() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    group = click.Group("program", {"do": cli})
    monkeypatch.setattr(sys, "argv", ["program", "do"])
    try:
        with pytest.raises(SystemExit) as end:
            run_program(group, "program", OwnError, clean_up_on_sigterm=True)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert end.value.code == 143
