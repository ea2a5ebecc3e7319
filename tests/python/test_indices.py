"""Integers and booleans at the edges of clusters: what they may be, what happens to bad ones, who claims them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
import pytest
from models import Edge, ModelBuilder, Quant, Style
from onnx import TensorProto, helper
from oracle import evaluate
from sessions import claimed_nodes, cpu_session, run, vaip_session


def embedding_model(rows: int = 20, *, dynamic: bool = False) -> tuple[ModelBuilder, onnx.ModelProto]:
    b = ModelBuilder(Style(power_of_two=True, dynamic_batch=dynamic))
    table = b.quantized_constant((rows, 8), dtype="int8")[0]
    indices = b.plain_input(b.rng.integers(0, rows, (2, 5)))
    y = b.op("LeakyRelu", [b.op("Gather", [table, indices])])
    b.output(b.q(y))
    return b, b.build()


def own_partition(model: onnx.ModelProto) -> dict[str, Any]:
    """By VAIP's own reader of model files, without onnxruntime and its optimizations."""
    from vaip import _core

    partition: dict[str, Any] = json.loads(_core.Model.from_bytes(model.SerializeToString()).partition_json())
    return partition


@pytest.mark.parametrize("op", ["Gather", "GatherElements", "GatherND"])
@pytest.mark.parametrize("bad", [6, -7, 2**40, -(2**63)])
def test_an_index_out_of_range_is_an_error_that_names_it(op: str, bad: int) -> None:
    b = ModelBuilder(Style())
    x = b.input((6, 6))
    indices = b.plain_input(np.zeros((3, 2), np.int64))
    y = b.op(op, [b.dq(x), indices])
    b.output(b.finish(y, "LeakyRelu"))
    model, feeds = b.build(), b.feeds()
    session = vaip_session(model)
    expected = run(cpu_session(model), feeds)
    np.testing.assert_array_equal(run(session, feeds)[0], expected[0])
    broken = feeds | {indices: np.array([[0, 1], [2, bad], [3, 4]])}
    name = next(node.name for node in model.graph.node if node.op_type == op)
    with pytest.raises(Exception, match=rf"{op} '{name}': index {bad} \(element 3 of the indices\) is out of range"):
        run(session, broken)
    np.testing.assert_array_equal(run(session, feeds)[0], expected[0])  # the session goes on


def test_an_embedding_keeps_the_parameters_of_its_table() -> None:
    b, model = embedding_model()
    feeds = b.feeds()
    session = vaip_session(model)
    assert set(claimed_nodes(session)) == {"DequantizeLinear", "Gather", "LeakyRelu", "QuantizeLinear"}
    np.testing.assert_array_equal(run(session, feeds)[0], evaluate(model, feeds)[model.graph.output[0].name])


def test_sequences_of_any_length() -> None:
    b, model = embedding_model(dynamic=True)
    session = vaip_session(model)
    (name,) = b.feeds()
    for batch in (1, 7, 3):
        feeds = {name: b.rng.integers(0, 20, (batch, 5))}
        np.testing.assert_array_equal(run(session, feeds)[0], evaluate(model, feeds)[model.graph.output[0].name])


def test_the_hosts_own_masks_stay_on_the_host() -> None:
    """Integer nodes that no claimed layer uses are not claimed; those between claimed layers are."""
    b = ModelBuilder(Style(power_of_two=True))
    x = b.input((2, 6))
    mask = b.plain_input(b.rng.integers(0, 2, (2, 6)))
    used = b.op("Cast", [mask], to=TensorProto.BOOL)
    b.output(b.finish(b.op("Where", [used, b.dq(x), b.constant(-4.0)]), "LeakyRelu"))
    lone = b.op("Not", [b.op("Cast", [b.plain_input(b.rng.integers(0, 2, (2, 6)))], to=TensorProto.BOOL)])
    b.plain_output(b.plain(lone))
    model, feeds = b.build(), b.feeds()
    session = vaip_session(model, fallback=True)
    claimed = claimed_nodes(session)
    assert claimed.count("Cast") == 1
    assert "Not" not in claimed
    assert "Where" in claimed
    expected = evaluate(model, feeds)
    for output, got in zip(model.graph.output, run(session, feeds), strict=True):
        np.testing.assert_array_equal(got, expected[output.name])


def test_equal_compares_real_numbers() -> None:
    """0.3f and 3 * 0.1f are one float32, and two real numbers."""
    b = ModelBuilder(Style(dtype="uint8"))
    low, high = (Quant(float(np.float32(s)), 0) for s in (0.1, 0.3))
    a, c = b.input((1, 256), low), b.input((1, 256), high)
    b.samples[a.name] = np.arange(256, dtype=np.uint8).reshape(1, 256)
    b.samples[c.name] = (np.arange(256) // 3).astype(np.uint8).reshape(1, 256)
    equal = b.op("Equal", [b.dq(a), b.dq(c)])
    b.plain_output(b.plain(equal))
    model, feeds = b.build(), b.feeds()
    got = run(vaip_session(model), feeds)[0]
    real = [q.scale * b.samples[e.name].astype(np.float64) for q, e in ((low, a), (high, c))]
    np.testing.assert_array_equal(got, real[0] == real[1])


def computed_shape_model() -> tuple[ModelBuilder, Edge]:
    """A Reshape whose target is computed from a static shape, as PyTorch exports x.view(x.size(0), -1)."""
    b = ModelBuilder(Style(power_of_two=True))
    x = b.input((2, 3, 4))
    real = b.dq(x)
    size = b.op("Gather", [b.op("Shape", [real]), b.constant(0, "int64")], axis=0)
    target = b.op("Concat", [b.op("Unsqueeze", [size, b.constant([0], "int64")]), b.constant([-1], "int64")], axis=0)
    b.samples[target] = np.array([2, -1])
    y = b.op("Reshape", [real, target])
    edge = b.finish(y, "LeakyRelu")
    b.output(edge)
    return b, edge


def test_computed_static_shapes_without_onnxruntimes_folding() -> None:
    b, _ = computed_shape_model()
    model = onnx.shape_inference.infer_shapes(b.build())
    partition = own_partition(model)
    assert partition["nodes"]["cpu"] == 0, partition["unclaimed"]
    session = vaip_session(model)
    feeds = b.feeds()
    np.testing.assert_array_equal(run(session, feeds)[0], run(cpu_session(model), feeds)[0])


@pytest.mark.parametrize(
    ("op", "reason"),
    [
        ("STFT", "VAIP has no such layer on the IPU: "),
        ("LRN", "is on the CPU with AMD's compiler, too: "),
        ("Range", "`a` is computed from more than shapes"),
        ("Mod", "works on plain integers only, and no claimed layer "),
    ],
)
def test_what_has_no_layer_says_so(op: str, reason: str) -> None:
    if op == "STFT":
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 64, 1])]
        step = helper.make_tensor("step", TensorProto.INT64, [], [8])
        window = helper.make_tensor("window", TensorProto.FLOAT, [16], [1.0] * 16)
        node = helper.make_node("STFT", ["x", "step", "window"], ["y"], name="spectrum")
        graph = helper.make_graph(
            [node], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], [step, window]
        )
    elif op == "LRN":
        inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 5, 5])]
        node = helper.make_node("LRN", ["x"], ["y"], name="norm", size=3)
        graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    else:
        shape = [] if op == "Range" else [4]
        names = ["a", "b", "c"] if op == "Range" else ["a", "b"]
        inputs = [helper.make_tensor_value_info(n, TensorProto.INT64, shape) for n in names]
        node = helper.make_node(op, names, ["y"], name="rest")
        graph = helper.make_graph([node], "g", inputs, [helper.make_tensor_value_info("y", TensorProto.INT64, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    (unclaimed,) = own_partition(model)["unclaimed"]
    assert unclaimed["reason"].startswith(reason)
