import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from export.quantisation.int8 import Integers, quantise_embeddings, quantise_linears, symmetric
from export.quantisation.targets import LARGEST_WEIGHT, this_machine

matrices = arrays(
    np.float32,
    array_shapes(min_dims=2, max_dims=2, max_side=8),
    elements=st.floats(-1e6, 1e6, width=32),
)


@given(matrices, st.sampled_from([0, 1]))
def test_no_weight_moves_by_more_than_half_a_step(weight: NDArray[np.float32], axis: int) -> None:
    integers, scale = symmetric(weight, axis)
    steps = np.expand_dims(scale, axis)
    assert np.abs(integers.astype(np.int32)).max() <= 127
    tiny = np.finfo(np.float32).tiny
    assert (np.abs(integers * steps - weight) <= steps * 0.5001 + tiny).all()


@given(matrices)
def test_channels_do_not_touch_each_other(weight: NDArray[np.float32]) -> None:
    integers, scale = symmetric(weight, axis=0)
    first, first_scale = symmetric(weight[:, :1], axis=0)
    assert (integers[:, :1] == first).all() and scale[0] == first_scale[0]


def run(model: object, **inputs: NDArray[np.generic]) -> list[NDArray[np.float32]]:
    data = model.SerializeToString()  # type: ignore[attr-defined]  # of onnx, whose types are generated
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    outputs: list[NDArray[np.float32]] = session.run(None, inputs)
    return outputs


def linears_and_head() -> tuple[object, dict[str, NDArray[np.float32]]]:
    """Two linear layers on one input, and a question-answering head on their sum."""
    random = np.random.default_rng(3)
    tensors = {name: random.normal(size=(64, 64)).astype(np.float32) for name in ("query", "key")}
    tensors["head"] = random.normal(size=(64, 2)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["x", "query"], ["q"], "/query/MatMul"),
        helper.make_node("MatMul", ["x", "key"], ["k"], "/key/MatMul"),
        helper.make_node("Add", ["q", "k"], ["sum"], "/Add"),
        helper.make_node("MatMul", ["sum", "head"], ["y"], "/qa_outputs/MatMul"),
    ]
    graph = helper.make_graph(
        nodes,
        "linears",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, "tokens", 64])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("q", "k", "y")],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), tensors


def test_linear_layers_stay_close_share_their_input_and_spare_the_head() -> None:
    model, tensors = linears_and_head()
    x = np.random.default_rng(4).normal(size=(1, 20, 64)).astype(np.float32)
    exact = run(model, x=x)
    integers = Integers(LARGEST_WEIGHT[this_machine()])  # larger ones saturate on some processors
    quantise_linears(model, integers)  # type: ignore[arg-type]  # as above
    kinds = [node.op_type for node in model.graph.node]  # type: ignore[attr-defined]  # as above
    assert kinds.count("DynamicQuantizeLinear") == 1 and kinds.count("MatMulInteger") == 2
    assert kinds.count("MatMul") == 1
    query, key, head = run(model, x=x)
    for ours, theirs in zip((query, key), exact, strict=False):
        assert 0 < np.abs(ours - theirs).max() < 0.03 * np.abs(theirs).max()
    np.testing.assert_allclose(head, (query + key) @ tensors["head"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("rows", "quantised"), [(5000, True), (512, False)])
def test_only_a_vocabulary_sized_table_is_quantised(rows: int, quantised: bool) -> None:
    table = np.random.default_rng(5).normal(size=(rows, 8)).astype(np.float32)
    table[7] *= 1000
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "ids"], ["y"], "/word_embeddings/Gather")],
        "embedding",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, [1, "tokens"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(table, "table")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    quantise_embeddings(model)
    (found,) = run(model, ids=np.array([[1, 7, 300]]))
    wanted = table[[1, 7, 300]]
    error = np.abs(found[0] - wanted).max(axis=1) / np.abs(wanted).max(axis=1)
    assert (error > 0).any() == quantised and (error < 0.005).all()
