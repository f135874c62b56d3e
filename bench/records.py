"""What a run left in its outbox, for benchmarks that look at its answers themselves."""

import msgspec

from agent.outbox.outbox import Outbox
from contract.records import Answer, Record

_ALL = 1_000_000


def waiting(outbox: Outbox) -> list[Record]:
    """All that has no receipt yet, in order."""
    return [msgspec.json.decode(row.body, type=Record) for row in outbox.rows(0, _ALL)]


def time_ns(answer: Answer) -> int:
    """The time that is reported of a question."""
    return answer.tokenize_ns + answer.infer_ns + answer.decode_ns
