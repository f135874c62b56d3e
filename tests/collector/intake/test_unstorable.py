"""What not every kind of database can store is refused by name, on each of them."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.errors import BadInput
from collector.intake.unstorable import nul_problem
from collector.scoring.question_sets import add_questions
from collector.store.database import Store
from tests.collector.delivering import take
from tests.collector.factory import QUESTIONS, answer, batch, run_records, started

RUN = "a" * 32


def test_a_record_with_a_nul_character_is_refused_by_name(store: Store) -> None:
    first, *others = run_records()
    bad = answer(1, "q1", "the\0North Sea")
    result = take(store, batch([first, bad, *others[1:]], RUN), batch(run_records(), "b" * 32))
    assert (result.rejected, result.stored) == (1, len(run_records()))
    (reason,) = (row[0] for row in store.tuples("SELECT reason FROM rejected"))
    assert reason == "record 1 has a NUL character in 'text', which cannot be stored"


def test_it_is_found_in_every_depth_and_name() -> None:
    first = started()
    assert nul_problem(batch([replace(first, remarks=("a", "b\0"))])) is not None
    bundle = replace(first.bundle, title="a\0")
    problem = nul_problem(batch([replace(first, bundle=bundle)]))
    assert problem is not None and "in 'title'" in str(problem)


def test_a_backslash_before_the_same_letters_is_none() -> None:
    assert nul_problem(batch([started(), answer(1, "q1", r"\u0000")])) is None


def test_a_question_with_a_nul_character_is_refused(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "rivers.json"
    path.write_bytes(QUESTIONS.replace(b"Dresden", rb"Dres\u0000den"))
    with pytest.raises(BadInput, match="NUL character"):
        add_questions(store, path)
