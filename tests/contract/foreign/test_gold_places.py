"""Gold answers that are not where a file says: found nearby, in another Unicode form, or not at all."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.foreign.gold_places import Misplaced, in_another_form, nearest, remarks

TWICE = "It opened in 1932 and closed in 1932."


@pytest.mark.parametrize(
    ("stated", "found"), [(12, 13), (14, 13), (31, 32), (33, 32), (0, 13), (-1, 13), (999, 32), (22, 13)]
)
def test_the_nearest_place_is_found(stated: int, found: int) -> None:
    assert nearest(TWICE, "1932", stated) == found


def test_what_is_not_there_has_no_place() -> None:
    assert nearest(TWICE, "1933", 5) is None
    assert in_another_form(TWICE, "1933", 5) is None


@given(st.text(max_size=20), st.text(min_size=1, max_size=8), st.text(max_size=20), st.integers(-5, 60))
def test_a_text_that_is_there_is_found(before: str, text: str, after: str, stated: int) -> None:
    context = before + text + after
    found = nearest(context, text, stated)
    assert found is not None
    assert context[found : found + len(text)] == text


@pytest.mark.parametrize(
    ("context", "text", "place", "form"),
    [
        ("Le cafe\u0301 Mu\u0308ller ouvrit.", "café Müller", 3, "NFD"),
        ("Le café Müller ouvrit.", "cafe\u0301 Mu\u0308ller", 3, "NFC"),
        ("그는 서울에 살았다.", unicodedata.normalize("NFD", "서울"), 3, "NFC"),
        ("The ﬁrst of ten.", "first", 4, "NFC"),
        ("Cafe\u0301s and cafe\u0301s", "cafés", 11, "NFD"),
    ],
)
def test_another_unicode_form_is_found_at_its_place(context: str, text: str, place: int, form: str) -> None:
    assert nearest(context, text, place) is None
    assert in_another_form(context, text, place) == (place, form)


def test_remarks_count_and_name_one_of_each_kind() -> None:
    moved = Misplaced("q1", "1932", 32, 33)
    said = remarks([moved, moved, Misplaced("q2", "café", 9, 3, "NFD"), Misplaced("q3", "lava\n", 0, None)])
    assert said[0].startswith("2 gold answers are not where the file says, such as '1932' of question 'q1'")
    assert "at character 33, not 32" in said[0]
    assert said[1].startswith("1 gold answer is in the context only in another Unicode form")
    assert "'café' of question 'q2' at character 3, where the context has NFD" in said[1]
    assert said[2].startswith("1 gold answer is not in the context, such as 'lava?' of question 'q3'")
    assert remarks([]) == []
