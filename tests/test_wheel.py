"""What is shipped: the wheel's content, and that the base install alone runs the agent."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.once import once

ROOT = Path(__file__).parent.parent
PACKAGES = {"agent", "collector", "commandline", "contract", "export"}
PROGRAMS = ("agent", "collector", "export-models")
MAX_BYTES = 1_250_000
START = """
import sys
from importlib.metadata import entry_points
(program,) = entry_points(group="console_scripts", name=sys.argv[1])
del sys.argv[0]
sys.exit(program.load()())
"""


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir"]
    folder = once(
        tmp_path_factory,
        "wheel",
        lambda folder: subprocess.run([*build, folder, ROOT], check=True, capture_output=True),
    )
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="session")
def base_install(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that holds the wheel, its dependencies and nothing else."""

    def install(folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip: list[str | Path] = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
        subprocess.run(
            [*pip, "--constraint", ROOT / "constraints.txt", wheel], check=True, capture_output=True
        )

    return once(tmp_path_factory, "base-install", install) / "bin"


def test_the_wheel_holds_exactly_the_packages(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    pages = {name.partition(".data/data/")[2] for name in names if ".data/" in name}
    assert pages == {f"share/man/man1/{program}.1" for program in PROGRAMS}
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name and ".data/" not in name}
    assert tops == PACKAGES
    assert {f"{package}/py.typed" for package in PACKAGES} <= set(names)
    assert not [name for name in names if "test" in name or "__pycache__" in name]
    assert wheel.stat().st_size < MAX_BYTES, "a device downloads this over any network"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_starts_from_the_wheel_with_no_source_beside_it(
    wheel: Path, tmp_path: Path, program: str
) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path / "wheel")
    # With -S the environment's packages are found, and the clone that is installed editable there is not.
    paths = (str(tmp_path / "wheel"), sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    python = (sys.executable, "-S", "-c", START)
    helps_and_has_a_version([*python, program], os.pathsep.join(dict.fromkeys(paths)), tmp_path)
    finds = "from importlib.util import find_spec; print(find_spec('agent').origin, find_spec('demo'))"
    found = run([*python[:-1], finds], os.pathsep.join(dict.fromkeys(paths)), tmp_path)
    assert found.stdout.split() == [str(tmp_path / "wheel" / "agent" / "__init__.py"), "None"]


@pytest.mark.proof
def test_the_base_install_alone_runs_the_agent(
    base_install: Path, reader_bundle_int8: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.jsonl"
    questions = ROOT / "demo" / "sample-questions.json"
    command: list[str | Path] = [base_install / "agent", "run", reader_bundle_int8, "--questions", questions]
    done = run([*command, "--limit", "3", "--to-file", out], "", tmp_path)
    assert done.returncode == 0, done.stderr
    records = [record for line in out.read_text().splitlines() for record in json.loads(line)["records"]]
    answers = [record for record in records if record["type"] == "answer"]
    assert len(answers) == 3
    assert all(answer["text"] for answer in answers)


@pytest.mark.proof
def test_the_base_install_has_every_program_and_says_what_the_others_need(
    base_install: Path, tmp_path: Path
) -> None:
    for program in PROGRAMS:
        helps_and_has_a_version([base_install / program], "", tmp_path)
    for command, extra in (
        (("collector", "runs", "--db", "x.db"), "collector"),
        (("export-models", "list"), "export"),
        (("export-models", "build", "minilm-l6", "--weights", "random", "--to", "x"), "export"),
    ):
        program, *arguments = command
        done = run([base_install / program, *arguments], "", tmp_path)
        assert done.returncode == 1
        assert f"-py3-none-any.whl[{extra}]" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.proof
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_python_of_this_machine_measures_and_reports(
    version: str, wheel: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    """Debian 12 has Python 3.11, Ubuntu 24.04 has 3.12, and Raspberry Pi OS Trixie 3.13."""
    found = python(version)
    subprocess.run([found, "-m", "venv", tmp_path / "env"], check=True)
    programs = tmp_path / "env" / "bin"
    pip: list[str | Path] = [programs / "python", "-m", "pip", "install", "--quiet"]
    only = ["--only-binary", ":all:", "--constraint", str(ROOT / "constraints.txt")]
    subprocess.run([*pip, *only, f"{wheel}[collector]"], check=True, capture_output=True)
    results, database = tmp_path / "results.jsonl", tmp_path / "results.db"
    questions = ROOT / "demo" / "sample-questions.json"
    for program, *arguments in (
        ("agent", "run", tiny_bundle, "--questions", questions, "--limit", "3", "--to-file", results),
        ("collector", "questions", "add", questions, "--db", database),
        ("collector", "ingest", results, "--db", database),
        ("collector", "report", "--to", tmp_path / "report.html", "--db", database),
    ):
        done = run([programs / str(program), *map(str, arguments)], "", tmp_path)
        assert done.returncode == 0, done.stderr
    assert "tiny" in run([programs / "collector", "runs", "--db", database], "", tmp_path).stdout


def python(version: str) -> str:
    """The path of an interpreter of this version, from the path or from pyenv."""
    in_pyenv = (Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python")
    for path in (shutil.which(f"python{version}"), *sorted(map(str, in_pyenv))):
        # What pyenv puts into the path is there even if the version is not chosen, and then fails.
        if path and subprocess.run([path, "-c", ""], capture_output=True, check=False).returncode == 0:
            return path
    pytest.skip(f"there is no Python {version} on this machine")


def helps_and_has_a_version(program: list[str | Path], path: str, folder: Path) -> None:
    for option, answer in (("--help", "Usage: "), ("--version", " 0.")):
        done = run([*program, option], path, folder)
        assert (done.returncode, done.stderr) == (0, "")
        assert answer in done.stdout


def run(command: list[str | Path], path: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command outside the clone, whose modules it must not find by the way."""
    state = {"DISTILBENCH_STATE_DIR": str(folder / "state"), "PYTHONPATH": path}
    return subprocess.run(
        command, env={**os.environ, **state}, cwd=folder, capture_output=True, text=True, check=False
    )
