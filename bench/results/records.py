"""Records that a run left in its outbox, for benchmarks that evaluate them without a collector."""

import msgspec

from agent.outbox.outbox import Outbox
from contract.records import Answer, Record

_ALL = 1_000_000


def waiting(outbox: Outbox) -> list[Record]:
    """All records without a receipt, in order."""
    return [msgspec.json.decode(row.body, type=Record) for row in outbox.rows(0, _ALL)]


def time_ns(answer: Answer) -> int:
    """The time of a question that is reported, in nanoseconds."""
    return answer.tokenize_ns + answer.infer_ns + answer.decode_ns
