"""Fixtures of the collector's tests. Most tests that need a `store` run on both kinds."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from collector.scoring.question_sets import add_questions
from collector.store.database import Store
from collector.store.opening import open_store
from tests.collector import factory
from tests.postgres import Postgres, running

_ON_BOTH: Final = {
    *("comparison", "comparison_inputs", "intake", "orders", "regression", "scoring", "store", "summaries")
}
"""The folders whose tests run on both kinds of store; on PostgreSQL they are proofs, except those of:"""
_ALWAYS: Final = {"intake", "store"}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" not in metafunc.fixturenames:
        return
    kinds = [pytest.param("sqlite")]
    folder = metafunc.definition.path.relative_to(Path(__file__).parent).parts[0]
    needs_file = "database" in inspect.signature(metafunc.function).parameters
    if folder in _ON_BOTH and not needs_file and not metafunc.definition.get_closest_marker("sqlite"):
        marks = (pytest.mark.postgres,) if folder in _ALWAYS else (pytest.mark.postgres, pytest.mark.proof)
        kinds.append(pytest.param("postgres", marks=marks))
    metafunc.parametrize("store", kinds, indirect=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def _template(postgres: Postgres) -> str:
    postgres.execute("CREATE DATABASE made TEMPLATE template0")
    open_store(postgres.url("made"), create=True).close()
    return "made"


@pytest.fixture
def shared_database(postgres: Postgres, _template: str) -> Iterator[str]:
    """The address of a database in PostgreSQL with the tables of a collector."""
    with postgres.database(_template) as url:
        yield url


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    kind = "database" if getattr(request, "param", "sqlite") == "sqlite" else "shared_database"
    with open_store(request.getfixturevalue(kind), create=True) as store:
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
