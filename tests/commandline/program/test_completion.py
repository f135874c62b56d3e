import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.agent.conftest import ROOT
from tests.installed import program

PROGRAMS = {"agent": "agent", "collector": "collector", "export-models": "export"}


def printed(module: str, *arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **variables},
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_script_calls_the_program_as_it_expects(name: str, tmp_path: Path) -> None:
    """Bash runs the script, and what it would offer after `NAME comp` comes from the program."""
    script = printed(PROGRAMS[name], "completion", "bash")
    started = tmp_path / name
    started.write_text(f'#!/bin/sh\ncd {ROOT} && exec {sys.executable} -m {PROGRAMS[name]} "$@"\n')
    started.chmod(0o755)
    words = f"COMP_WORDS=({name} comp)\nCOMP_CWORD=1\n"
    asked = f'{script}\n{words}_{name.replace("-", "_")}_completion {name}\necho "${{COMPREPLY[@]}}"'
    done = subprocess.run(
        [program("bash"), "-c", asked],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        check=False,
    )
    assert "completion" in done.stdout.split(), done.stderr


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_have_scripts_of_their_own(shell: str) -> None:
    assert f"_AGENT_COMPLETE={shell}_complete" in printed("agent", "completion", shell)
