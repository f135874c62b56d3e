from collector.statistics.percentiles import FEWEST
from commandline.estimation.rounds import LEAST_QUESTIONS


def test_the_median_of_the_smallest_round_has_an_interval() -> None:
    assert FEWEST[0.5] == LEAST_QUESTIONS
