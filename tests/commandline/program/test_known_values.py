"""What the programs offer a shell as values: those that are known, and nothing else."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import click
import pytest
from click.shell_completion import ShellComplete

from agent.cli import cli as agent
from collector.cli import cli as collector_cli
from collector.report.page import PARTS
from collector.store.opening import open_store
from export.cli import cli as export_models
from tests.collector.command import ROOT, collector
from tests.collector.delivering import take
from tests.collector.factory import batch, device, manifest, run_records

PROGRAMS: Final[dict[str, click.Group]] = {
    "agent": agent,
    "collector": collector_cli,
    "export-models": export_models,
}
IDS = ("aaaaaaaa1" + "0" * 23, "aaaaaaaa2" + "0" * 23, "bbbbbbbb" + "0" * 24)


@pytest.fixture
def results(tmp_path: Path) -> Path:
    database = tmp_path / "results.db"
    with open_store(database, create=True) as store:
        for run_id, bundle, where in (
            (IDS[0], manifest("minilm-l6"), device()),
            (IDS[1], manifest("minilm-l6", "int8"), device()),
            (IDS[2], manifest("a model; rm -rf ~"), device("lab-2", "laptop", cpu_model="Odd\x1b[31m One")),
        ):
            take(store, batch(run_records(bundle=bundle, on=where), run_id, where.device_id))
    return database


def offered(program: str, typed: str, **variables: str) -> list[str]:
    """The values that a shell would offer for the last word of a line, which may be empty."""
    words = typed.split(" ")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in variables.items():
            patch.setenv(name, value)
        found = ShellComplete(PROGRAMS[program], {}, program, "_COMPLETE").get_completions(
            words[:-1], words[-1]
        )
    return [item.value for item in found]


def test_the_shell_gets_the_values_and_no_message(results: Path) -> None:
    asked = {"_COLLECTOR_COMPLETE": "bash_complete", "COMP_WORDS": "collector show b", "COMP_CWORD": "2"}
    done = collector(**asked, DISTILBENCH_DB=str(results))
    assert (done.stdout, done.stderr) == ("plain,bbbbbbbb\n", "")


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("show ", ["latest", "previous", "bbbbbbbb", IDS[1], IDS[0]]),
        ("show b", ["bbbbbbbb"]),
        ("compare previous l", ["latest"]),
        ("report --run aaaaaaaa2", [IDS[1]]),
        ("runs --exclude prev", ["previous"]),
        ("prune --run bb", ["bbbbbbbb"]),
        ("predictions write bb", ["bbbbbbbb"]),
        ("report --model ", ["minilm-l6"]),
        ("report --baseline mini", ["minilm-l6"]),
        ("runs --precision ", ["fp32", "int8"]),
        ("devices --device ", ["lab-2", "pi-5"]),
        ("report --hardware ra", ["raspberry-pi-5", "raspberry-pi-5-model-b-4-cores"]),
        ("report --settings thr", ["threads=4"]),
        ("report --section ", list(PARTS)),
    ],
)
def test_the_collector_offers_what_its_database_has(results: Path, typed: str, values: list[str]) -> None:
    assert offered("collector", typed, DISTILBENCH_DB=str(results)) == values


@pytest.mark.parametrize("typed", ["report --model ", "report --hardware ", "runs --device ", "show x"])
@pytest.mark.parametrize("named", ["gone.db", "no-database", ""])
def test_without_a_database_nothing_is_offered_and_nothing_is_said(
    tmp_path: Path, typed: str, named: str
) -> None:
    (tmp_path / "no-database").write_text("a text")
    variables = {"DISTILBENCH_DB": str(tmp_path / named)} if named else {}
    assert offered("collector", typed, **variables) == []
    assert not (tmp_path / "gone.db").exists()


def test_the_database_of_the_configuration_is_asked(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "config" / "distilbench"
    folder.mkdir(parents=True)
    (folder / "collector.toml").write_text(f'db = "{results}"\n')
    found = offered("collector", "show b", XDG_CONFIG_HOME=str(tmp_path / "config"))
    assert found == ["bbbbbbbb"]


@pytest.mark.parametrize("program", ["agent", "collector", "export"])
def test_a_program_starts_without_the_packages_of_extras(program: str) -> None:
    """The sentence about a missing extra comes from the command that needs it, so imports must not fail."""
    blocked = "dict.fromkeys(('sqlite_utils', 'rich', 'plotly', 'torch', 'transformers', 'onnx', 'numpy'))"
    code = f"import sys; sys.modules.update({blocked}); import {program}.cli"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_names_and_precisions_of_bundles_are_offered() -> None:
    assert offered("export-models", "build minilm-l") == ["minilm-l12", "minilm-l6"]
    assert offered("export-models", "build --precision int8") == ["int8", "int8,int4"]
    assert offered("export-models", "distill --teacher bert-l") == ["bert-large"]
    assert offered("export-models", "suggest --hardware jet") == ["jetson"]


def test_the_agent_offers_the_classes_of_hardware() -> None:
    assert offered("agent", "run --hardware-class raspberry-pi-z") == ["raspberry-pi-zero-2"]
