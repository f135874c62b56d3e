"""F34: a model that answers NaN, infinity, nothing, or never is a result, and the next bundle is measured."""

import re
import shutil
from collections.abc import Callable
from functools import partial
from math import inf, nan
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from agent.bundles.bundle import describe
from agent.machine.device import inspect_device
from agent.outbox.outbox import Outbox
from agent.planning.plan import plan_run, read_questions, settings_for
from agent.running.run import Run
from agent.stop_signal import Stop
from agent.worker.process import WorkerProcess
from contract.bundle import MODEL_FILE
from contract.records import Answer, RunFinished, Settings
from tests.agent.bundles.test_hostile_bundle import put
from tests.agent.conftest import Agent
from tests.agent.running.test_run import read_runs

Nodes = tuple[list[onnx.NodeProto], list[onnx.TensorProto]]
"""Nodes that make `logits` of `input_ids`, and their constants."""


def constant(value: float, shape: tuple[int, ...] = ()) -> Nodes:
    """Logits of one value, with the shape of the input."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["ids", "zero"], ["zeros"]),
        helper.make_node("Add", ["zeros", "value"], ["logits"]),
    ]
    return nodes, [scalar("zero", 0.0), scalar("value", value)]


def odd_if_long(value: float, tokens: int) -> Nodes:
    """Logits that are the token ids, and one value for a window with more tokens than that."""
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Shape", ["input_ids"], ["shape"]),
        helper.make_node("Gather", ["shape", "one"], ["tokens"]),
        helper.make_node("Greater", ["tokens", "limit"], ["long"]),
        helper.make_node("Where", ["long", "value", "zero"], ["more"]),
        helper.make_node("Add", ["ids", "more"], ["logits"]),
    ]
    ints = [
        helper.make_tensor(name, TensorProto.INT64, [], [n]) for name, n in (("one", 1), ("limit", tokens))
    ]
    return nodes, [*ints, scalar("zero", 0.0), scalar("value", value)]


def cut_short() -> Nodes:
    """Logits of the first three tokens only."""
    ends = [
        helper.make_tensor(name, TensorProto.INT64, [1], [n])
        for name, n in (("from", 0), ("to", 3), ("axis", 1))
    ]
    nodes = [
        helper.make_node("Slice", ["input_ids", "from", "to", "axis"], ["few"]),
        helper.make_node("Cast", ["few"], ["logits"], to=TensorProto.FLOAT),
    ]
    return nodes, ends


def texts() -> Nodes:
    return [helper.make_node("Cast", ["input_ids"], ["logits"], to=TensorProto.STRING)], []


def endless() -> Nodes:
    """A loop that runs 2^62 times, over a value that is not known when the model is loaded."""
    inside = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still_on"]), helper.make_node("Identity", ["x"], ["same"])],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("still_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("same", TensorProto.FLOAT, None),
        ],
    )
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Loop", ["turns", "on_first", "ids"], ["logits"], body=inside),
    ]
    return nodes, [
        helper.make_tensor("turns", TensorProto.INT64, [], [2**62]),
        helper.make_tensor("on_first", TensorProto.BOOL, [], [True]),
    ]


def scalar(name: str, value: float) -> onnx.TensorProto:
    return helper.make_tensor(name, TensorProto.FLOAT, [], [value])


def with_nodes(made: Nodes, bundle: Path, folder: Path) -> Path:
    """A copy of a bundle, in a new folder, whose model is these nodes."""
    shutil.copytree(bundle, folder)
    old = onnx.load(folder / MODEL_FILE)
    nodes, constants = made
    kind = TensorProto.STRING if made == texts() else TensorProto.FLOAT
    outputs = [helper.make_tensor_value_info(name, kind, None) for name in ("start_logits", "end_logits")]
    nodes = [*nodes, *(helper.make_node("Identity", ["logits"], [output.name]) for output in outputs)]
    graph = helper.make_graph(nodes, "odd", old.graph.input, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = old.ir_version
    put(model, folder)
    return folder


@pytest.fixture
def odd_bundle(tiny_bundle: Path, tmp_path: Path) -> Callable[[Nodes], Path]:
    return lambda made: with_nodes(made, tiny_bundle, tmp_path / "odd")


def results(agent: Agent, questions: Path, out: Path, *bundles: Path, decoding: str) -> list[list[object]]:
    """The answers and the last record of each run of one command."""
    ended = agent(
        *("run", *bundles, "--questions", questions, "--to-file", out, "--threads", "1", "--warmup", "2"),
        *("--rounds", "1", "--decoding", decoding),
    )
    assert "Traceback" not in ended.stderr and ended.returncode == 0, ended.stderr
    kept = (Answer, RunFinished)
    return [[one for one in records if isinstance(one, kept)] for records in read_runs(out).values()]


@pytest.mark.parametrize("decoding", ["pipeline", "squad"])
@pytest.mark.parametrize("value", [nan, inf])
def test_f34_logits_that_are_no_numbers_are_the_error_of_their_question(
    agent: Agent,
    odd_bundle: Callable[[Nodes], Path],
    tiny_bundle: Path,
    questions: Path,
    tmp_path: Path,
    decoding: str,
    value: float,
) -> None:
    odd = odd_bundle(odd_if_long(value, tokens=24))
    first, second = results(agent, questions, tmp_path / "out", odd, tiny_bundle, decoding=decoding)
    *answers, finished = first
    errors = [one.error for one in answers if isinstance(one, Answer) and one.error is not None]
    assert isinstance(finished, RunFinished) and finished.errors == len(errors)
    assert 0 < len(errors) < len(answers) == 60, "some questions are longer than others"
    assert set(errors) == {"the model's logits are not finite numbers: they are NaN or infinity"}
    assert isinstance(second[-1], RunFinished) and second[-1].status == "complete" and not second[-1].errors


@pytest.mark.parametrize("decoding", ["pipeline", "squad"])
@pytest.mark.parametrize(
    ("made", "error"),
    [
        (partial(constant, nan), "not finite numbers"),
        (partial(constant, -inf), "not finite numbers"),
        (cut_short, r"logits of the shapes \(3,\) and \(3,\) for a window of the shape"),
    ],
)
def test_f34_a_model_that_never_answers_is_a_run_of_errors(
    agent: Agent,
    odd_bundle: Callable[[Nodes], Path],
    questions: Path,
    tmp_path: Path,
    decoding: str,
    made: Callable[[], Nodes],
    error: str,
) -> None:
    ((*answers, finished),) = results(
        agent, questions, tmp_path / "out", odd_bundle(made()), decoding=decoding
    )
    assert isinstance(finished, RunFinished) and finished.errors == len(answers) == 60
    for one in answers:
        assert isinstance(one, Answer) and one.error is not None
        assert re.search(error, one.error)


def test_f34_logits_that_are_texts_are_refused(
    agent: Agent, odd_bundle: Callable[[Nodes], Path], tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ended = agent("run", odd_bundle(texts()), tiny_bundle, "--questions", questions, "--to-file", out)
    assert ended.returncode == 1
    assert "start_logits is a tensor(string), not a tensor of numbers" in ended.stderr
    assert [records[-1].status for records in read_runs(out).values()] == ["failed", "complete"]  # type: ignore[union-attr]


def test_f34_a_model_that_computes_without_an_end_is_a_failed_run(
    odd_bundle: Callable[[Nodes], Path], questions: Path, tmp_path: Path, stop: Stop
) -> None:
    bundle = describe(odd_bundle(endless()))
    plan = plan_run(inspect_device("d"), bundle, read_questions(questions), settings_for(bundle, threads=1))
    pids: list[int] = []

    class Watched(WorkerProcess):
        def __enter__(self) -> "Watched":
            super().__enter__()
            pids.append(self.pid)
            return self

    def start_worker(stop: Stop, settings: Settings) -> WorkerProcess:
        return Watched(stop, settings, patience_seconds=4.0)

    with Outbox(tmp_path / "outbox.db") as outbox:
        last = Run(plan, outbox, stop, start_worker=start_worker).measure(lambda _: None)
        assert (last.status, last.answered) == ("failed", 0)
        assert "the worker process did not reply within 4 s and was ended" in last.reason
        assert outbox.pending() == 2, "the run's first and its last record"
    assert not Path(f"/proc/{pids[0]}").exists()
