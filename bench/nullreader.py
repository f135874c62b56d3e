"""A worker that answers at once: what a run with it takes is what the harness itself costs."""

import time
from collections.abc import Sequence
from typing import Final

from agent.reading.reader import Reading
from agent.worker.main import main
from agent.worker.protocol import Loaded

PROGRAM: Final = "import sys; sys.path.append(sys.argv[1]); from bench.nullreader import serve; serve()"


class NullReader:
    """Takes the times that a reader takes, of nothing."""

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
        """The same of each."""
        return [self.read(question, context) for question, context in asked]


def serve() -> None:
    """Be a worker."""
    main(lambda _: (NullReader(), Loaded(load_ns=0)))
