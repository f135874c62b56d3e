"""What an operator copies is sound, as far as that can be checked without a device."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.commands.config import CONFIG as AGENT
from agent.planning.plan_file import read_schedule
from collector.commands.config import CONFIG as COLLECTOR
from tests.installed import program

DEPLOY = Path(__file__).parents[2] / "deploy"
SERVICES = sorted(unit for unit in (DEPLOY / "systemd").glob("*.service") if "-user" not in unit.stem)
SCRIPTS = [*sorted(DEPLOY.glob("*.sh")), DEPLOY.parent / "collector" / "hub" / "board" / "join.sh"]
MAX_EXPOSURE = 2.0


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*command], capture_output=True, text=True, check=False)


def test_the_units_are_right_to_systemd(tmp_path: Path) -> None:
    analyze = program("systemd-analyze")
    units = tmp_path / "etc/systemd/system"
    units.mkdir(parents=True)
    for unit in (DEPLOY / "systemd").iterdir():
        # What they start is not installed here, and that is all that may be missing.
        text = unit.read_text().replace("/opt/distilbench/current/bin/", "/usr/bin/env /opt/")
        text = text.replace("%h/.local/share/distilbench/current/bin/", "/usr/bin/env %h/")
        (units / unit.name).write_text(text)
    verified = run(analyze, "verify", *sorted(units.iterdir()))
    said = [line for line in (verified.stdout + verified.stderr).splitlines() if "distilbench" in line]
    assert said == []


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_the_services_are_hardened(unit: Path) -> None:
    judged = run(program("systemd-analyze"), "security", "--offline=true", "--no-pager", unit)
    (line,) = [line for line in judged.stdout.splitlines() if "Overall exposure level" in line]
    assert float(line.partition(":")[2].split()[0]) <= MAX_EXPOSURE


@pytest.mark.parametrize(
    "script", [*SCRIPTS, *sorted((DEPLOY / "fleet").glob("*.sh"))], ids=lambda script: script.name
)
def test_the_scripts_are_clean(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert run("sh", "-n", script).returncode == 0
    checked = run(program("shellcheck"), script)
    assert checked.returncode == 0, checked.stdout


def test_the_installer_reports_wrong_usage_and_needs_root() -> None:
    installer = DEPLOY / "install-agent.sh"
    wrong = run(installer, "--wheels")
    assert (wrong.returncode, wrong.stderr) == (
        2,
        "install-agent.sh: --wheels needs a value; see --help\n",
    )
    assert "unknown argument '--whels'" in run(installer, "--whels").stderr
    assert "cannot be used together" in run(installer, "--wheels", "a", "--wheel", "b").stderr
    assert "--rollback" in run(installer, "--help").stdout
    if os.geteuid() != 0:
        assert "install-agent.sh: run it as root: sudo " in run(installer, "--wheels", "a").stderr


def test_wheels_are_collected_in_the_versions_that_were_tested(tmp_path: Path) -> None:
    python, heard = tmp_path / "python", tmp_path / "heard"
    python.write_text(f'#!/bin/sh\necho "$@" >> {heard}\n')
    python.chmod(0o755)
    wheel = tmp_path / "distilbench-0.1.0-py3-none-any.whl"
    wheel.touch()
    make: list[str | Path] = [DEPLOY / "make-wheelhouse.sh", "--python", "3.13"]
    for more in ((), ("--constraint", "own.txt")):
        subprocess.run(
            [*make, *more, wheel, tmp_path / "wheelhouse"],
            env={**os.environ, "PYTHON": str(python)},
            capture_output=True,
            check=True,
        )
    tested, own = heard.read_text().splitlines()
    (constraints,) = [word for word in tested.split() if word.endswith(".txt")]
    assert Path(constraints).resolve() == DEPLOY.parent / "constraints.txt"
    assert "--constraint own.txt" in own


def test_the_collectors_installer_reports_wrong_usage(tmp_path: Path) -> None:
    installer = DEPLOY / "install-collector.sh"
    refused = run(installer)
    assert (refused.returncode, refused.stderr) == (
        2,
        "install-collector.sh: name what to install: --wheel FILE; see --help\n",
    )
    assert "unknown argument '--whel'" in run(installer, "--whel").stderr
    assert "--config FOLDER" in run(installer, "--help").stdout
    if os.geteuid() == 0 and not Path("/etc/systemd/system/distilbench-agent.service").exists():
        assert "is not a distilbench-*.whl" in run(installer, "--wheel", tmp_path / "other.whl").stderr


def test_the_collectors_installer_means_the_places_of_its_unit() -> None:
    installer = (DEPLOY / "install-collector.sh").read_text()
    unit = (DEPLOY / "systemd/distilbench-collector.service").read_text()
    assert f"SETTINGS={COLLECTOR.of_machine.parent}\n" in installer
    assert "\nPROGRAM=/opt/distilbench\n" in installer
    assert "\nDATA=/var/lib/distilbench\n" in installer and "StateDirectory=distilbench\n" in unit


def test_the_installer_takes_distilbench_from_a_file_only(tmp_path: Path) -> None:
    """The name may belong to anyone at a package index, and the installer runs as root."""
    alone = tmp_path / "install-agent.sh"
    shutil.copy(DEPLOY / "install-agent.sh", alone)
    for arguments in ((), ("--config", "kitchen-pi")):
        refused = run(alone, *arguments)
        assert (refused.returncode, refused.stderr) == (
            2,
            "install-agent.sh: name what to install: --wheels FOLDER, which make-wheelhouse.sh makes, or "
            "--wheel FILE; see --help\n",
        )
    lines = [line.strip() for line in alone.read_text().splitlines()]
    installs = [line for line in lines if line.startswith('"$PROGRAM/$release/bin/python" "$pip" ')]
    assert len(installs) == 2
    assert ["--no-index" in line or '"$(cd' in line for line in installs] == [True, True]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_runs_no_code_of_the_current_folder(script: Path, tmp_path: Path) -> None:
    (tmp_path / "pip.py").write_text("print('code of the current folder')")
    lines = script.read_text().splitlines()
    settings = [line.partition(" #")[0] for line in lines if "PYTHONSAFEPATH" in line]
    command = [*settings, f"{sys.executable} -m pip --version", f"{sys.executable} -c 'import pip'"]
    done = subprocess.run(
        ["sh", "-euc", "\n".join(command)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "code of the current folder" not in done.stdout


def test_installer_units_and_programs_mean_the_same_places() -> None:
    installer = (DEPLOY / "install-agent.sh").read_text()
    assert f"SETTINGS={AGENT.of_machine.parent}\n" in installer
    assert str(COLLECTOR.of_machine) in (DEPLOY / "systemd/distilbench-collector.service").read_text()
    for unit in SERVICES:
        assert "User=distilbench\n" in unit.read_text()
        assert "ExecStart=/opt/distilbench/current/bin/" in unit.read_text()


def test_the_sample_plan_can_be_read() -> None:
    schedule = read_schedule(DEPLOY / "plan.toml", ["limit"])
    (run,) = schedule.runs
    assert isinstance(run["bundles"], tuple) and len(run["bundles"]) == 2
    assert tomllib.loads((DEPLOY / "plan.toml").read_text())["every-hours"] == schedule.timing.every_hours


def test_the_compose_file_mounts_what_is_there_and_runs_as_nobody() -> None:
    file: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for service in file["services"].values():
        assert service["cap_drop"] == ["ALL"]
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            made_by_hand = source.startswith(("./settings", "./certs"))
            assert made_by_hand or source in file["volumes"] or (DEPLOY / source).exists(), source
    assert (DEPLOY.parent / file["services"]["collector"]["build"]["dockerfile"]).is_file()
    paths = [volume.split(":")[1] for volume in file["services"]["broker"]["volumes"]]
    conf = [*_lines("mosquitto/distilbench.conf"), *_lines("mosquitto/container.conf")]
    for key in ("certfile", "password_file", "acl_file", "persistence_location"):
        (line,) = [line for line in conf if line.startswith(f"{key} ")]
        assert any(line.split()[1].startswith(path) for path in paths), line


def _lines(name: str) -> list[str]:
    return (DEPLOY / name).read_text().splitlines()
