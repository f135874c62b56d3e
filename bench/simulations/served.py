"""Answers of a simulated reader that serves one question after the other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent.stopping.queue_replay import sojourns_ns
from contract.records import Answer

Floats = NDArray[np.float64]


def served(arrivals_ns: Floats, service_ns: Floats, asked: Sequence[int] | None = None) -> tuple[Answer, ...]:
    """The answers to questions that arrive at these times and take these times, in order.

    Args:
        arrivals_ns: ascending.
        service_ns: of each question, in the same order.
        asked: the number of each question, which becomes its id; None if that does not matter.
    """
    ends = arrivals_ns + sojourns_ns(arrivals_ns, service_ns)
    begun = ends - service_ns
    return tuple(
        Answer(
            seq=0,
            at_ns=int(at),
            question_id=str(number),
            text="t",
            start_char=0,
            end_char=1,
            confidence=1.0,
            tokenize_ns=0,
            infer_ns=int(taken),
            decode_ns=0,
            windows=1,
            tokens=1,
            waited_ns=int(at - arrival),
        )
        for number, arrival, at, taken in zip(
            range(len(service_ns)) if asked is None else asked, arrivals_ns, begun, service_ns, strict=True
        )
    )
