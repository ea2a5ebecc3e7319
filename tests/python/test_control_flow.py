"""Layers in the bodies of If and Loop, which read values and constants of the graph around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest
import vaip
from models import Edge, ModelBuilder, Quant, Style
from onnx import TensorProto, helper, numpy_helper
from oracle import evaluate
from sessions import claimed_nodes, cpu_session, run, vaip_session


def nodes_since(builder: ModelBuilder, count: int) -> list[onnx.NodeProto]:
    """Takes the nodes that were added since then out of the graph, for a body."""
    body, builder.nodes = builder.nodes[count:], builder.nodes[:count]
    return body


def body_of(name: str, nodes: Sequence[onnx.NodeProto], result: Edge) -> onnx.GraphProto:
    return helper.make_graph(
        list(nodes), name, [], [helper.make_tensor_value_info(result.name, TensorProto.UINT8, result.shape)]
    )


def in_place_of_the_if(model: onnx.ModelProto, branch: onnx.GraphProto) -> onnx.ModelProto:
    """The model with a branch's nodes where its If was: what the oracle evaluates."""
    flat = onnx.ModelProto()
    flat.CopyFrom(model)
    del flat.graph.node[:]
    for node in model.graph.node:
        if node.op_type != "If":
            flat.graph.node.append(node)
            continue
        flat.graph.node.extend(branch.node)
        flat.graph.node.append(helper.make_node("Identity", [branch.output[0].name], node.output))
    flat.graph.initializer.extend(branch.initializer)
    return flat


def conditional(domain: str) -> tuple[ModelBuilder, onnx.ModelProto]:
    """Both branches read the quantized tensor before the If; one has constants of its own, the other the graph's."""
    builder = ModelBuilder(Style(power_of_two=True, qdq_domain=domain), seed=3)
    outer = builder.finish(builder.conv(builder.input((1, 3, 6, 6)), 8, [3, 3]), "Relu")
    count = len(builder.nodes)
    chosen = builder.finish(builder.conv(outer, 4, [1, 1]), "Relu")
    then_branch = body_of("then_body", nodes_since(builder, count), chosen)

    before = set(builder.initializers)
    weights = builder.quantized_constant((4, 8, 1, 1), axis=0)[0]
    other = builder.q(builder.op("Conv", [builder.dq(outer), weights]), chosen.quant)
    else_branch = body_of("else_body", nodes_since(builder, count), other)
    for name in set(builder.initializers) - before:
        else_branch.initializer.append(builder.initializers.pop(name))

    builder.inputs.append(helper.make_tensor_value_info("condition", TensorProto.BOOL, []))
    builder.samples["condition"] = np.array(True)
    branches = {"then_branch": then_branch, "else_branch": else_branch}
    builder.nodes.append(helper.make_node("If", ["condition"], ["y"], name="if", **branches))
    builder.samples["y"] = builder.samples[chosen.name] = np.zeros(chosen.shape, np.uint8)
    y = Edge("y", chosen.quant, chosen.shape)
    builder.output(builder.q(builder.op("Sigmoid", [builder.dq(y)]), Quant(2.0**-7, 3)))
    return builder, builder.build()


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "as_written"])
@pytest.mark.parametrize("domain", ["", "com.amd.quark"], ids=["onnx", "quark"])
def test_branches(domain: str, optimize: bool) -> None:
    builder, model = conditional(domain)
    session = vaip_session(model, fallback=True, optimize=optimize)
    assert claimed_nodes(session).count("Conv") == 3
    assert [node.name for node in vaip.reports()[-1].unclaimed] == ["if"]
    node = next(node for node in model.graph.node if node.op_type == "If")
    branches = {attribute.name: attribute.g for attribute in node.attribute}
    for condition, branch in ((True, "then_branch"), (False, "else_branch")):
        feeds = {**builder.feeds(), "condition": np.array(condition)}
        expected = evaluate(in_place_of_the_if(model, branches[branch]), feeds)[model.graph.output[0].name]
        np.testing.assert_array_equal(run(session, feeds)[0], expected)


@pytest.mark.parametrize("trips", [0, 1, 4])
def test_loop(trips: int) -> None:
    """The state goes round as integers; the body adds the outer tensor to it each time."""
    builder = ModelBuilder(Style(power_of_two=True), seed=5)
    outer = builder.finish(builder.conv(builder.input((1, 4, 5, 5)), 4, [1, 1]), "Relu")
    count = len(builder.nodes)
    builder.samples["state"] = builder.sample(outer.name)
    state = Edge("state", outer.quant, outer.shape)
    convolved = builder.conv(state, 4, [3, 3], pads=[1, 1, 1, 1])
    following = builder.q(builder.op("Add", [convolved, builder.dq(outer)]), outer.quant)
    body = body_of("body", nodes_since(builder, count), following)
    step = onnx.GraphProto()
    step.CopyFrom(body)

    body.node.insert(0, helper.make_node("Identity", ["condition"], ["still"]))
    body.input.extend(
        [
            helper.make_tensor_value_info("iteration", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.UINT8, state.shape),
        ]
    )
    body.output.insert(0, helper.make_tensor_value_info("still", TensorProto.BOOL, []))
    builder.initializers["trips"] = numpy_helper.from_array(np.array(trips, np.int64), "trips")
    builder.nodes.append(helper.make_node("Loop", ["trips", "", outer.name], ["last"], name="loop", body=body))
    builder.samples["last"] = builder.samples["state"]
    builder.output(Edge("last", outer.quant, outer.shape))
    model, feeds = builder.build(), builder.feeds()

    before = onnx.ModelProto()
    before.CopyFrom(model)
    del before.graph.node[-1:]
    values = evaluate(before, feeds)
    expected = values[outer.name]
    once = helper.make_model(step, opset_imports=model.opset_import)
    once.graph.initializer.extend(model.graph.initializer)
    for _ in range(trips):
        expected = evaluate(once, {outer.name: values[outer.name], "state": expected})[following.name]

    session = vaip_session(model, fallback=True)
    if trips:  # onnxruntime may drop a body that never runs
        assert {"Conv", "Add"} <= set(claimed_nodes(session))
    np.testing.assert_array_equal(run(session, feeds)[0], expected)
    np.testing.assert_array_equal(run(cpu_session(model), feeds)[0], expected)
