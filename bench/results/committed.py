"""What devices committed, compared with the collector's database."""

from pathlib import Path

from bench.processes.device import text_of
from collector.store.database import Store


class Failed(Exception):
    """The database does not hold what the devices committed, or not in time."""


def check(database: Path, log: Path) -> int:
    """Compare the records that a device committed with a database; returns their number.

    Raises:
        Failed: a record is lost, stored twice, or differs from what the device committed.
    """
    committed: dict[str, int] = {}
    for line in log.read_text().splitlines():
        run_id, next_seq, _ = line.split()
        committed[run_id] = int(next_seq)
    with Store.open_to_read(database) as store:
        return sum(_check_run(store, run_id, count) for run_id, count in committed.items())


def _check_run(store: Store, run_id: str, committed: int) -> int:
    stream = store.value("SELECT stream FROM streams WHERE run_id = ?", run_id)
    rows = list(store.tuples("SELECT seq, text FROM answers WHERE stream = ? ORDER BY seq", stream))
    ends = [seq for (seq,) in store.tuples("SELECT seq FROM finishes WHERE stream = ?", stream)]
    begun = store.value("SELECT count(*) FROM runs WHERE stream = ?", stream)
    seqs = [seq for seq, _ in rows]
    last = ends[0] if ends else max(seqs, default=0)
    if last + 1 < committed:
        raise Failed(f"run {run_id}: {committed} records were committed and it ends with {last}")
    if begun != 1 or len(ends) != 1 or seqs != list(range(1, last)):
        missing = sorted(set(range(1, last)) - set(seqs))
        raise Failed(f"run {run_id}: {len(missing)} lost, such as {missing[:5]}; {begun} starts, ends {ends}")
    for seq, text in rows:
        if text != text_of(run_id, seq):
            raise Failed(f"run {run_id}: record {seq} is {text!r}")
    return last + 1
