"""Installs the agent in a clean Debian root, measures and delivers, and compares the answers with ours.

    make arm64        # aarch64 under emulation, takes an hour: writes the table of docs/arm64.md
    make installer    # the same without emulation, takes minutes

Only answers are compared, because the times of an emulated processor mean nothing.
"""

import hashlib
import itertools
import os
import subprocess
import time
from pathlib import Path

import click

from commandline.counted import counted
from tests.arm64.canaries import alarms
from tests.arm64.comparison import HERE, compared, hardware_classes, page
from tests.arm64.inputs import BUNDLES, FP32, INT8, build_bundles, make_wheelhouse, write_questions
from tests.arm64.installation import Installation
from tests.arm64.measuring import CANARIES, Measuring
from tests.arm64.programs import ROOT, ProofError, check, program, serving, step
from tests.arm64.root import SUITES, DebianRoot
from tests.arm64.transfer import not_held
from tests.mosquitto import Mosquitto

CPUS = ("cortex-a76", "cortex-a72")
"""CPUs of a Raspberry Pi 5, which has 8-bit dot products, and of a Pi 4, which has none."""
NATIVE = "debian-root"


@click.command()
@click.option("--machine", type=click.Choice(("aarch64", "x86_64")), default="aarch64", show_default=True)
@click.option(
    "--python",
    type=click.Choice(tuple(SUITES)),
    default="3.11",
    show_default=True,
    help="Python version of the Debian.",
)
@click.option("--cpu", "cpus", multiple=True, default=CPUS, show_default=True, help="CPU that QEMU emulates.")
@click.option(
    "--limit", type=click.IntRange(min=1), default=48, show_default=True, help="Number of questions."
)
@click.option(
    "--at-once",
    type=click.IntRange(min=1),
    default=12,
    show_default=True,
    help="Number of questions to answer before the table is written.",
)
@click.option(
    "--minutes",
    type=float,
    default=120.0,
    show_default=True,
    help="Stop measuring there after this many minutes.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=ROOT / ".venv" / "arm64",
    help="Folder that keeps the Debian. [default: .venv/arm64]",
)
@click.option(
    "--bundles",
    "built",
    type=click.Path(path_type=Path, exists=True),
    help="Folder with bundles of an earlier proof, to use instead of building new ones.",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path),
    help="Page to write the comparison to. [default: standard output]",
)
def main(
    machine: str,
    python: str,
    cpus: tuple[str, ...],
    limit: int,
    at_once: int,
    minutes: float,
    folder: Path,
    built: Path | None,
    table: Path | None,
) -> None:
    """Prove that the agent installs, measures and delivers on a clean Debian of MACHINE."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    names = cpus if machine != os.uname().machine else (NATIVE,)
    try:
        root = DebianRoot(folder, machine, python)
        step("making a clean Debian")
        root.make()
        step("collecting wheels")
        wheels = make_wheelhouse(folder, machine, python)
        step("building the bundles")
        bundles = built.absolute() if built else build_bundles(folder / "bundles")
        work = folder / f"run-{machine}-{python}"
        subprocess.run(["rm", "-rf", work], check=True)
        work.mkdir()
        questions = write_questions(work / "questions", limit, at_once)
        _prove(root, work, wheels, bundles, questions, names, 60 * minutes, table)
    except ProofError as error:
        raise SystemExit(f"arm64: {error}") from None
    step("the proof succeeded")


def _prove(
    root: DebianRoot,
    work: Path,
    wheels: Path,
    bundles: Path,
    questions: list[Path],
    names: tuple[str, ...],
    seconds: float,
    table: Path | None,
) -> None:
    """Run all steps of the proof, in the order in which a user takes them."""
    database = work / "results.db"
    for file in questions:
        program("collector", "questions", "add", file, "--db", database)
    with Mosquitto(work, lines=_broker_lines(work)) as broker:
        collector, *folders = (_provision(work, broker.url, name) for name in ("collector", *names))
        broker.stop()
        broker.start()
        settings = ("--config", collector / "collector.toml", "--db", database)
        with serving(work / "collector.log", *settings):
            installation = Installation(root, wheels, folders[0], names[0])
            step("installing there")
            installation.install()
            step("installing again")
            installation.install_again()
            if not root.foreign:  # it is the same on every architecture, but slow under emulation
                step("upgrading and rolling back")
                installation.upgrade_and_back()
                installation.verify_units()
            measuring = Measuring(root, bundles, dict(zip(names, folders, strict=True)))
            until = time.monotonic() + seconds
            for file in questions:
                step(f"measuring {file.stem} here")
                measuring.here(file, database, HERE)
            # fp32 comes last, in case the time runs out: it is the slowest and differs the least.
            for chosen, file in itertools.product((INT8, FP32), questions):
                step(f"measuring {file.stem} there with {', '.join(chosen)}")
                measuring.there(chosen, file, until)
                _write(database, bundles, table)
            step("removing it")
            installation.remove()
    classes = hardware_classes(database)
    check(not root.foreign or classes == {"emulated"}, f"emulated devices have the hardware class {classes}")
    missed = [*not_held(database), *alarms(database, CANARIES)]
    check(not missed, "; ".join(missed))
    pairs = compared(database)
    check(
        pairs == len(BUNDLES) * len(names),
        f"only {counted(pairs, 'pair')} of bundle and device compared",
    )


def _write(database: Path, bundles: Path, table: Path | None) -> None:
    """Write or print the comparison of the answers so far."""
    program("collector", "score", "--db", database)
    names = {
        hashlib.sha256((bundles / name / "manifest.json").read_bytes()).hexdigest(): name for name in BUNDLES
    }
    text = page(database, names)
    if table is None:
        click.echo(text)
    else:
        table.write_text(text)


def _broker_lines(work: Path) -> list[str]:
    """Broker settings with the credentials and rights of `deploy/mosquitto`, but without TLS, on loopback."""
    (work / "passwords").touch(mode=0o600)
    acl = ROOT / "deploy" / "mosquitto" / "acl"
    return ["allow_anonymous false", f"password_file {work}/passwords", f"acl_file {acl}"]


def _provision(work: Path, broker: str, name: str) -> Path:
    """Create the credentials of a device or of the collector; returns their folder."""
    passwords = ("--passwords", work / "passwords")
    program("collector", "provision", name, *passwords, "--broker", broker, "--to", work / name)
    return work / name


if __name__ == "__main__":
    main()
