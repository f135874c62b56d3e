"""A run's outcome as sentences, in the same words for the agent's output and the collector's report."""

from collections.abc import Iterator
from typing import Final

from contract.codec import printable
from contract.records import Outcome, RateTrial, Settings

THROTTLING_UNKNOWN: Final = "throttling cannot be read, so it is unknown"
"""The beginning of a remark on a board whose firmware cannot be asked."""
_P90: Final = "90.00 percentile latency (ns)"
_RESULT: Final = "Result is"
_SATISFIED: Final = " satisfied"
_MAX_NAME_CHARS: Final = 80
_MOST_UNMET: Final = 10
_MAX_DIGITS: Final = 19
"""Most digits of a time that is read: a device may send any text in place of one."""


def outcome_lines(settings: Settings, outcome: Outcome | None) -> Iterator[str]:
    """The sentences that describe a run's outcome, as far as the run got; none without an outcome.

    Args:
        settings: the run's settings.
        outcome: the outcome in its last record.
    """
    if outcome is None:
        return
    bounds = [
        f"p{bound.percent} at most {bound.value_ns / 1e6:,.1f} ms"
        for bound in outcome.bounds
        if bound.value_ns is not None
    ]
    if bounds:
        yield f"{' and '.join(bounds)}, with 99 % confidence"
    if outcome.questions_per_second is not None:
        yield f"{outcome.questions_per_second:,.1f} questions per second in batches of {settings.batch_size}"
    if outcome.left_out:
        yield left_out_line(outcome.left_out)
    if outcome.valid_qps is not None:
        yield f"p99 within {_bound_ms(settings)} ms up to {outcome.valid_qps:,.2f} questions per second"
    elif outcome.rates:
        yield no_rate_line(settings)
    if (trial := lowest_undecided(outcome)) is not None:
        yield undecided_line(settings, trial)
    if outcome.throttled_after_ns is not None:
        yield f"throttled {outcome.throttled_after_ns / 6e10:,.1f} minutes after the start"
    yield from _loadgen_lines(outcome)


def left_out_line(left_out: int) -> str:
    """Which questions the outcome of an interrupted run covers.

    Args:
        left_out: number of questions that were answered before the interruption.
    """
    return f"this covers only the questions after the interruption, not the {left_out:,} before it"


def no_rate_line(settings: Settings) -> str:
    """The outcome of a `server` run in which no rate is known to hold."""
    return f"no rate that was tried is known to keep p99 within {_bound_ms(settings)} ms"


def verdict_on(trial: RateTrial) -> str:
    """Whether a rate held, in one or two words."""
    return "held" if trial.held else "not decided" if trial.undecided else "not held"


def lowest_undecided(outcome: Outcome) -> RateTrial | None:
    """The lowest rate of which it is not known whether it holds, if it is above the highest that does."""
    open_ = [trial for trial in outcome.rates if trial.undecided and trial.qps > (outcome.valid_qps or 0.0)]
    return min(open_, key=lambda trial: trial.qps, default=None)


def undecided_line(settings: Settings, trial: RateTrial) -> str:
    """Why it is not known whether a rate of a `server` run holds."""
    return (
        f"whether p99 is within {_bound_ms(settings)} ms at {trial.qps:,.2f} questions per second is not "
        f"decided: {printable(trial.undecided)}"
    )


def loadgen_p90_ns(outcome: Outcome) -> int | None:
    """LoadGen's own p90; None if LoadGen did not ask the questions, or if its line is not a time."""
    text = outcome.loadgen.get(_P90, "")
    return int(text) if text.isdecimal() and len(text) <= _MAX_DIGITS else None


def loadgen_valid(outcome: Outcome) -> bool | None:
    """Whether LoadGen calls its result valid; None if LoadGen did not ask the questions."""
    result = outcome.loadgen.get(_RESULT)
    return None if result is None else result == "VALID"


def _loadgen_lines(outcome: Outcome) -> Iterator[str]:
    p90_ns, valid = loadgen_p90_ns(outcome), loadgen_valid(outcome)
    if p90_ns is not None:
        yield f"LoadGen's p90 is {p90_ns / 1e6:,.1f} ms"
    if valid is not None:
        unmet = [
            printable(condition)[:_MAX_NAME_CHARS]
            for name, value in outcome.loadgen.items()
            if value == "NO" and (condition := _condition(name))
        ]
        more = len(unmet) - _MOST_UNMET
        named = ", ".join(unmet[:_MOST_UNMET]) + (f" and {more:,} more" if more > 0 else "")
        yield f"LoadGen calls the result {'valid' if valid else 'invalid'}" + (
            f"; not satisfied: {named}" if unmet else ""
        )


def _condition(name: str) -> str:
    """The condition that a line of LoadGen's summary is about; empty if it is about none."""
    stripped = name.strip()
    return stripped.removesuffix(_SATISFIED) if stripped.endswith(_SATISFIED) else ""


def _bound_ms(settings: Settings) -> str:
    return f"{(settings.latency_bound_ns or 0) / 1e6:,g}"
