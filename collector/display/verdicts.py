"""Writes verdicts for people: what is decided, or how much more data would decide."""

from collector.findings.verdict import NOT_DECIDED, Verdict


def written(verdict: Verdict) -> str:
    """Write a verdict, as in `passes` or `not decided: about 1,200 questions would decide`."""
    wanted = what_would_decide(verdict)
    return f"{NOT_DECIDED}: {wanted}" if wanted else verdict.outcome


def what_would_decide(verdict: Verdict) -> str | None:
    """Write how much data would decide, as in `about 1,200 questions would decide`; None if unknown."""
    if verdict.outcome != NOT_DECIDED or verdict.needs is None:
        return None
    return f"about {verdict.needs:,} {verdict.unit}s would decide"
