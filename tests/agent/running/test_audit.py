import random
from collections import Counter
from pathlib import Path

import pytest

from agent.running.audit import judge, with_repeats
from tests.agent.conftest import Agent


def test_each_question_is_repeated_after_one_other() -> None:
    assert "".join(with_repeats("abcd")) == "abacbdcd"
    assert with_repeats("a") == ["a", "a"]
    assert set(Counter(with_repeats(range(50))).values()) == {2}


def test_a_cache_is_found_and_noise_is_not() -> None:
    noise = random.Random(1)
    fresh = [noise.randrange(8_000_000, 80_000_000) for _ in range(100)]
    again = [int(time * noise.uniform(0.8, 1.25)) for time in fresh]
    assert judge(fresh, again).passed
    kept = judge(fresh, [int(time * noise.uniform(0.3, 0.9)) for time in fresh])
    assert not kept.passed and kept.faster == 100 and kept.ratio < 0.7
    assert judge(fresh, [int(0.97 * time) for time in fresh]).passed, "warm caches of the processor"


def test_the_p_value_is_that_of_the_sign_test() -> None:
    assert judge([2] * 10, [1] * 8 + [3] * 2).p_value == pytest.approx((45 + 10 + 1) / 1024)
    assert judge([2, 2], [2, 2]).p_value == 1.0


def test_a_reader_keeps_no_answers(agent: Agent, tiny_bundle: Path, questions: Path) -> None:
    ended = agent("audit", tiny_bundle, "--questions", questions, "--limit", "30")
    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert "no sign of cached answers" in ended.stdout
