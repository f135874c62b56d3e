import math
from collections.abc import Iterator

import numpy as np
import pytest

from bench.simulations.transfer import CELLS, QUESTIONS, covered
from collector.statistics.accuracy.clusters import Clusters
from collector.statistics.accuracy.scores import difference, kept, mean_score
from collector.statistics.accuracy.transfer import (
    NONE,
    Correction,
    between,
    correction,
    moved_difference,
    moved_share,
    taken_over,
)
from collector.statistics.confidence import Mean


@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_the_interval_of_a_transfer_covers(cell: object) -> None:
    """600 draws in each cell; two Monte-Carlo errors below 0.93 are 0.909, but no cell comes near."""
    hits = covered(np.random.default_rng(1), 600, cell)  # type: ignore[arg-type]  # one of CELLS
    assert sum(hits) / len(hits) >= 0.93


def draws_of_losses(questions: int, asked: int, lost: int) -> Iterator[tuple[float, int]]:
    """The probability of each number of lost answers among those asked: hypergeometric, no simulation."""

    def log_choices(of: int, chosen: int) -> float:
        return math.lgamma(of + 1) - math.lgamma(chosen + 1) - math.lgamma(of - chosen + 1)

    for seen in range(max(0, asked - (questions - lost)), min(asked, lost) + 1):
        log_share = log_choices(lost, seen) + log_choices(questions - lost, asked - seen)
        yield math.exp(log_share - log_choices(questions, asked)), seen


@pytest.mark.parametrize("questions", [100, 334, 1000])
@pytest.mark.parametrize("part", [0.1, 0.3, 0.5, 0.75, 0.9, 0.95, 0.99])
def test_lost_answers_are_covered_however_many_were_asked(questions: int, part: float) -> None:
    asked = int(part * questions)
    source = np.ones(questions)
    by_seen = {}
    for lost in (0, 1, 2, 3, 5, 10, 20):
        share = 0.0
        for probability, seen in draws_of_losses(questions, asked, lost):
            if seen not in by_seen:
                by_seen[seen] = correction(np.arange(asked) >= seen, source, np.arange(asked))
            share += probability * (abs(by_seen[seen].value + lost / questions) <= by_seen[seen].reach)
        assert share >= 0.939


def test_without_a_flip_the_interval_of_200_questions_is_below_1_4_points() -> None:
    scores = np.random.default_rng(1).choice([0.0, 0.5, 1.0], QUESTIONS)
    found = correction(scores[:200], scores, np.arange(200))
    assert found.value == 0
    assert 0.0135 < found.reach <= 0.014


def test_if_all_were_asked_it_is_the_measured_number() -> None:
    rng = np.random.default_rng(1)
    source, here = rng.random(300), rng.random(300)
    by = correction(here, source, np.arange(300))
    assert by.reach == 0
    whole = Mean(float(source.mean()), float(source.mean()), float(source.mean()))
    assert taken_over(whole, by) == pytest.approx((here.mean(),) * 3)


def test_the_printed_interval_joins_the_transfer_and_the_sources_own() -> None:
    found = taken_over(Mean(0.9, 0.87, 0.94), Correction(-0.02, 0.04))
    assert found == pytest.approx((0.88, 0.88 - 0.05, 0.88 + math.hypot(0.04, 0.04)))


def test_an_interval_ends_where_scores_end() -> None:
    assert taken_over(Mean(0.99, 0.98, 1.0), Correction(0.02, 0.05)).high == 1
    assert taken_over(Mean(-0.1, -0.2, 0.1), Correction(-0.05, 0.5)).low == -0.2  # a rescaled BERTScore


def test_without_a_correction_it_is_the_usual_comparison() -> None:
    rng = np.random.default_rng(1)
    left, right = (rng.random(200) < 0.8) * 1.0, (rng.random(200) < 0.6) * 1.0
    clusters = Clusters.coarsest(np.arange(200) // 10, np.arange(200) // 5)
    assert moved_difference(left, right, clusters, NONE)[:3] == pytest.approx(
        difference(left, right, clusters)[:3]
    )
    share = moved_share(left, right, clusters, left.mean(), right.mean(), 0.0)
    assert share == pytest.approx(kept(left, right, clusters), rel=1e-3)


def test_a_broken_kernel_shows_in_the_comparison_of_two_rows() -> None:
    """Both sources are the same, and one side loses a tenth of the answers where it was asked."""
    rng = np.random.default_rng(1)
    source = (rng.random(2000) < 0.9) * 1.0
    broken = source[:400] * (np.arange(400) % 10 > 0)
    by = between(correction(broken, source, np.arange(400)), NONE)
    found = moved_difference(source, source, Clusters.alone(2000), by)
    assert found.high < 0
    assert found.p_value < 0.001


def test_the_p_value_agrees_with_the_interval() -> None:
    source = np.ones(2000)
    by = correction(np.arange(100) >= 2, source, np.arange(100))
    for shift in np.linspace(-0.1, 0.1, 21):
        found = moved_difference(source, source, Clusters.alone(2000), Correction(shift, by.reach))
        assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high)


def test_two_corrections_of_the_same_questions_add_up_at_worst() -> None:
    assert between(Correction(0.02, 0.01), Correction(-0.01, 0.02)) == pytest.approx((0.03, 0.03))


def test_one_article_has_no_test() -> None:
    one = Clusters.of_unit("article", np.zeros(20))
    assert moved_difference(np.ones(20), np.zeros(20), one, NONE) == (1.0, -1.0, 1.0, 1.0)
    assert mean_score(np.ones(20), one).low == 0
    assert moved_share(np.ones(20), np.ones(20) / 2, one, 1.0, 0.5, 0.0) == (2.0, 0.0, 2.0)


def test_the_reach_of_a_part_is_that_of_its_mean() -> None:
    scores = np.ones(2000)
    found = moved_share(scores, scores / 2, Clusters.alone(2000), 0.99, 0.5, 0.05)
    assert found.value == pytest.approx(1.98)
    assert found.low == pytest.approx(1.98 - 0.05 / 0.5, abs=0.01)
