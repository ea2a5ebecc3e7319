"""Q and DQ as quantizers and exporters write them: all of it claimed, all of it exact, with and without onnxruntime's
optimizations before it; and what cannot be claimed has a reason and stays right."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
import vaip
from models import QUANTIZE, Edge, ModelBuilder, Quant, Style
from onnx import TensorProto, helper
from oracle import evaluate
from sessions import claimed_nodes, run, vaip_session

Rewrite = Callable[[onnx.ModelProto], None]

PAIR = QUANTIZE | {name.replace("Quantize", "Dequantize") for name in QUANTIZE}


def new_builder(**style: object) -> ModelBuilder:
    return ModelBuilder(Style(power_of_two=True, **style), seed=3)


def network(b: ModelBuilder, *, per_channel: bool = True) -> None:
    x = b.finish(b.conv(b.input((1, 3, 6, 6)), 8, [3, 3], per_channel=per_channel), "Relu6")
    b.output(b.q(b.op("Add", [b.dq(x), b.dq(x)])))


# ---- the same network, written in other ways ----


def constant_nodes(model: onnx.ModelProto) -> None:
    """Scales, zero points, weights and biases from Constant nodes."""
    nodes = [helper.make_node("Constant", [], [t.name], value=t) for t in model.graph.initializer]
    nodes += model.graph.node
    del model.graph.initializer[:]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def parameters_of_rank_1(model: onnx.ModelProto) -> None:
    for tensor in model.graph.initializer:
        if not tensor.dims:
            tensor.dims.append(1)


def parameters_of_both_ranks(model: onnx.ModelProto) -> None:
    """A Q with scalars and its DQ with [1]."""
    for node in model.graph.node:
        if node.op_type in QUANTIZE:
            for tensor in model.graph.initializer:
                if tensor.name in node.input[1:] and not tensor.dims:
                    tensor.dims.append(1)


def no_zero_points(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type in PAIR:
            del node.input[2:]


def empty_zero_points(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if node.op_type in PAIR:
            node.input[2:] = [""]


def shared_parameters(model: onnx.ModelProto) -> None:
    """One initializer for all equal ones, as onnx's optimizers leave it."""
    first: dict[bytes, str] = {}
    renamed = {}
    for tensor in model.graph.initializer:
        key = bytes(str((tensor.data_type, list(tensor.dims))), "ascii") + tensor.raw_data
        renamed[tensor.name] = first.setdefault(key, tensor.name)
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]


REWRITES: dict[str, Rewrite] = {
    f.__name__: f
    for f in (
        constant_nodes,
        parameters_of_rank_1,
        parameters_of_both_ranks,
        no_zero_points,
        empty_zero_points,
        shared_parameters,
    )
}


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "as_written"])
@pytest.mark.parametrize("rewrite", REWRITES)
def test_the_same_network_written_otherwise(rewrite: str, optimize: bool) -> None:
    b = new_builder(zero_point="lowest" if "zero_points" in rewrite else "asymmetric")
    network(b, per_channel=rewrite != "parameters_of_rank_1")
    model, feeds = b.build(), b.feeds()
    expected = evaluate(model, feeds)[model.graph.output[0].name]
    REWRITES[rewrite](model)
    session = vaip_session(model, optimize=optimize)
    np.testing.assert_array_equal(run(session, feeds)[0], expected)


# ---- networks ----


def equal_pairs(b: ModelBuilder) -> None:
    x = b.finish(b.conv(b.input((1, 3, 6, 6)), 8, [3, 3]), "Relu")
    for _ in range(3):
        x = b.q(b.dq(x), x.quant)
    b.output(b.finish(b.dq(x), "Sigmoid"))


def a_shared_dequantize(b: ModelBuilder) -> None:
    x = b.dq(b.finish(b.conv(b.input((1, 3, 6, 6)), 8, [3, 3]), "Relu"))
    b.output(b.q(b.op("Add", [x, x])))
    b.output(b.q(b.op("Mul", [x, x])))
    b.output(b.q(b.op("Sigmoid", [x])))
    b.float_output(x)


def a_dequantize_per_reader(b: ModelBuilder) -> None:
    x = b.finish(b.conv(b.input((1, 3, 6, 6)), 8, [3, 3]), "Relu")
    b.output(b.q(b.op("Add", [b.dq(x), b.dq(x)])))
    b.output(b.q(b.op("Sigmoid", [b.dq(x)])))


def two_quantizations_of_one_result(b: ModelBuilder) -> None:
    x = b.op("Relu", [b.conv(b.input((1, 3, 6, 6)), 8, [3, 3])])
    b.output(b.q(x))
    b.output(b.q(x, Quant(0.125, 0, "int8")))


def identities(b: ModelBuilder) -> None:
    x = b.op("Identity", [b.conv(b.input((1, 3, 6, 6)), 8, [3, 3])])
    x = b.q(b.op("Relu", [x]))
    x = Edge(b.op("Identity", [x.name]), x.quant, x.shape)
    b.output(b.q(b.op("Sigmoid", [b.op("Identity", [b.dq(x)])])))


def dropout(b: ModelBuilder) -> None:
    x = b.q(b.op("Relu", [b.conv(b.input((1, 3, 6, 6)), 8, [3, 3])]))
    b.output(b.q(b.op("Sigmoid", [b.op("Dropout", [b.dq(x)])])))


def a_bias_added_behind_a_product(b: ModelBuilder) -> None:
    product = b.matmul(b.input((3, 6)), 8)
    b.output(b.q(b.op("Add", [product, b.quantized_constant((8,))[0]])))


def a_float_bias_behind_a_product(b: ModelBuilder) -> None:
    product = b.matmul(b.input((3, 6)), 8)
    b.output(b.q(b.op("Add", [product, b.constant(np.arange(8) / 64)])))


def sums(b: ModelBuilder) -> None:
    x, y, z = (b.input(shape) for shape in ((1, 3, 6, 6), (1, 3, 6, 6), (3, 1, 1)))
    b.output(b.q(b.op("Sum", [b.dq(x), b.dq(y), b.dq(z)])))
    b.output(b.q(b.op("Sum", [b.dq(x)])))


def weights_quantized_in_the_graph(b: ModelBuilder) -> None:
    for axis, channels in ((None, 1), (0, 8)):
        scale, zero = 2.0 ** -np.arange(4.0, 4 + channels), np.zeros(channels)
        parameters = [
            b.constant(scale if axis == 0 else scale[0]),
            b.constant(zero if axis == 0 else zero[0], "int8"),
        ]
        weights = b.constant(b.rng.normal(0, 0.5, (8, 3, 3, 3)))
        q = b.op("QuantizeLinear", [weights, *parameters], axis=axis)
        weights = b.op("DequantizeLinear", [q, *parameters], axis=axis)
        b.output(b.q(b.op("Conv", [b.dq(b.input((1, 3, 6, 6))), weights])))


def scalar_factors(b: ModelBuilder) -> None:
    x = b.input((1, 3, 6, 6))
    b.output(b.q(b.op("Mul", [b.dq(x), b.constant(0.25)])))
    b.output(b.q(b.op("Div", [b.dq(x), b.constant([4.0])])))


def biases(b: ModelBuilder) -> None:
    for bias in ("none", "float32", "int32"):
        b.output(b.finish(b.conv(b.input((1, 3, 6, 6)), 8, [3, 3], bias=bias, per_channel=True), "Relu"))
        b.output(b.finish(b.gemm(b.input((3, 6)), 8, bias=bias), "Relu"))


NETWORKS: dict[str, Callable[[ModelBuilder], None]] = {
    f.__name__: f
    for f in (
        equal_pairs, a_shared_dequantize, a_dequantize_per_reader, two_quantizations_of_one_result, identities, dropout,
        a_bias_added_behind_a_product, a_float_bias_behind_a_product, sums, weights_quantized_in_the_graph,
        scalar_factors, biases,
    )
}  # fmt: skip


@pytest.mark.parametrize("optimize", [True, False], ids=["optimized", "as_written"])
@pytest.mark.parametrize("name", NETWORKS)
def test_network(name: str, optimize: bool) -> None:
    b = new_builder()
    NETWORKS[name](b)
    model, feeds = b.build(), b.feeds()
    expected = evaluate(model, feeds)
    session = vaip_session(model, optimize=optimize)
    for output, got in zip(model.graph.output, run(session, feeds), strict=True):
        np.testing.assert_array_equal(got, expected[output.name], err_msg=output.name)


@pytest.mark.parametrize("per_channel", [False, True], ids=["per_tensor", "per_channel"])
@pytest.mark.parametrize("reader", ["output", "cast"])
def test_weights_quantized_in_the_graph_for_others_too(reader: str, per_channel: bool) -> None:
    """The layer takes them in, and their integers are a result of the cluster besides."""
    b = new_builder()
    count = 8 if per_channel else ()
    axis = 0 if per_channel else None
    parameters = [b.constant(b.rng.uniform(0.01, 0.02, count)), b.constant(np.full(count, 3), "int8")]
    q = b.op("QuantizeLinear", [b.constant(b.rng.normal(0, 0.5, (8, 3, 3, 3))), *parameters], axis=axis)
    weights = b.op("DequantizeLinear", [q, *parameters], axis=axis)
    b.output(b.q(b.op("Conv", [b.dq(b.input((1, 3, 6, 6))), weights])))
    b.plain_output(b.plain(q if reader == "output" else b.op("Cast", [q], to=TensorProto.INT32)))
    model, feeds = b.build(), b.feeds()
    expected = evaluate(model, feeds)
    session = vaip_session(model, fallback=True, optimize=False)
    assert claimed_nodes(session).count("QuantizeLinear") == 2
    for output, got in zip(model.graph.output, run(session, feeds), strict=True):
        np.testing.assert_array_equal(got, expected[output.name], err_msg=output.name)


def test_requantization() -> None:
    """DQ then Q of other parameters, and of another type, in a row. (onnxruntime's optimizer merges such pairs.)"""
    b = new_builder()
    x = b.finish(b.conv(b.input((1, 3, 6, 6)), 8, [3, 3]), "Relu")
    x = b.q(b.dq(x), Quant(x.quant.scale * 2, 5, "uint8"))
    x = b.q(b.dq(x), Quant(x.quant.scale / 4, 3, "int8"))
    b.output(b.finish(b.dq(x), "Sigmoid"))
    model, feeds = b.build(), b.feeds()
    session = vaip_session(model, optimize=False)
    np.testing.assert_array_equal(run(session, feeds)[0], evaluate(model, feeds)[model.graph.output[0].name])


def test_identities_of_constants_in_a_file() -> None:
    """onnxruntime removes them before it asks a provider; the simulator reads the file itself."""
    b = new_builder()
    network(b)
    model = b.build()
    before = vaip.simulate(model.SerializeToString())
    for node in list(model.graph.node):
        if node.op_type == "DequantizeLinear" and node.input[0] in {t.name for t in model.graph.initializer}:
            copies = [helper.make_node("Identity", [name], [name + "_copy"]) for name in node.input]
            node.input[:] = [name + "_copy" for name in node.input]
            nodes = copies + list(model.graph.node)
            del model.graph.node[:]
            model.graph.node.extend(nodes)
    after = vaip.simulate(model.SerializeToString())
    assert not after.unclaimed
    assert after.latency_ms == before.latency_ms


# ---- what is not claimed ----


def two_meanings(b: ModelBuilder) -> None:
    x = b.input((1, 3, 6, 6))
    other = Edge(x.name, Quant(x.quant.scale * 2, x.quant.zero_point), x.shape)
    b.output(b.q(b.op("Sigmoid", [b.dq(x)])))
    b.output(b.q(b.op("Tanh", [b.dq(other)])))


def another_meaning_than_it_was_made_with(b: ModelBuilder) -> None:
    x = b.finish(b.conv(b.input((1, 3, 6, 6)), 8, [3, 3]), "Relu")
    b.output(b.q(b.op("Tanh", [b.dq(Edge(x.name, Quant(x.quant.scale * 2, 0), x.shape))])))


def scales_per_channel_of_an_addend(b: ModelBuilder) -> None:
    b.output(b.q(b.op("Add", [b.dq(b.input((1, 3, 6, 6))), b.quantized_constant((1, 3, 1, 1), axis=1)[0]])))
    b.output(b.finish(b.dq(b.input((1, 3))), "Sigmoid"))


def scales_that_are_computed(b: ModelBuilder) -> None:
    x = b.input((1, 3, 6, 6))
    b.inputs.append(helper.make_tensor_value_info("scale", 1, []))
    b.samples["scale"] = np.float32(0.25)
    real = b.op("DequantizeLinear", [x.name, "scale", b.constant(3, "uint8")])
    b.output(b.q(b.op("Tanh", [real])))
    b.output(b.finish(b.dq(b.input((1, 3))), "Sigmoid"))


UNCLAIMED: dict[str, tuple[Callable[[ModelBuilder], None], str]] = {
    f.__name__: (f, reason)
    for f, reason in (
        (two_meanings, "its scale or zero point differs from that of"),
        (another_meaning_than_it_was_made_with, "its scale or zero point differs from that of"),
        (scales_per_channel_of_an_addend, "per-channel parameters of the constant"),
        (scales_that_are_computed, "scale `scale` is not a constant"),
    )
}


@pytest.mark.parametrize("name", UNCLAIMED)
def test_what_is_not_claimed_has_a_reason(name: str) -> None:
    build, reason = UNCLAIMED[name]
    b = new_builder()
    build(b)
    model, feeds = b.build(), b.feeds()
    session = vaip_session(model, fallback=True)
    assert claimed_nodes(session)
    assert any(reason in node.reason for node in vaip.reports()[-1].unclaimed)
    expected = evaluate(model, feeds)
    for output, got in zip(model.graph.output, run(session, feeds), strict=True):
        np.testing.assert_array_equal(got, expected[output.name])
