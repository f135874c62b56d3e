"""What is shipped: the wheel's content, and that the base install alone runs the agent."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"agent", "collector", "commandline", "contract", "demo", "export"}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def base_install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that holds the wheel, its dependencies and nothing else."""
    folder = tmp_path_factory.mktemp("base") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    constraints = str(ROOT / "constraints.txt")
    subprocess.run([*pip, "--constraint", constraints, str(wheel)], check=True, capture_output=True)
    return folder / "bin"


def test_the_wheel_holds_exactly_the_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == PACKAGES
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert {"demo/sample-questions.json", "demo/reader/adapter_model.safetensors"} <= set(names)
    assert not [name for name in names if "test" in name or "__pycache__" in name]


def test_the_base_install_alone_runs_the_agent(
    base_install: Path, reader_bundle_int8: Path, tmp_path: Path
) -> None:
    environment = {**os.environ, "DISTILBENCH_STATE_DIR": str(tmp_path / "state"), "PYTHONPATH": ""}
    out = tmp_path / "results.jsonl"
    questions = ROOT / "demo" / "sample-questions.json"
    command: list[str | Path] = [base_install / "agent", "run", reader_bundle_int8]
    command += ["--limit", "3", "--to-file", out]
    run = subprocess.run(
        [*command, "--questions", questions],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    records = [record for line in out.read_text().splitlines() for record in json.loads(line)["records"]]
    answers = [record for record in records if record["type"] == "answer"]
    assert len(answers) == 3
    assert all(answer["text"] for answer in answers)


def test_the_base_install_says_what_the_others_need(base_install: Path, tmp_path: Path) -> None:
    for command, extra in (
        (("collector", "runs", "--db", "x.db"), "collector"),
        (("export-models", "build", "minilm-l6", "--weights", "random", "--to", "x"), "export"),
    ):
        program, *arguments = command
        run = subprocess.run(
            [base_install / program, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert run.returncode == 1
        assert f"distilbench[{extra}]" in run.stderr
        assert len(run.stderr.splitlines()) == 1
