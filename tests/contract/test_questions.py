"""Question files: SQuAD v1.1 as published; the digest sees what a model sees and nothing else."""

import json
import random
from typing import Any

import pytest

from contract.errors import Malformed
from contract.questions import decode_questions


def squad(
    *qas: dict[str, Any], context: str = "Basalt cools fast. 🌋 It cracks.", title: str = "Rock"
) -> dict[str, Any]:
    return {
        "version": "1.1",
        "data": [{"title": title, "paragraphs": [{"context": context, "qas": list(qas)}]}],
    }


def qa(name: str, *golds: tuple[str, int], **fields: Any) -> dict[str, Any]:
    answers = [{"text": text, "answer_start": start} for text, start in golds]
    return {"id": name, "question": f"{name}?", "answers": answers, **fields}


def encode(file: object) -> bytes:
    return json.dumps(file, ensure_ascii=False).encode()


def test_a_published_file_decodes_in_its_order() -> None:
    file = decode_questions(encode(squad(qa("b", ("It", 21)), qa("a", ("Basalt", 0), ("Basalt cools", 0)))))
    assert [q.id for q in file.questions] == ["b", "a"]
    assert [g.text for g in file.questions[1].golds] == ["Basalt", "Basalt cools"]
    assert file.questions[0].title == "Rock"


def test_the_digest_ignores_golds_titles_order_and_foreign_fields() -> None:
    with_golds = squad(qa("a", ("Basalt", 0)), qa("b"), title="Rock")
    bare = squad(qa("b", difficulty="hard"), qa("a"), title="Stone")
    for entry in bare["data"][0]["paragraphs"][0]["qas"]:
        del entry["answers"]
    assert decode_questions(encode(with_golds)).sha256 == decode_questions(encode(bare)).sha256


def test_the_digest_sees_every_question_and_context() -> None:
    digests = {
        decode_questions(encode(file)).sha256
        for file in (
            squad(qa("a")),
            squad(qa("b")),
            squad(qa("a"), qa("b")),
            squad(qa("a"), context="Other."),
            squad({"id": "a", "question": "Why?", "answers": []}),
        )
    }
    assert len(digests) == 5


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[]", "SQuAD v1.1"),
        (b'{"data": []}', "no question"),
        (b'{"version": "1.1"}', "data"),
        (b"[" * 100_000, "SQuAD v1.1"),
        (b"\xff\xfe", "not valid JSON"),
        (encode(squad(qa("a"), qa("a"))), "'a' twice"),
        (encode(squad(qa(""))), "1 to 200 characters"),
        (encode(squad(qa("a", ("lava", 0)))), "lava"),
        (encode(squad(qa("a", ("Basalt", -31)))), "Basalt"),
        (encode(squad(qa("a", is_impossible=True))), "SQuAD 2.0"),
    ],
)
def test_wrong_files_are_refused_with_what_is_wrong(data: bytes, complaint: str) -> None:
    with pytest.raises(Malformed, match=complaint) as caught:
        decode_questions(data)
    assert "\n" not in str(caught.value)


def test_the_size_of_squad_is_no_burden() -> None:
    rng = random.Random(0)
    words = [f"word{n}" for n in range(1000)]
    contexts = [" ".join(rng.choices(words, k=120)) for _ in range(2000)]
    file = {
        "data": [
            {"paragraphs": [{"context": c, "qas": [qa(f"{i}-{j}", (c[:6], 0)) for j in range(5)]}]}
            for i, c in enumerate(contexts)
        ]
    }
    assert len(decode_questions(encode(file)).questions) == 10_000
