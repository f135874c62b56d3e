import json

from hypothesis import given
from hypothesis import strategies as st

from contract.codec import encode, json_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
VALUES = st.recursive(TEXTS, lambda inside: st.lists(inside) | st.dictionaries(TEXTS, inside), max_leaves=8)


@given(value=VALUES)
def test_json_for_a_terminal_is_the_same_json(value: object) -> None:
    for indent in (2, -1):
        text = json_text(encode(value), indent)
        assert json.loads(text) == value
        assert text.endswith("\n") and all(line.isprintable() for line in text[:-1].split("\n"))


def test_f21_what_a_terminal_would_act_on_is_escaped() -> None:
    hostile = (
        "\u009b2J \x7f \u202e \u200b \u2028 \U000e0041 Grüße \N{CROISSANT}"  # CSI, DEL, right to left, …
    )
    escaped = r"\u009b2J \u007f \u202e \u200b \u2028 \udb40\udc41 Grüße \N{CROISSANT}"
    assert json_text(encode(hostile)) == f'"{escaped}"\n'.replace(r"\N{CROISSANT}", "\N{CROISSANT}")
