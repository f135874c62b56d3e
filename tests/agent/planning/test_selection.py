import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from agent.planning.selection import select, shuffled
from contract.questions import Question

QUESTIONS = [Question(f"q{number}", "?", "context", (), "") for number in range(50)]


@given(seed=st.integers(0, 2**63 - 1), limit=st.integers(1, 60), shuffle=st.randoms())
def test_the_choice_follows_from_seed_and_ids_alone(seed: int, limit: int, shuffle: random.Random) -> None:
    disordered = list(QUESTIONS)
    shuffle.shuffle(disordered)
    chosen = select(QUESTIONS, limit, seed)
    assert select(disordered, limit, seed) == chosen
    assert len(set(chosen)) == len(chosen) == min(limit, 50)
    assert select(QUESTIONS, None, seed)[:limit] == chosen


def test_another_seed_asks_in_another_order() -> None:
    assert select(QUESTIONS, None, 0) != select(QUESTIONS, None, 1)


@given(questions=st.integers(1, 50), count=st.integers(0, 200), seed=st.integers(0, 2**63 - 1))
def test_in_one_shuffle_no_question_is_asked_twice_as_often(questions: int, count: int, seed: int) -> None:
    every = tuple(Question(f"q{number}", "", "", (), "") for number in range(questions))
    asked = shuffled(every, seed, count)
    assert asked == shuffled(every, seed, count) and len(asked) == count
    times = Counter(asked)
    assert all(count // questions <= times[question] <= -(-count // questions) for question in every)


def test_a_shuffle_is_not_one_pass_after_the_other() -> None:
    every = tuple(Question(f"q{number}", "", "", (), "") for number in range(50))
    assert len(set(shuffled(every, 0, 100)[:50])) < 50
