"""How long the rest of a plan takes, by how long its runs have taken."""

from collections.abc import Mapping
from statistics import fmean

from commandline.estimation.duration import about


def time_left(taken: Mapping[int, float], runs: int, done: int, total: int) -> str:
    """Write about how long the rest of a plan takes, after a comma; empty if no run was timed yet.

    A run that was not timed yet is taken to last as long as the others on average, and the text says so.

    Args:
        taken: seconds of the runs that were timed, by their place in a round.
        runs: how many runs a round has.
        done: how many runs have ended, in all rounds.
        total: how many runs the plan has, in all rounds.
    """
    if not taken:
        return ""
    mean = fmean(taken.values())
    places = [number % runs for number in range(done, total)]
    guessed = "" if all(place in taken for place in places) else " if the other runs take as long"
    return f", {about(sum(taken.get(place, mean) for place in places))} left{guessed}"
