"""A worker that answers at once, so that a run with it takes only what the harness itself costs."""

import time
from collections.abc import Sequence
from typing import Final

from agent.reading.reader import Reading
from agent.worker.main import main
from agent.worker.protocol import Loaded

PROGRAM: Final = (
    "import sys; sys.path.append(sys.argv[1]); from bench.processes.null_reader import serve; serve()"
)


class NullReader:
    """Reads the clock as often as a reader, but computes nothing."""

    def read(self, question: str, context: str) -> Reading:
        """The first word of the context, whatever the question is."""
        begun = time.perf_counter_ns()
        tokenized = time.perf_counter_ns()
        inferred = time.perf_counter_ns()
        text = context.split(maxsplit=1)[0] if context else ""
        decoded = time.perf_counter_ns()
        return Reading(
            text=text,
            start_char=0,
            end_char=len(text),
            confidence=1.0,
            tokenize_ns=tokenized - begun,
            infer_ns=inferred - tokenized,
            decode_ns=decoded - inferred,
            windows=1,
            tokens=0,
        )

    def read_batch(self, asked: Sequence[tuple[str, str]]) -> list[Reading | Exception]:
        """The answers to several questions."""
        return [self.read(question, context) for question, context in asked]


def serve() -> None:
    """Run as the worker process."""
    main(lambda _: (NullReader(), Loaded(load_ns=0)))
