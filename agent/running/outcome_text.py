"""What a run has found, as sentences for whoever waits for it."""

from collections.abc import Iterator

from contract.codec import printable
from contract.records import RunFinished


def told(last: RunFinished) -> Iterator[str]:
    """Of the run's last record: whether it is inconclusive, and what its scenario is for."""
    if last.status == "inconclusive":
        yield f"inconclusive: {last.reason}"
    outcome = last.outcome
    if outcome is None:
        return
    known = [
        f"p{bound.percent} at most {bound.value_ns / 1e6:.1f} ms"
        for bound in outcome.bounds
        if bound.value_ns is not None
    ]
    if known:
        yield f"{' and '.join(known)}, with 99 % confidence"
    if outcome.questions_per_second is not None:
        yield f"{outcome.questions_per_second:.1f} questions a second"
    if outcome.left_out:
        yield f"that is of the questions after the interruption, and not of the {outcome.left_out} before it"
    if outcome.valid_qps is not None:
        yield f"p99 holds up to {outcome.valid_qps:.2f} questions a second"
    if outcome.throttled_after_ns is not None:
        yield f"slowed down {outcome.throttled_after_ns / 6e10:.1f} minutes after the start"
    for name, value in outcome.loadgen.items():
        if name.startswith(("90.00 percentile", "Result is")) or value == "NO":  # NO: what was not satisfied
            yield f"LoadGen says {printable(name.strip())}: {printable(value)}"
