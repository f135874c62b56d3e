"""The canary sings: a suite in which the planted password shows fails, and says where."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LEAKS = """
import subprocess, sys
from collector.broker.credentials import provision, write_secret
from tests.canary import made, may_hold

def test_a_log(tmp_path):
    (tmp_path / "agent.log").write_text(provision(tmp_path / "hashes", "pi-5", hashed=True, replace=False))

def test_standard_output(tmp_path):
    print("in as", provision(tmp_path / "hashes", "pi-5", hashed=True, replace=False))

def test_a_process(tmp_path):
    password = provision(tmp_path / "plain", "pi-5", hashed=False, replace=False)
    subprocess.run([sys.executable, "-c", "print(input())"], input=password, text=True, capture_output=True)

def test_a_password_that_a_process_made(tmp_path):
    command = [sys.executable, "-m", "collector", "provision", "pi-6", "--passwords", tmp_path / "hashes"]
    told = subprocess.run(command, text=True, capture_output=True, check=True).stdout
    (tmp_path / "collector.log").write_text(made(told.splitlines()[-1]))

def test_a_private_file(tmp_path):
    write_secret(tmp_path / "secret", provision(tmp_path / "plain", "pi-5", hashed=False, replace=False))

def test_a_file_that_may(tmp_path):
    made("a password of a process")
    may_hold(tmp_path / "readable").write_text("a password of a process")
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_a_password_that_shows_fails_the_session(tmp_path: Path, workers: int) -> None:
    (tmp_path / "test_leaks.py").write_text(LEAKS)
    with tempfile.TemporaryDirectory() as leaked:  # not below `tmp_path`, where this session would find it
        options = (
            "-p",
            "tests.canary",
            "-c",
            os.devnull,
            "-q",
            "--basetemp",
            f"{leaked}/files",
            "-n",
            str(workers),
        )
        command = [sys.executable, "-m", "pytest", *options, "-p", "no:cacheprovider", str(tmp_path)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "6 passed" in ended.stdout
    assert ended.returncode == 1
    (_, told) = ended.stdout.split("a password that nobody may see shows in")
    places = [line for line in told.splitlines() if line.endswith("<the password>")]
    assert len(places) == 4
    for place in (
        "agent.log: …",
        "collector.log: …",
        "Captured stdout call: …in as ",
        "-c print(input()) said: …",
    ):
        assert sum(place in line for line in places) == 1, told
    assert "canary-" not in told
