"""How long a report takes on a database with millions of answers, compared with DuckDB on the same rows.

    python -m bench.report --devices 10 --questions 100000

Builds the database of a made-up fleet as a bulk of results leaves it: 10 devices x 5 models x 2 precisions
x 100,000 questions are 10 million answers, of 500 rounds, and about 2 GB. Then the upkeep that `collector
serve` starts makes all that reports read. Meanwhile results keep arriving, and a reader holds its view of the
database open, so that no part of the write-ahead log can be freed. `collector report` follows as a process:
first with nothing new, then while results arrive. Each time is printed with the longest wait of a batch of
results.
DuckDB answers the core of the report (percentiles and means per row, no intervals) from the same rows.
"""

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

import click
import duckdb
import numpy as np

from bench.commandline.options import command, count, seconds
from bench.processes.process import peak_bytes
from bench.results.fleet import Fleet, build, started
from bench.results.fleet_models import MODELS
from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.store.database import Store
from collector.store.opening import open_store, open_store_to_read
from collector.store.runs import all_runs
from collector.summaries.run_summary import Derived
from contract.messages import Batch, encode_message
from contract.records import Answer, QuestionSet

BATCH_ANSWERS: Final = 100
BATCHES_A_SECOND: Final = 10
_POLL_SECONDS: Final = 0.02
_DUCKDB_QUERY: Final = """
SELECT run, quantile_disc(time_ns, [0.5, 0.9, 0.99]) FILTER (state = 0), avg(exact_match), avg(f1)
FROM answers GROUP BY run ORDER BY run
"""


class Usage(NamedTuple):
    """What a process used, the start of its interpreter included."""

    seconds: float
    peak_bytes: int
    """The most memory of the process, or of the largest of those that it started."""
    own_peak_bytes: int
    """The most memory of the process alone, up to a moment before its end."""
    processor_seconds: float
    """That of its own processes included: unlike `seconds`, it depends little on other programs."""


@command
@count("--devices", 10, "Devices of the made-up fleet.")
@count("--questions", 100_000, "Questions that each device, model and precision answers.")
@count("--models", len(MODELS), "Models of the fleet, each in two precisions.")
@count("--rounds", 5, "Rounds that the questions of each run are shared out over.")
@seconds("--alone", 3.0, "Seconds of storing results before the upkeep, and before the last report.")
@click.option(
    "--workers",
    metavar="N|URL",
    help="Instead, compare the upkeep and a first report on these workers with those on one process.",
)
@count("--repeats", 3, "How often one process and the workers take turns, with --workers.")
def main(
    devices: int, questions: int, models: int, rounds: int, alone: float, workers: str | None, repeats: int
) -> None:
    """Print a Markdown table of seconds and memory of the upkeep and of reports."""
    fleet = Fleet(devices, questions, tuple(MODELS)[:models], rounds=rounds)
    if workers is not None:
        _compare_workers(fleet, workers, repeats)
        return
    with tempfile.TemporaryDirectory(prefix="distilbench-bench-") as folder:
        database = Path(folder, "fleet.db")
        build(database, fleet)
        print(f"{fleet.answers:,} answers, {database.stat().st_size / 1e9:.1f} GB\n")
        upkeep = (sys.executable, "-m", "collector.serving.upkeep", str(database))
        report = (sys.executable, "-m", "collector", "report", "--db", str(database))
        coming = f"while {BATCH_ANSWERS * BATCHES_A_SECOND} answers/s come in"
        print("| what | seconds | peak memory MB | longest batch ms |\n|---|--:|--:|--:|")
        with _ingesting(database) as latencies:
            time.sleep(alone)
            print(f"| nothing else {coming} | {alone:g} | | {max(latencies) * 1e3:.0f} |")
            with _reader(database):
                _print(f"upkeep of all of it {coming} and with an open reader", upkeep, latencies)
        _print("upkeep of the answers that came meanwhile", upkeep)
        _print("report", report)
        _print("report again", report)
        with _ingesting(database) as latencies:
            time.sleep(alone)
            _print(f"report {coming}", report, latencies)
        print(f"| DuckDB: percentiles and means from the same rows | {_duckdb(database):.2f} | | |")


def _compare_workers(fleet: Fleet, workers: str, repeats: int) -> None:
    """Print the times of both, interleaved, and check that the comparison is the same to the last byte."""
    with tempfile.TemporaryDirectory(prefix="distilbench-bench-") as folder:
        built, database, found = (
            Path(folder, "built.db"),
            Path(folder, "fleet.db"),
            Path(folder, "report.json"),
        )
        build(built, fleet)
        runs = fleet.answers // fleet.questions
        print(f"{fleet.answers:,} answers of {runs:,} runs, {built.stat().st_size / 1e9:.1f} GB\n")
        upkeep = (sys.executable, "-m", "collector.serving.upkeep", str(database))
        report = (sys.executable, "-m", "collector", "report", "--db", str(database), "--to", str(found))
        ways: dict[str, list[Usage]] = {}
        texts = set()
        for _ in range(repeats):
            for who, last in (("one process", ()), (f"--workers {workers}", (workers,))):
                shutil.copyfile(built, database)
                ways.setdefault(f"upkeep, {who}", []).append(_run((*upkeep, *last)))
                ways.setdefault(f"report after it, {who}", []).append(_run(report))
                texts.add(re.sub(rb'"generated_at":\s*"[^"]*"', b"", found.read_bytes()))
        print(
            "| what | seconds, median | all | processor s | main process MB | largest MB |\n"
            "|---|--:|---|--:|--:|--:|"
        )
        for what, used in ways.items():
            seconds = [usage.seconds for usage in used]
            own = max(usage.own_peak_bytes for usage in used) / 1e6
            peak = max(usage.peak_bytes for usage in used) / 1e6
            every = " ".join(f"{each:.1f}" for each in seconds)
            processor = median(usage.processor_seconds for usage in used)
            print(f"| {what} | {median(seconds):.1f} | {every} | {processor:.1f} | {own:.0f} | {peak:.0f} |")
        alone, together = (median(u.seconds for u in used) for what, used in ways.items() if "upkeep" in what)
        print(f"\nThe upkeep on the workers is {alone / together:.2f} times as fast as on one process.")
        same = "the same" if len(texts) == 1 else "NOT THE SAME"
        print(f"The reports as JSON are {same} ({len(texts.pop()):,} bytes).")


def _print(what: str, arguments: Sequence[str], latencies: list[float] | None = None) -> None:
    before = 0 if latencies is None else len(latencies)
    used = _run(arguments)
    batch = "" if latencies is None else f"{max(latencies[before:]) * 1e3:.0f}"
    print(f"| {what} | {used.seconds:.2f} | {used.peak_bytes / 1e6:.0f} | {batch} |", flush=True)


def _run(arguments: Sequence[str]) -> Usage:
    start = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)  # noqa: S603  # our own command
    own = 0
    while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
        own = max(own, peak_bytes(process.pid))
        time.sleep(_POLL_SECONDS)
    _, status, usage = ended
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"bench: '{' '.join(arguments)}' failed with {process.returncode}")
    return Usage(seconds, usage.ru_maxrss * 1024, own, usage.ru_utime + usage.ru_stime)


@contextmanager
def _reader(database: Path) -> Iterator[None]:
    """Hold one view of the database inside the `with` block, as a long report does."""
    with open_store_to_read(database) as store, store.reading():
        store.value("SELECT max(stream) FROM answers")
        yield


@contextmanager
def _ingesting(database: Path) -> Iterator[list[float]]:
    """Store a new run at a steady rate inside the `with` block; yields the seconds of each batch."""
    latencies: list[float] = []
    stop = threading.Event()
    worker = threading.Thread(target=_take_in, args=(database, stop.is_set, latencies))
    worker.start()
    try:
        yield latencies
    finally:
        stop.set()
        worker.join()


def _take_in(database: Path, stopped: Callable[[], bool], latencies: list[float]) -> None:
    with open_store(database) as store:
        run_id = secrets.token_hex(16)
        question_ids, first = _another_run(store, run_id)
        ingest(store, [first])
        seq = 1
        while not stopped():
            ids = (question_ids[(seq + i) % len(question_ids)] for i in range(BATCH_ANSWERS))
            answers = tuple(_answer(seq + i, question_id) for i, question_id in enumerate(ids))
            data = encode_message(Batch(device_id="device-0", run_id=run_id, records=answers))
            start = time.perf_counter()
            ingest(store, [Delivery("bench", data)])
            latencies.append(time.perf_counter() - start)
            seq += BATCH_ANSWERS
            time.sleep(max(0.0, 1 / BATCHES_A_SECOND - latencies[-1]))


def _another_run(store: Store, run_id: str) -> tuple[list[str], Delivery]:
    ids = [row[0] for row in store.tuples("SELECT question_id FROM questions ORDER BY 1")]
    sha256 = store.value("SELECT sha256 FROM question_sets")
    asked = QuestionSet(name="made up", sha256=sha256, total=len(ids), selected=len(ids))
    record = started(asked, 0, "minilm-l6", "fp32")
    data = encode_message(Batch(device_id="device-0", run_id=run_id, records=(record,)))
    return ids, Delivery("bench", data)


def _answer(seq: int, question_id: str) -> Answer:
    return Answer(
        seq=seq,
        at_ns=seq * 20_000_000,
        question_id=question_id,
        text="north sea",
        start_char=0,
        end_char=9,
        confidence=0.5,
        tokenize_ns=400_000,
        infer_ns=18_000_000,
        decode_ns=300_000,
        windows=1,
        tokens=150,
    )


def _duckdb(database: Path) -> float:
    """Seconds of the query; loading is not counted."""
    with open_store_to_read(database) as store, duckdb.connect() as db:
        db.execute(
            "CREATE TABLE answers (run INTEGER, time_ns BIGINT, state UTINYINT, exact_match FLOAT, f1 DOUBLE)"
        )
        derived = Derived(store)
        for run in all_runs(store):
            columns = derived.columns(run)
            rows: dict[str, Any] = {
                "run": np.full(len(columns.seq), run.stream, np.int32),
                "time_ns": columns.time_ns,
                "state": columns.state,
                "exact_match": columns.exact_match,
                "f1": columns.f1,
            }
            db.register("incoming", rows)
            db.execute("INSERT INTO answers SELECT * FROM incoming")
        start = time.perf_counter()
        db.execute(_DUCKDB_QUERY).fetchall()
        return time.perf_counter() - start


if __name__ == "__main__":
    main()
