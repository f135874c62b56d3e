"""How many rounds a run has, how many turns in each, and how many questions warm it up."""

from typing import Final

DEFAULT_ROUNDS: Final = 5
DEFAULT_MINUTES: Final = 10.0
"""How long a sustained run lasts."""
LEAST_QUESTIONS: Final = 6
"""A round has at least this many questions: the fewest whose median has a 95 % interval. With fewer, a round
would be mostly loading and warming up."""
LATER_WARMUP: Final = 3
"""After a run's first round, its worker warms up with this part of the questions of the first warm-up."""
LEAST_WARMUP: Final = 2


def rounds_for(wanted: int, questions: int) -> int:
    """How many of the wanted rounds have enough questions each; at least 1."""
    return max(1, min(wanted, questions // LEAST_QUESTIONS))


def turns_for(wanted: int, rounds: int, questions: int) -> int:
    """How many of the wanted turns in a round have a question each; 1 if there is one round.

    Args:
        wanted: how many turns the run's settings ask for.
        rounds: how many rounds it has.
        questions: how many questions it has, over all rounds.
    """
    return 1 if rounds == 1 else min(wanted, questions // rounds)


def warmup_questions(full: int, *, first: bool) -> int:
    """How many questions a worker answers before its round begins.

    Args:
        full: how many the run's settings ask for.
        first: whether it is the run's first worker in its process.
    """
    return full if first else min(full, max(LEAST_WARMUP, full // LATER_WARMUP))
