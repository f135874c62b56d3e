"""The outcome of a question that data may leave open: passes, fails, or not decided."""

from typing import Final, Literal

import msgspec

Outcome = Literal["passes", "fails", "not decided"]
PASSES: Final = "passes"
FAILS: Final = "fails"
NOT_DECIDED: Final = "not decided"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a number is what it has to be, as far as its interval shows."""

    outcome: Outcome
    """`passes` if both ends of the interval are what is required; `fails` if neither is."""
    needs: int | None = None
    """If it is not decided: about how many questions or rounds would decide it, if the number stays what it
    is. None if no number would, because the number is the bound itself, or nearly so."""
    unit: str = "question"
    """What `needs` counts: `question` or `round`."""


def passes(met: bool) -> Verdict:
    """Return the verdict of a number that is known exactly."""
    return Verdict(outcome=PASSES if met else FAILS)
