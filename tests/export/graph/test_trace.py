"""Compares the exported graph with the network that it was made from, on real texts."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer

from contract.bundle import decode_manifest
from contract.questions import Question, decode_questions
from export.graph import trace as graph
from export.models import sources as weights
from export.models.catalog import find
from export.models.load import load

ROOT = Path(__file__).parent.parent.parent.parent
MAX_ANSWER_TOKENS = 15


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    """Sample questions on many subjects, each of which fits into one window."""
    data = (ROOT / "demo" / "sample-questions.json").read_bytes()
    return [q for q in decode_questions(data).questions if len(q.context) < 1200][::4]


class Session:
    """A bundle in onnxruntime, which gets the same inputs as from the agent."""

    def __init__(self, bundle: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        model = str(bundle / "model.onnx")
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))

    def features(self, question: Question) -> dict[str, NDArray[np.int64]]:
        encoding = self.tokenizer.encode(question.question, question.context)
        return {"input_ids": np.array([encoding.ids]), "token_type_ids": np.array([encoding.type_ids])}

    def logits(self, features: dict[str, NDArray[np.int64]]) -> list[NDArray[np.float32]]:
        logits: list[NDArray[np.float32]] = self.session.run(["start_logits", "end_logits"], features)
        return logits

    def span(self, question: Question) -> tuple[int, int]:
        features = self.features(question)
        start, end = (logits[0] for logits in self.logits(features))
        score = np.where(features["token_type_ids"][0] == 1, start, -np.inf)[:, None] + end[None, :]
        allowed = np.tril(np.triu(np.ones_like(score)), MAX_ANSWER_TOKENS - 1) > 0
        place = np.unravel_index(np.argmax(np.where(allowed, score, -np.inf)), score.shape)
        return int(place[0]), int(place[1])


@pytest.fixture(scope="module")
def fp32(reader_bundle: Path) -> Session:
    return Session(reader_bundle)


@pytest.fixture(scope="module")
def network() -> Iterator[Any]:
    import torch

    reader = load(find("minilm-l6"), weights.from_folder(ROOT / "demo" / "reader"))
    with torch.no_grad():
        yield reader.network


def test_the_fp32_graph_gives_the_network_s_logits(
    fp32: Session, network: Any, questions: list[Question]
) -> None:
    import torch

    for question in questions[::10]:
        features = fp32.features(question)
        theirs = network(**{name: torch.from_numpy(array) for name, array in features.items()})
        start, end = fp32.logits(features)
        np.testing.assert_allclose(start, theirs.start_logits.numpy(), atol=1e-3)
        np.testing.assert_allclose(end, theirs.end_logits.numpy(), atol=1e-3)


def test_both_axes_are_dynamic(fp32: Session, questions: list[Question]) -> None:
    """In a batch of equally long texts, each text gets the same logits as alone."""
    whole = [fp32.features(question) for question in questions[:3]]
    for width in (32, min(features["input_ids"].shape[1] for features in whole)):
        alone = [{name: ids[:, :width] for name, ids in features.items()} for features in whole]
        start, _ = fp32.logits({name: np.concatenate([each[name] for each in alone]) for name in alone[0]})
        for row, features in zip(start, alone, strict=True):
            np.testing.assert_allclose(row, fp32.logits(features)[0][0], atol=1e-3)


@pytest.mark.proof
def test_int8_mostly_gives_the_same_spans(
    fp32: Session, reader_bundle_int8: Path, questions: list[Question]
) -> None:
    int8 = Session(reader_bundle_int8)
    same = sum(int8.span(question) == fp32.span(question) for question in questions)
    assert same / len(questions) > 2 / 3
    assert (reader_bundle_int8 / "model.onnx").stat().st_size < 25_000_000


@pytest.mark.parametrize(
    "fixture", ["tiny_bundle", "tiny_bundle_int8", "reader_bundle", "reader_bundle_int8"]
)
def test_a_graph_is_one_file_with_int64_inputs(fixture: str, request: pytest.FixtureRequest) -> None:
    import onnx

    bundle: Path = request.getfixturevalue(fixture)
    assert (bundle / "model.onnx").stat().st_nlink == 1
    model = onnx.load(bundle / "model.onnx", load_external_data=False)
    onnx.checker.check_model(model, full_check=True)
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [graph.OPSET]
    assert {entry.type.tensor_type.elem_type for entry in model.graph.input} == {onnx.TensorProto.INT64}
    assert [entry.name for entry in model.graph.output] == ["start_logits", "end_logits"]
    assert not any(tensor.external_data for tensor in model.graph.initializer)
    assert [entry.name for entry in model.graph.input] == list(
        decode_manifest((bundle / "manifest.json").read_bytes()).inputs
    )
    used = {name for node in model.graph.node for name in node.input}
    assert {tensor.name for tensor in model.graph.initializer} <= used
