"""Makes the inputs of a device: a wheelhouse, bundles, and question files."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

from tests.arm64.programs import ROOT, check, program

QUESTIONS: Final = ROOT / "demo" / "sample-questions.json"
INT8: Final = ("minilm-l6-int8-arm64", "minilm-l6-int8-portable")
FP32: Final = ("minilm-l6-fp32",)
BUNDLES: Final = (*INT8, *FP32)


def make_wheel(to: Path) -> Path:
    """Build the wheel into a new folder."""
    subprocess.run(["rm", "-rf", to], check=True)
    build: list[str | Path] = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        to,
        ROOT,
    ]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"cannot build the wheel: {done.stdout[-500:]}{done.stderr[-500:]}")
    (wheel,) = to.glob("*.whl")
    return wheel


def make_wheelhouse(folder: Path, machine: str, python: str) -> Path:
    """Collect the wheels for a device into a new folder, with the installer."""
    house = folder / f"wheelhouse-{machine}-{python}"
    subprocess.run(["rm", "-rf", house], check=True)
    script = ROOT / "deploy" / "make-wheelhouse.sh"
    wheel = make_wheel(folder / "dist")
    done = subprocess.run(
        [script, "--python", python, "--machine", machine, wheel, house],
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    check(done.returncode == 0, f"cannot get every wheel: {done.stderr[-1000:]}")
    return house


def build_bundles(to: Path) -> Path:
    """Build bundles of the demo's reader: fp32, int8 for ARM, and int8 for any processor."""
    for precision, target in (("fp32,int8", "portable"), ("int8", "arm64")):
        what = ("--weights", ROOT / "demo" / "reader", "--precision", precision, "--target", target)
        program("export", "build", "minilm-l6", *what, "--no-verify", "--to", to)
    return to


def write_questions(to: Path, limit: int, at_once: int) -> list[Path]:
    """Write files of sample questions, those with the shortest contexts first, because emulation is slow.

    Args:
        to: a new folder.
        limit: number of questions.
        at_once: number of questions per file.
    """
    articles = json.loads(QUESTIONS.read_text())["data"]
    every = [
        (paragraph["context"], asked)
        for article in articles
        for paragraph in article["paragraphs"]
        for asked in paragraph["qas"]
    ]
    chosen = sorted(every, key=lambda one: (len(one[0]), one[1]["id"]))[:limit]
    to.mkdir()
    files = []
    for begin in range(0, len(chosen), at_once):
        part = [{"context": context, "qas": [asked]} for context, asked in chosen[begin : begin + at_once]]
        files.append(to / f"shortest-{begin + 1:03}.json")
        articles = [{"title": "shortest", "paragraphs": part}]
        files[-1].write_text(json.dumps({"version": "1.1", "data": articles}))
    return files
