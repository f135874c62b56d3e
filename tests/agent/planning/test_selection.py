import random

from hypothesis import given
from hypothesis import strategies as st

from agent.planning.selection import select
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
