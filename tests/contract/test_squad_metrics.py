import re
import string
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract import squad_metrics as squad

WORDS = st.sampled_from(
    ["the", "The", "a", "An", "North", "sea", "sea,", "U.S.", "1,094", "'s", "\u2013", "ñ", "", "\u00a0"]
)
TEXTS = st.one_of(st.text(max_size=30), st.lists(WORDS, max_size=8).map(" ".join))


def official_normalize_answer(s: str) -> str:
    """As evaluate-v1.1.py has it."""
    exclude = set(string.punctuation)
    s = "".join(ch for ch in s.lower() if ch not in exclude)
    s = re.sub(r"\b(a|an|the)\b", " ", s)
    return " ".join(s.split())


def official_f1_score(prediction: str, ground_truth: str) -> float:
    prediction_tokens = official_normalize_answer(prediction).split()
    ground_truth_tokens = official_normalize_answer(ground_truth).split()
    common = Counter(prediction_tokens) & Counter(ground_truth_tokens)
    num_same = sum(common.values())
    if num_same == 0:
        return 0
    precision = 1.0 * num_same / len(prediction_tokens)
    recall = 1.0 * num_same / len(ground_truth_tokens)
    return (2 * precision * recall) / (precision + recall)


@pytest.mark.parametrize(
    ("prediction", "golds", "exact_match", "f1"),
    [
        ("the North Sea", ["North Sea"], True, 1.0),
        ("North Sea!", ["the  north sea"], True, 1.0),
        ("1,094", ["1,094 km"], False, 2 / 3),
        ("Hamburg", ["Dresden and Hamburg"], False, 0.5),
        ("Hamburg", ["Dresden", "Hamburg, on the Elbe"], False, 0.5),
        ("Dresden", ["Hamburg"], False, 0.0),
        ("", ["Hamburg"], False, 0.0),
        ("the", ["a"], True, 0.0),  # both normalise to nothing: equal, and no token in common
        ("sea sea", ["sea"], False, 2 / 3),
        ("Müller", ["müller"], True, 1.0),
        ("the “a” team", ["team"], False, 0.5),  # “ ” stay, and the article within them goes
    ],
)
def test_scores_by_hand(prediction: str, golds: list[str], exact_match: bool, f1: float) -> None:
    found = squad.score(prediction, golds)
    assert found.exact_match == exact_match
    assert found.f1 == pytest.approx(f1, abs=1e-12)


@given(TEXTS, st.lists(TEXTS, min_size=1, max_size=4))
def test_scores_are_the_official_ones(prediction: str, golds: list[str]) -> None:
    found = squad.score(prediction, golds)
    expected = [official_normalize_answer(prediction) == official_normalize_answer(gold) for gold in golds]
    assert found.exact_match == max(expected)
    assert abs(found.f1 - max(official_f1_score(prediction, gold) for gold in golds)) < 1e-12


@given(TEXTS, TEXTS, TEXTS)
def test_laws(prediction: str, gold: str, other: str) -> None:
    score = squad.score(prediction, [gold])
    assert 0.0 <= score.f1 <= 1.0
    assert not (score.exact_match and squad.normalize(gold)) or score.f1 == 1.0
    assert squad.score(prediction, [gold, other]).f1 >= score.f1
    assert squad.token_f1(prediction, gold) == pytest.approx(squad.token_f1(gold, prediction))
