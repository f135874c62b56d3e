from pathlib import Path
from typing import cast

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from collector.scoring.question_sets import add_questions
from collector.store.database import Store
from collector.store.opening import open_store
from collector.summaries.articles import Articles
from collector.summaries.columns import Keys
from collector.summaries.held import Held
from contract.questions import decode_questions


def squad(articles: int, paragraphs: int, questions: int, title: str = "Article {}") -> bytes:
    def question(*number: int) -> dict[str, object]:
        name = "-".join(map(str, number))
        return {"id": name, "question": f"Which number has {name}?", "answers": []}

    return msgspec.json.encode(
        {
            "data": [
                {
                    "title": title.format(a),
                    "paragraphs": [
                        {
                            "context": f"Paragraph {p} of article {a}.",
                            "qas": [question(a, p, q) for q in range(questions)],
                        }
                        for p in range(paragraphs)
                    ],
                }
                for a in range(articles)
            ]
        }
    )


def keys(ids: list[str]) -> NDArray[np.uint64]:
    return np.sort(np.array(Keys().of(ids), np.uint64))


@pytest.mark.parametrize(
    ("shape", "title", "unit", "units"),
    [
        ((6, 3, 2), "Article {}", "article", 6),
        ((5, 3, 2), "Article {}", "paragraph", 15),
        ((6, 3, 2), "One title", "paragraph", 18),
        ((6, 3, 2), "", "paragraph", 18),
        ((2, 2, 20), "Article {}", "question", 80),
    ],
)
def test_questions_are_grouped_by_the_largest_unit_of_which_there_are_enough(
    store: Store, tmp_path: Path, shape: tuple[int, int, int], title: str, unit: str, units: int
) -> None:
    file = squad(*shape, title)
    (tmp_path / "q.json").write_bytes(file)
    add_questions(store, tmp_path / "q.json")
    decoded = decode_questions(file)
    found = Articles(store).clusters(decoded.sha256, keys([q.id for q in decoded.questions]))
    assert (found.unit, found.units) == (unit, units)
    sizes = np.bincount(found.of)
    assert set(sizes) == {len(decoded.questions) // units}


def test_a_paragraph_without_a_title_is_an_article_by_itself(store: Store, tmp_path: Path) -> None:
    data = msgspec.json.decode(squad(6, 3, 2))
    data["data"][0]["title"] = ""
    (tmp_path / "q.json").write_bytes(msgspec.json.encode(data))
    add_questions(store, tmp_path / "q.json")
    decoded = decode_questions(msgspec.json.encode(data))
    found = Articles(store).clusters(decoded.sha256, keys([q.id for q in decoded.questions]))
    assert (found.unit, found.units) == ("article", 8)


def test_only_the_articles_of_these_questions_count(store: Store, tmp_path: Path) -> None:
    file = squad(8, 2, 2)
    (tmp_path / "q.json").write_bytes(file)
    add_questions(store, tmp_path / "q.json")
    asked = [q.id for q in decode_questions(file).questions if not q.id.startswith(("0", "1", "2"))]
    found = Articles(store).clusters(decode_questions(file).sha256, keys(asked))
    assert (found.unit, found.units) == ("paragraph", 10)


def test_questions_of_an_unknown_file_are_drawn_alone(store: Store) -> None:
    found = Articles(store).clusters("0" * 64, keys(["a", "b", "c"]))
    assert (found.unit, found.units) == ("question", 3)


def test_what_a_process_knows_of_a_file_is_of_one_database(tmp_path: Path) -> None:
    known, digests = Held(), set()
    for title, unit in (("Article {}", "article"), ("One title", "paragraph"), ("Article {}", "article")):
        file = squad(6, 3, 2, title)
        (tmp_path / "q.json").write_bytes(file)
        decoded = decode_questions(file)
        asked = keys([q.id for q in decoded.questions])
        with open_store(tmp_path / f"{title}.db", create=True) as store:
            add_questions(store, tmp_path / "q.json")
            with store.reading():
                assert Articles(store, known).clusters(decoded.sha256, asked).unit == unit
        digests.add(decoded.sha256)
    assert len(digests) == 1, "titles do not belong to the digest"


def test_a_process_reads_a_file_once_and_keeps_the_last_ones(store: Store, tmp_path: Path) -> None:
    sizes = [6 * (1 + number) * 24 for number in range(5)]  # 24 bytes a question
    known, files = Held(sum(sizes) - 1), []
    for number in range(len(sizes)):
        (tmp_path / "q.json").write_bytes(file := squad(6, 1, 1 + number))
        add_questions(store, tmp_path / "q.json")
        files.append(decode_questions(file))
    reads = []

    class Counting:
        collector_id = store.collector_id

        def tuples(self, sql: str, *parameters: object) -> object:
            reads.append("passages" in sql)
            return store.tuples(sql, *parameters)

    for file_of in (*files, files[-1], files[1], files[0]):
        asked = keys([q.id for q in file_of.questions])
        assert Articles(cast("Store", Counting()), known).clusters(file_of.sha256, asked).unit == "article"
    assert sum(reads) == len(files) + 1, "the first one was dropped, and is read again"
