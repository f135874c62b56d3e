from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from collector.display.fitting import GAP, Breadth, fitted, shortened
from collector.display.grid import Grid, grid_text

COLUMNS = (
    Breadth("run", 8, 3, shrinks=False),
    Breadth("device", 40, 6, shrinks=True),
    Breadth("state", 8, 5, shrinks=True),
    Breadth("notes", 60, 5, shrinks=True),
)
SENTENCE = "other programs use the cores"
GRID = Grid(
    ("run", "device", "answers", "reason", "empty", "started_at"),
    [
        (
            f"{number:08x}",
            f"raspberry-pi-in-rack-{number:02}",
            number,
            "other programs use the cores",
            None,
            "now",
        )
        for number in range(12)
    ],
    "nothing",
    least=("reason",),
)


def test_what_fits_is_kept_whole() -> None:
    assert fitted(COLUMNS, ("notes",), 200) == {"run": 8, "device": 40, "state": 8, "notes": 60}


def test_texts_shrink_before_a_column_is_left_out_and_the_important_get_the_room() -> None:
    assert fitted(COLUMNS, ("notes",), 60) == {"run": 8, "device": 23, "state": 8, "notes": 15}
    assert fitted(COLUMNS, ("notes",), 50) == {"run": 8, "device": 30, "state": 8}


def test_what_may_not_be_left_out_stays() -> None:
    assert list(fitted(COLUMNS, ("notes",), 10)) == ["run", "device", "state"]


@given(
    st.lists(st.tuples(st.integers(1, 90), st.integers(1, 20), st.booleans()), min_size=1, max_size=9),
    st.integers(1, 200),
    st.data(),
)
def test_a_fitted_table_is_no_wider_than_the_terminal(
    drawn: list[tuple[int, int, bool]], width: int, data: st.DataObject
) -> None:
    columns = [
        Breadth(str(i), max(widest, title), title, shrinks)
        for i, (widest, title, shrinks) in enumerate(drawn)
    ]
    least = data.draw(st.lists(st.sampled_from([column.name for column in columns]), unique=True))
    found = fitted(columns, least, width)
    needed = sum(found.values()) + GAP * (len(found) - 1)
    assert needed <= width or not set(found) & set(least)
    assert list(found) == [column.name for column in columns if column.name in found]
    assert set(found) >= {column.name for column in columns} - set(least)


@given(st.text(st.characters(exclude_categories=["C", "M"]), max_size=40), st.integers(3, 40))
def test_a_shortened_text_fits(text: str, width: int) -> None:
    assert cell_len(shortened(text, width)) <= max(width, 3)
    assert shortened(text, cell_len(text)) == text


def test_the_ends_of_names_and_the_beginnings_of_sentences_stay() -> None:
    assert shortened("raspberry-pi-in-rack-07", 15) == "raspber…rack-07"
    assert shortened(SENTENCE, 15) == "other programs…"


def test_a_list_has_a_line_per_row_and_names_what_it_leaves_out() -> None:
    for width in (50, 60, 80, 200):
        lines = grid_text(GRID, "table", width).splitlines()
        assert max(map(len, lines)) <= width
        assert [line[:8] for line in lines[1:13]] == [row[0] for row in GRID.rows]
        assert ("reason" in lines[0]) == (width >= 80)
    narrow = grid_text(GRID, "table", 60)
    assert narrow.endswith("(more columns in a wider terminal, all of them with --json)\n")
    assert "empty" not in narrow
    assert "empty" in grid_text(GRID, "table", 200)


def test_without_a_terminal_nothing_is_left_out_or_shortened() -> None:
    text = grid_text(GRID, "table")
    assert "raspberry-pi-in-rack-07" in text
    assert all(name.replace("_", " ") in text for name in GRID.columns)
