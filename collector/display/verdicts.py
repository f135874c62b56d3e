"""Writes verdicts for people: what is decided, or how much more data would decide."""

from collector.findings.verdict import NOT_DECIDED, Verdict
from commandline.counted import counted


def written(verdict: Verdict) -> str:
    """Write a verdict, as in `passes` or `not decided: about 1,200 questions would decide`."""
    if verdict.outcome == NOT_DECIDED and verdict.needs is not None:
        return f"{NOT_DECIDED}: about {counted(verdict.needs, verdict.unit)} would decide"
    return verdict.outcome
