"""Question files: SQuAD v1.1 as published; the digest sees what a model sees and nothing else."""

import json
import random
from typing import Any

import pytest

from contract.errors import Malformed
from contract.questions import Gold, decode_questions, questions_of


def squad(
    *qas: dict[str, Any], context: str = "Basalt cools fast. 🌋 It cracks.", title: str = "Rock"
) -> dict[str, Any]:
    return {
        "version": "1.1",
        "data": [{"title": title, "paragraphs": [{"context": context, "qas": list(qas)}]}],
    }


def qa(name: Any, *golds: tuple[str, int], **fields: Any) -> dict[str, Any]:
    answers = [{"text": text, "answer_start": start} for text, start in golds]
    return {"id": name, "question": f"{name}?", "answers": answers, **fields}


def row(
    name: Any,
    context: Any = "Basalt cools fast.",
    golds: Any = ("Basalt",),
    places: Any = (0,),
    **fields: Any,
) -> dict[str, Any]:
    """A question as the library `datasets` writes it."""
    answers = {"text": golds, "answer_start": places if golds else []}
    return {"id": name, "question": "What?", "context": context, "answers": answers, **fields}


def lines(*records: object) -> bytes:
    return b"\n".join(map(encode, records))


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
        (b"", "is empty"),
        (b"{", "not valid JSON"),
        (b"[]", "no question"),
        (b'{"data": []}', "no question"),
        (b'{"version": "1.1"}', "data"),
        (b"[" * 100_000, "SQuAD v1.1"),
        (b"\xff\xfe", "is empty"),
        (encode(squad(qa("a"), qa("a"))), "'a' twice"),
        (encode(squad(qa(""))), "1 to 200 characters"),
        (encode(squad(qa("a", is_impossible=True))), "SQuAD 2.0.* --answerable-only"),
        (encode([row("a", golds=[])]), "SQuAD 2.0.* --answerable-only"),
        (
            encode(squad(qa("a"), {"question": "Why?"})),
            r"no `id` at \$\.data\[0\]\.paragraphs\[0\]\.qas\[1\]",
        ),
        (encode([row("a"), {"id": "b", "question": "Why?"}]), r"no `context` at \$\[1\]"),
        (lines(row("a"), {"id": "b", "context": "So."}), "no `question` at line 2"),
        (
            lines(row("a"), row("b", context=5)),
            r"line 2 of the question file .*Expected `str \| null`.*context",
        ),
        (lines(row("a")) + b"\n{", "line 2 of the question file .*not valid JSON"),
        (encode(squad(qa(True))), r"Expected .*got `bool` - at `\$\.data"),
        (encode([row("a", places=[])]), "1 answers with 0 places"),
        (json.dumps(squad(qa("a")), indent=1).encode()[:-20], "not valid JSON: .* in line"),
        ("Müller".join('{"": ""}\n').encode("latin-1"), "not valid JSON|not UTF-8"),
        (
            encode(squad(qa("a", title="Müller"))).replace("ü".encode(), b"\xfc"),
            "not UTF-8 text .*0xfc in line 1",
        ),
    ],
)
def test_wrong_files_are_refused_with_what_is_wrong(data: bytes, complaint: str) -> None:
    with pytest.raises(Malformed, match=complaint) as caught:
        decode_questions(data)
    assert "\n" not in str(caught.value)


SAME = decode_questions(encode(squad(qa("7", ("cools", 7)), title="")))
CONTEXT = SAME.questions[0].context
ROW = {"id": "7", "question": "7?", "context": CONTEXT, "answers": {"text": ["cools"], "answer_start": [7]}}


@pytest.mark.parametrize(
    "data",
    [
        encode(squad(qa(7, ("cools", 7)), title="")),
        encode(squad({**qa("7", ("cools", 7)), "id": 7.0}, title="")),
        encode(squad(qa("7", ("cools", 7), is_impossible=None), title=None)),  # type: ignore[arg-type]
        encode(squad(qa("7", ("cools", 7), is_impossible=0, title=None))),
        encode(squad(qa("7", answers=[{"text": "cools", "answer_start": 7}, None]))),
        encode(squad(qa("7", answers={"text": "cools", "answer_start": "7"}))),
        encode(squad(qa("7", answers=["cools"]))),
        encode(squad(qa("7", answers=[{"text": "cools", "answer_start": None}, {"text": None}]))),
        encode(squad(qa("7", answers=[{"text": "cools"}]))),
        encode(squad(qa("7", ("cools", 7)))["data"]),
        encode(squad(qa("7", ("cools", 7)))["data"][0]),
        encode(squad(qa("7", ("cools", 7)))["data"][0]["paragraphs"]),
        encode([ROW]),
        encode({"data": [ROW]}),
        encode({"version": "x", "data": [{**ROW, "title": None}]}),
        encode(ROW),
        lines(ROW) + b"\r\n\r\n",
        b"\n" + lines(squad(qa("7", ("cools", 7)))["data"][0]),
    ],
)
def test_what_is_squad_in_all_but_a_detail_is_the_same_file(data: bytes) -> None:
    file = decode_questions(data)
    assert file.sha256 == SAME.sha256
    assert file.questions[0].golds == SAME.questions[0].golds == (Gold("cools", 7),)
    assert file.misplaced == ()


def test_json_lines_of_rows_keep_their_order_and_share_a_context() -> None:
    file = decode_questions(lines(row("b", title="Rock"), row("a"), row(3)))
    assert [(q.id, q.title) for q in file.questions] == [("b", "Rock"), ("a", ""), ("3", "")]
    assert file.questions[0].context is file.questions[2].context


@pytest.mark.parametrize("golds", [None, [], [{"text": None, "answer_start": None}]])
def test_a_question_may_have_no_gold_answer(golds: object) -> None:
    assert decode_questions(encode(squad(qa("a", answers=golds)))).questions[0].golds == ()


@pytest.mark.parametrize("stated", [6, 8, 0, -1, 10_000, 10**40, "6"])
def test_a_gold_answer_is_found_near_its_place_and_counted(stated: int) -> None:
    file = decode_questions(encode(squad(qa("a", ("cools", stated)))))
    assert file.questions[0].golds == (Gold("cools", 7),)
    assert [gold.found for gold in file.misplaced] == [7]
    assert "'cools' of question 'a' at character 7, not" in file.remarks()[0]


def test_a_gold_answer_that_is_nowhere_is_kept_for_scoring_and_has_no_place() -> None:
    file = decode_questions(encode(squad(qa("a", ("lava", 3), ("It", 21)), qa("b", answers=["ash"]))))
    assert [gold.text for q in file.questions for gold in q.golds] == ["lava", "It", "ash"]
    assert [gold.is_in(CONTEXT) for q in file.questions for gold in q.golds] == [False, True, False]
    assert file.remarks()[0].startswith("2 gold answers are not in the context, such as 'lava'")


SQUAD_2 = squad(
    qa("a", ("It", 21)),
    qa("b", is_impossible=True, plausible_answers=[{"text": "It", "answer_start": 21}]),
    qa("c", answers=[]),
    qa("d", answers=None),
)


@pytest.mark.parametrize(
    ("data", "kept", "left_out"),
    [
        (encode(SQUAD_2), ["a"], 3),
        (encode([row("a"), row("b", golds=[])]), ["a"], 1),
        (lines(row("a"), row("b", golds=[]), row("c")), ["a", "c"], 1),
        (encode(squad(qa("a", ("It", 21)))), ["a"], 0),
    ],
)
def test_squad_2_is_used_by_its_answerable_questions(data: bytes, kept: list[str], left_out: int) -> None:
    file = decode_questions(data, answerable_only=True)
    assert ([q.id for q in file.questions], file.left_out) == (kept, left_out)
    said = f"left out {left_out} of {len(kept) + left_out} questions, which have no answer"
    assert file.remarks() == ([said] if left_out else [])


def test_the_questions_that_are_left_are_the_file_for_the_digest() -> None:
    answered, other = qa("a", ("It", 21)), qa("b", is_impossible=True)
    file = decode_questions(encode(squad(other, answered)), answerable_only=True)
    assert file.sha256 == decode_questions(encode(squad(answered))).sha256
    with pytest.raises(Malformed, match="no answerable question"):
        decode_questions(encode(squad(qa("a", is_impossible=True))), answerable_only=True)


def test_the_rows_of_a_table_are_read_like_those_of_a_file() -> None:
    assert questions_of([ROW]).sha256 == SAME.sha256
    with pytest.raises(Malformed, match=r"row 2 does not fit the format: Expected .*\$\.id"):
        questions_of([ROW, {**ROW, "id": []}])


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
