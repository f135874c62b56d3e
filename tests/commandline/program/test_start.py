"""Ctrl-C ends every program quietly with 130, also while its modules are being imported."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.conftest import ROOT

INTERRUPT = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(30)\n"


def run(script: str, folder: Path, *, ignoring: bool = False) -> tuple[int, str]:
    """Run Python code with the modules of a folder before all others; its exit status and standard error."""
    paths = f"import sys; sys.path[:0] = [{str(folder)!r}, {str(ROOT)!r}]; sys.argv[1:] = ['--version']; "
    ignore = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); " if ignoring else ""
    done = subprocess.run(
        [sys.executable, "-P", "-c", ignore + paths + script], capture_output=True, text=True, timeout=150
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("program", ["agent", "collector", "export"])
@pytest.mark.parametrize("module", ["click", "msgspec"])
def test_ctrl_c_during_the_imports_ends_quietly(program: str, module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text(INTERRUPT)
    assert run(f"from {program}.__main__ import main; sys.exit(main())", tmp_path) == (130, "")


START = "from commandline.program.start import start; sys.exit(start('program'))"


@pytest.mark.parametrize(
    "text",
    [
        f"def main(): {INTERRUPT}",
        f"def late(): {INTERRUPT}def main(): import atexit; atexit.register(late)",
    ],
)
def test_ctrl_c_in_the_work_and_after_it_ends_quietly(text: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(text)
    assert run(START, tmp_path) == (130, "")


def test_a_program_that_was_started_to_ignore_ctrl_c_ignores_it(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(f"{INTERRUPT.replace('30', '0')}def main(): return 3\n")
    assert run(START, tmp_path, ignoring=True) == (3, "")
