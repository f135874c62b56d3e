"""What the hub needs is an extra: without it other commands work, and the hub's say what to install."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.collector.running_collector import ROOT

EXTRA = ("cryptography", "prometheus_client", "segno", "starlette", "uvicorn")
WITHOUT = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))
from collector.cli import main
sys.exit(main())
"""


def without(packages: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, packages, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)


@pytest.mark.parametrize("package", [package for package in EXTRA if package != "segno"])
def test_without_a_package_of_the_extra_the_hub_is_one_sentence(package: str, tmp_path: Path) -> None:
    done = without(package, "hub", "--dir", tmp_path / "hub")
    assert done.returncode == 1
    assert done.stderr.startswith(f"collector: '{package}")
    assert " is missing; install it with: " in done.stderr
    assert "[hub]" in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "hub").exists()


def test_without_the_extra_other_commands_work(tmp_path: Path) -> None:
    done = without(",".join(EXTRA), "runs", "--db", tmp_path / "results.db")
    assert "there is no database" in done.stderr, done.stderr
    assert without(",".join(EXTRA), "--help").returncode == 0


def test_only_the_hub_and_the_server_of_files_import_the_extra() -> None:
    importers = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "collector").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for name in _imported(node)
        if name.split(".")[0] in EXTRA
    }
    assert {path for path in importers if not path.startswith("collector/hub/")} == {
        "collector/serving/bundle_server.py",
        "collector/serving/http_server.py",
    }


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []
