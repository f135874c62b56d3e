import numpy as np
import pytest

from collector.statistics.accuracy.clusters import Clusters


def unit(found: Clusters) -> tuple[str, int]:
    return found.unit, found.units


def test_the_coarsest_unit_of_which_there_are_enough() -> None:
    articles = np.repeat(np.arange(6), 10)
    paragraphs = np.arange(60) // 2
    found = Clusters.coarsest(articles, paragraphs)
    assert unit(found) == ("article", 6)
    assert found.effective == pytest.approx(6)
    assert unit(Clusters.coarsest(np.zeros(60), paragraphs)) == ("paragraph", 30)
    assert unit(Clusters.coarsest(articles[:50], paragraphs[:50])) == ("paragraph", 25), "5 articles"
    assert unit(Clusters.coarsest(np.zeros(5), np.arange(5))) == ("question", 5)


def test_articles_of_which_one_is_nearly_all_are_too_few() -> None:
    articles = np.array([0] * 300 + [1, 2, 3, 4, 5, 6])
    paragraphs = np.arange(306) // 3
    assert Clusters.coarsest(articles, paragraphs).unit == "paragraph"


def test_the_spread_of_questions_alone_is_the_usual_variance() -> None:
    values = np.array([0.0, 1.0, 1.0, 0.5, 0.25])
    found = Clusters.alone(5).spread(values - values.mean())
    assert found.variance / 25 == pytest.approx(values.var(ddof=1) / 5)
    assert found.freedom == pytest.approx(4)


def test_the_spread_of_articles_by_hand() -> None:
    # two questions in each of three articles, which are right, half right and wrong
    values = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    found = Clusters.of_unit("article", ["a", "a", "b", "b", "c", "c"]).spread(values - 0.5)
    assert found.variance == pytest.approx((1 + 0 + 1) / (1 - 1 / 3))
    assert found.freedom == pytest.approx(2)


def test_articles_that_agree_by_chance_do_not_take_all_spread_away() -> None:
    values = np.tile([1.0, 0.0], 6)
    found = Clusters.of_unit("article", np.arange(12) // 2).spread(values - 0.5)
    assert found.variance == pytest.approx(0.25 * 12 * values.var(ddof=1))


def test_one_unit_has_no_spread_that_could_be_known() -> None:
    assert Clusters.alone(1).spread([0.0]) == (0.0, 0.0)
