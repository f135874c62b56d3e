from collections.abc import Iterator
from pathlib import Path

import pytest

from collector.scoring.question_sets import add_questions
from collector.store.database import Store
from tests.collector import factory


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


@pytest.fixture
def store(database: Path) -> Iterator[Store]:
    with Store.open(database, create=True) as store:
        yield store


@pytest.fixture
def questions_file(tmp_path: Path) -> Path:
    path = tmp_path / "rivers.json"
    path.write_bytes(factory.QUESTIONS)
    return path


@pytest.fixture
def store_with_golds(store: Store, questions_file: Path) -> Store:
    add_questions(store, questions_file)
    return store
