"""Whether a reader does anything but read mutated input or refuse it properly.

    python -m bench.fuzz --executions 1000000 --seed 0
    python -m bench.fuzz --only results-file --only database --executions 100000

Readers are the decoders of messages, and what imports results files and other collectors' databases. Any
input must give a value or raise an error of the contract or the collector, with a printable sentence.
Anything else is printed with the bytes that caused it, and the exit status is 1. What a decoder takes must
encode, and decode to itself again; and no file may change a run that is stored. Equal seeds give equal
input, so a long run can be split into several, each with a seed of its own.
"""

import random
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import click

from bench.commandline.options import command, count
from bench.fuzzing.databases import database
from bench.fuzzing.decoders import decoders
from bench.fuzzing.results_files import results_file
from bench.fuzzing.target import Target
from collector.errors import CollectorError
from contract.errors import ContractError

DECODERS: Final = tuple(decoders())
FILES: Final[dict[str, Callable[[Path], Target]]] = {"results-file": results_file, "database": database}
_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # a folder of our own in it


class Broken(NamedTuple):
    """A bug that was found."""

    data: bytes
    error: Exception


def fuzz(name: str, executions: int, seed: int) -> tuple[int, Broken | None]:
    """Try one reader; returns how many inputs it took, and the first one that broke it, if any did."""
    place = _MEMORY if _MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="distilbench-fuzz-", dir=place) as folder:
        target = FILES[name](Path(folder)) if name in FILES else decoders()[name]
        rng = random.Random(f"{seed}/{name}")  # noqa: S311  # to be repeated
        try:
            return _fuzz(target, executions, rng)
        finally:
            target.close()


def _fuzz(target: Target, executions: int, rng: random.Random) -> tuple[int, Broken | None]:
    taken = 0
    for _ in range(executions):
        data = target.mutate(rng, target.good)
        try:
            taken += target.read(data)
        except (ContractError, CollectorError) as error:
            if not str(error).isprintable():
                return taken, Broken(data, error)
        except Exception as error:  # any other one is a bug
            return taken, Broken(data, error)
    return taken, None


@command
@count("--executions", 1_000_000, "Inputs for each reader.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the mutations.")
@click.option(
    "--only",
    type=click.Choice([*DECODERS, *FILES]),
    multiple=True,
    default=DECODERS,
    help="Reader to try; may be given several times [default: all decoders].",
)
def main(executions: int, seed: int, only: tuple[str, ...]) -> None:
    """Try each reader, and print how many inputs it took; the exit status is 1 if one broke it."""
    broken = 0
    for name in only:
        begun = time.monotonic()
        taken, bug = fuzz(name, executions, seed)
        took = time.monotonic() - begun
        if bug is not None:
            broken += 1
            traceback.print_exception(bug.error)
            if name in FILES:
                with tempfile.NamedTemporaryFile(prefix=f"distilbench-{name}-", delete=False) as file:
                    file.write(bug.data)
                print(f"{name}: broken by the file {file.name}", flush=True)
            else:
                print(f"{name}: broken by {bug.data!r}", flush=True)
        else:
            rate = executions / took
            print(
                f"{name}: {executions:,} executions, {taken:,} taken, {took:.0f} s, {rate:,.0f} per second",
                flush=True,
            )
    sys.exit(broken > 0)


if __name__ == "__main__":
    main()
