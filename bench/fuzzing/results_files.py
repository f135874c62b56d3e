"""The reader of results files, as `collector ingest` uses it."""

import gzip
import random
from collections.abc import Sequence
from pathlib import Path

from bench.fuzzing.decoders import decoders
from bench.fuzzing.mutation import changed_bytes, changed_json
from bench.fuzzing.target import Target
from bench.fuzzing.victim import Victim, batches
from collector.intake.results_file import ResultsFile
from contract.codec import printable
from contract.messages import encode_message


def results_file(folder: Path) -> Target:
    """The reader of a file in a folder, which a database beside it takes."""
    victim = Victim(folder / "results.db")
    file = folder / "results.jsonl"

    def read(data: bytes) -> bool:
        victim.before()
        file.write_bytes(data)
        try:
            counts = ResultsFile(file).ingest(victim.store)
        finally:
            victim.check()
        assert counts.cut_off is None or printable(counts.cut_off) == counts.cut_off
        return counts.complete

    lines = [encode_message(message) for message in batches()]
    return Target([*lines, *decoders()["message"].good], read, _mutated, victim.close)


def _mutated(rng: random.Random, good: Sequence[bytes]) -> bytes:
    """A file of a few lines, of which one is wrong, or which is damaged or packed otherwise as a whole."""
    lines = [rng.choice(good) for _ in range(rng.choice((1, 2, 2, 5)))]
    at = rng.randrange(len(lines))
    if rng.random() < 0.7:
        lines[at] = changed_json(rng, lines[at])
    data = rng.choice((b"\n", b"\n", b"\n", b"\r\n", b"\n\n")).join([*lines, b""])
    if rng.random() < 0.4:
        data = changed_bytes(rng, data, good)
    if rng.random() < 0.1:
        data = data.decode("latin-1").encode(rng.choice(("utf-8-sig", "utf-16", "utf-16-be", "utf-32")))
    if rng.random() < 0.3:
        data = gzip.compress(data, 1, mtime=0)
        if rng.random() < 0.5:
            data = changed_bytes(rng, data, [data])
    if rng.random() < 0.1:
        data = data[: rng.randrange(len(data) + 1)]
    return data
