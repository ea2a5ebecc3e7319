"""Dynamically quantized products and weights in blocks against the oracle, and onnxruntime's own quantizers' models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import vaip
from hypothesis import given
from hypothesis import strategies as st
from layer_kinds import examples
from onnx import TensorProto, helper, numpy_helper
from oracle import dynamic as oracle
from sessions import Tally, claimed_nodes, cpu_session, vaip_session

FLOAT, UINT8, INT8, INT32 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8, TensorProto.INT32


def model_of(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, tuple[int, list[int]]],
    outputs: dict[str, int],
    constants: dict[str, np.ndarray | onnx.TensorProto],
) -> onnx.ModelProto:
    initializers = []
    for name, value in constants.items():
        tensor = numpy_helper.from_array(value, name) if isinstance(value, np.ndarray) else value
        initializers.append(tensor)
    graph = helper.make_graph(
        nodes,
        "dynamic",
        [helper.make_tensor_value_info(name, dtype, shape) for name, (dtype, shape) in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, None) for name, dtype in outputs.items()],
        initializers,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)], ir_version=10
    )
    return onnx.shape_inference.infer_shapes(model)


def floats(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (rng.standard_normal(shape) * rng.uniform(0.01, 30)).astype(np.float32)


def draw_weight(
    data: st.DataObject, rng: np.random.Generator, shape: tuple[int, ...], channels: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stored integers, zero points and scales; each of the two for all or per channel."""
    dtype = data.draw(st.sampled_from((np.uint8, np.int8)))
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max + 1
    zero = rng.integers(low, high, (channels,) if data.draw(st.booleans()) else ()).astype(dtype)
    scale = rng.uniform(1e-3, 0.1, (channels,) if data.draw(st.booleans()) else ()).astype(np.float32)
    return rng.integers(low, high, shape).astype(dtype), zero, scale


def scaling_nodes(product: str, op: str, bias: str | None, *, reshaped: bool = False) -> list[onnx.NodeProto]:
    """What quantize_dynamic puts behind an integer product: y = float(product) * (scale * ws) + bias."""
    last = "scaled" if bias else "y"
    nodes = [
        helper.make_node("Cast", [product], ["real"], f"{op}_cast", to=FLOAT),
        helper.make_node("Mul", ["scale", "ws"], ["scales"], f"{op}_scales"),
        helper.make_node("Mul", ["real", "scales"], [last], f"{op}_scaled"),
    ]
    if bias:
        addend = "bias_reshaped" if reshaped else bias
        if reshaped:
            nodes.append(helper.make_node("Reshape", [bias, "bias_shape"], [addend]))
        nodes.append(helper.make_node("Add", [last, addend], ["y"], f"{op}_bias"))
    return nodes


@given(st.data())
@examples(60)
def test_dynamic_matmul(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    batch = tuple(data.draw(st.lists(st.integers(1, 3), max_size=2)))
    rows, depth, columns = (data.draw(st.integers(1, 40)) for _ in range(3))
    stored, zero, scale = draw_weight(data, rng, (depth, columns), columns)
    has_bias = data.draw(st.booleans())
    x, bias = floats(rng, (*batch, rows, depth)), floats(rng, (columns,))
    constants: dict[str, Any] = {"w": stored, "wz": zero, "ws": scale} | ({"bias": bias} if has_bias else {})
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"], "quantize"),
        helper.make_node("MatMulInteger", ["q", "w", "zero", "wz"], ["product"], "product"),
        *scaling_nodes("product", "MatMul", "bias" if has_bias else None),
    ]
    model = model_of(nodes, {"x": (FLOAT, list(x.shape))}, {"y": FLOAT}, constants)
    session = vaip_session(model, optimize=data.draw(st.booleans()))
    q, scale_a, zero_a = oracle.dynamic_quantize(x)
    total = oracle.matmul_integer(q, stored, int(zero_a), zero)
    tally = Tally()
    got = session.run(None, {"x": x})[0]
    tally.add(oracle.scaled(total, scale_a, scale, bias if has_bias else None), got, "y", equal=False)
    if stored.dtype == np.uint8:  # onnxruntime's products with int8 saturate on CPUs without VNNI
        np.testing.assert_allclose(got, cpu_session(model).run(None, {"x": x})[0], rtol=1e-5, atol=1e-4)


@given(st.data())
@examples(60)
def test_dynamic_conv(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    groups = data.draw(st.sampled_from((1, 1, 2, 4)))
    per_group, per_group_out = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 4))
    kernel = (data.draw(st.integers(1, 3)), data.draw(st.integers(1, 3)))
    attributes: dict[str, Any] = {
        "strides": tuple(data.draw(st.integers(1, 2)) for _ in range(2)),
        "pads": tuple(data.draw(st.integers(0, 2)) for _ in range(4)),
        "dilations": tuple(data.draw(st.integers(1, 2)) for _ in range(2)),
    }
    size = tuple(data.draw(st.integers(5, 9)) for _ in range(2))
    channels = groups * per_group_out
    stored, zero, scale = draw_weight(data, rng, (channels, per_group, *kernel), channels)
    zero = zero.reshape(-1)[0]  # onnxruntime executes one zero point only
    x = floats(rng, (data.draw(st.integers(1, 2)), groups * per_group, *size))
    has_bias, bias = data.draw(st.booleans()), floats(rng, (channels,))
    spread = scale.reshape(-1, 1, 1) if scale.ndim else scale
    constants: dict[str, Any] = {"w": stored, "wz": np.asarray(zero), "ws": spread}
    if has_bias:
        constants |= {"bias": bias, "bias_shape": np.array([1, -1, 1, 1], np.int64)}
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"], "quantize"),
        helper.make_node("ConvInteger", ["q", "w", "zero", "wz"], ["product"], "product", group=groups, **attributes),
        *scaling_nodes("product", "Conv", "bias" if has_bias else None, reshaped=True),
    ]
    model = model_of(nodes, {"x": (FLOAT, list(x.shape))}, {"y": FLOAT}, constants)
    session = vaip_session(model, optimize=data.draw(st.booleans()))
    q, scale_a, zero_a = oracle.dynamic_quantize(x)
    total = oracle.conv_integer(q, stored, int(zero_a), np.asarray(zero), groups=groups, **attributes)
    expected = oracle.scaled(total, scale_a, spread, bias.reshape(-1, 1, 1) if has_bias else None)
    Tally().add(expected, session.run(None, {"x": x})[0], "y", equal=False)


@pytest.mark.parametrize("read_by", ["products", "output", "another node"])
def test_products_of_equal_scales_share_their_product(read_by: str) -> None:
    """onnxruntime merges equal scales of weights, then the nodes that multiply them with that of the activations."""
    rng = np.random.default_rng(3)
    x = floats(rng, (6, 20))
    weights = {name: rng.integers(-128, 128, (20, 9)).astype(np.int8) for name in ("w0", "w1")}
    zero, scale = np.zeros((), np.int8), np.array(0.0173, np.float32)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"], "quantize"),
        helper.make_node("Mul", ["scale", "ws"], ["scales"], "scales"),
    ]
    for i, name in enumerate(weights):
        nodes += [
            helper.make_node("MatMulInteger", ["q", name, "zero", "wz"], [f"sum{i}"], f"product{i}"),
            helper.make_node("Cast", [f"sum{i}"], [f"real{i}"], f"cast{i}", to=FLOAT),
            helper.make_node("Mul", [f"real{i}", "scales"], [f"y{i}"], f"scaled{i}"),
        ]
    outputs = {"y0": FLOAT, "y1": FLOAT}
    if read_by == "output":
        outputs["scales"] = FLOAT
    if read_by == "another node":
        nodes.append(helper.make_node("Neg", ["scales"], ["negative"], "negative"))
        outputs["negative"] = FLOAT
    model = model_of(nodes, {"x": (FLOAT, list(x.shape))}, outputs, weights | {"wz": zero, "ws": scale})
    session = vaip_session(model, optimize=False, fallback=True)
    claimed = claimed_nodes(session)
    assert claimed.count("Mul") == (3 if read_by == "products" else 0)
    assert claimed.count("MatMulInteger") == 2
    got = session.run(None, {"x": x})
    q, scale_a, zero_a = oracle.dynamic_quantize(x)
    for i, weight in enumerate(weights.values()):
        total = oracle.matmul_integer(q, weight, int(zero_a), zero)
        Tally().add(oracle.scaled(total, scale_a, scale, None), got[i], f"y{i}", equal=False)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
@pytest.mark.parametrize("with_zero_points", [False, True])
def test_matmul_integer_alone_gives_int32(dtype: type, with_zero_points: bool) -> None:
    rng = np.random.default_rng(7)
    info = np.iinfo(dtype)
    a = rng.integers(info.min, info.max + 1, (3, 5, 300)).astype(dtype)
    b = rng.integers(-128, 128, (300, 9)).astype(np.int8)
    zero_a, zero_b = np.array(info.max - 3, dtype), rng.integers(-128, 128, 9).astype(np.int8)
    inputs = ["a", "b", "za", "zb"] if with_zero_points else ["a", "b"]
    constants: dict[str, Any] = {"b": b} | ({"zb": zero_b} if with_zero_points else {})
    feeds = {"a": a} | ({"za": zero_a} if with_zero_points else {})
    declared = {name: (helper.np_dtype_to_tensor_dtype(v.dtype), list(v.shape)) for name, v in feeds.items()}
    model = model_of([helper.make_node("MatMulInteger", inputs, ["y"], "m")], declared, {"y": INT32}, constants)
    got = vaip_session(model).run(None, feeds)[0]
    zeros = (int(zero_a), zero_b) if with_zero_points else (0, np.int8(0))
    np.testing.assert_array_equal(got, oracle.matmul_integer(a, b, zeros[0], np.asarray(zeros[1])).astype(np.int32))


@pytest.mark.parametrize("x", [np.zeros((2, 3)), np.full((2, 3), 5.0), -np.ones((2, 3)), np.array([[1e-30, -2e-30]])])
def test_dynamic_quantize_of_extreme_tensors(x: np.ndarray) -> None:
    x = x.astype(np.float32)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"], "quantize"),
        helper.make_node("MatMulInteger", ["q", "w", "zero"], ["y"], "m"),
    ]
    outputs = {"y": INT32, "q": UINT8, "scale": FLOAT, "zero": UINT8}
    weight = np.arange(x.shape[1] * 2, dtype=np.int8).reshape(-1, 2)
    model = model_of(nodes, {"x": (FLOAT, list(x.shape))}, outputs, {"w": weight})
    for got, expected in zip(
        vaip_session(model).run(None, {"x": x}), cpu_session(model).run(None, {"x": x}), strict=True
    ):
        np.testing.assert_array_equal(got, expected)


@given(st.data())
@examples(30)
def test_contrib_products(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    rows, depth, columns = (data.draw(st.integers(1, 40)) for _ in range(3))
    stored, zero, scale = draw_weight(data, rng, (depth, columns), columns)
    if zero.ndim != scale.ndim:  # onnxruntime wants as many of the one as of the other
        zero = np.full(scale.shape, zero.reshape(-1)[0])
    x, bias = floats(rng, (rows, depth)), floats(rng, (columns,))
    q, scale_a, zero_a = oracle.dynamic_quantize(x)
    constants = {"w": stored, "wz": zero, "ws": scale, "bias": bias}
    if data.draw(st.booleans()):
        node = helper.make_node(
            "DynamicQuantizeMatMul", ["x", "w", "ws", "wz", "bias"], ["y"], "m", domain="com.microsoft"
        )
        feeds: dict[str, Any] = {"x": x}
    else:
        inputs = ["q", "w", "sa", "ws", "za", "wz", "bias"]
        node = helper.make_node("MatMulIntegerToFloat", inputs, ["y"], "m", domain="com.microsoft")
        feeds = {"q": q, "sa": np.asarray(scale_a), "za": np.asarray(zero_a)}
    declared = {name: (helper.np_dtype_to_tensor_dtype(v.dtype), list(v.shape)) for name, v in feeds.items()}
    model = model_of([node], declared, {"y": FLOAT}, constants)
    expected = oracle.scaled(oracle.matmul_integer(q, stored, int(zero_a), zero), scale_a, scale, bias)
    Tally().add(expected, vaip_session(model).run(None, feeds)[0], "y", equal=False)


def pack(values: np.ndarray, bits: int) -> np.ndarray:
    """Unsigned integers along the last axis, the first in the lowest bits of a byte."""
    per_byte = 8 // bits
    padded = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, -values.shape[-1] % per_byte)])
    pieces = padded.reshape(*padded.shape[:-1], -1, per_byte).astype(np.uint32)
    return (pieces << (np.arange(per_byte, dtype=np.uint32) * bits)).sum(-1).astype(np.uint8)


@given(st.data())
@examples(60)
def test_matmul_nbits(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**31)))
    bits, block = data.draw(st.sampled_from((4, 8))), data.draw(st.sampled_from((16, 32, 64)))
    rows, columns = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 20))
    depth = data.draw(st.integers(1, 150))
    blocks = -(-depth // block)
    stored = rng.integers(0, 1 << bits, (columns, blocks * block))
    scale = rng.uniform(1e-3, 0.1, (columns, blocks)).astype(np.float32)
    zero = rng.integers(0, 1 << bits, (columns, blocks))
    x, bias = floats(rng, (rows, depth)), floats(rng, (columns,))
    has_zero, has_bias = data.draw(st.booleans()), data.draw(st.booleans())
    constants: dict[str, Any] = {"b": pack(stored, bits).reshape(columns, blocks, -1), "s": scale.reshape(-1)}
    if has_zero:
        constants["z"] = pack(zero, bits).reshape(-1)
    if has_bias:
        constants["bias"] = bias
    inputs = ["x", "b", "s", "z" if has_zero else "", "", "bias" if has_bias else ""]
    while not inputs[-1]:
        inputs.pop()
    node = helper.make_node(
        "MatMulNBits", inputs, ["y"], "m", domain="com.microsoft", K=depth, N=columns, bits=bits, block_size=block
    )
    model = model_of([node], {"x": (FLOAT, [rows, depth])}, {"y": FLOAT}, constants)
    zeros = zero if has_zero else np.full_like(zero, 1 << (bits - 1))
    weights = oracle.dequantize_blocks(stored[:, :depth], scale, zeros, block, 1)
    real = x.astype(np.float64) @ weights.T + (bias if has_bias else 0)
    largest = np.abs(x.astype(np.float64)) @ np.abs(weights.T) + 1
    got = vaip_session(model).run(None, {"x": x})[0]
    assert (np.abs(got - real) <= np.spacing(np.float32(1)) * (np.abs(real) + 1e-6 * largest)).all()


@pytest.mark.parametrize("dtype", [TensorProto.INT4, TensorProto.UINT4, TensorProto.INT8, TensorProto.UINT8])
@pytest.mark.parametrize("gemm", [False, True])
@pytest.mark.parametrize("with_zero_points", [False, True])
@pytest.mark.parametrize(("depth", "block"), [(96, 32), (80, 32), (37, 7)])
def test_blocked_weights(dtype: int, gemm: bool, with_zero_points: bool, depth: int, block: int) -> None:
    rng = np.random.default_rng(dtype)
    rows, columns = 3, 11
    low, high = {TensorProto.INT4: (-8, 8), TensorProto.UINT4: (0, 16), INT8: (-128, 128), UINT8: (0, 256)}[dtype]
    shape, axis = ((columns, depth), 1) if gemm else ((depth, columns), 0)
    grid = tuple(-(-n // block) if i == axis else n for i, n in enumerate(shape))
    stored, zero = rng.integers(low, high, shape), rng.integers(low, high, grid)
    scale = rng.uniform(1e-3, 0.1, grid).astype(np.float32)
    x, bias = floats(rng, (rows, depth)), floats(rng, (columns,))
    constants: dict[str, Any] = {"w": helper.make_tensor("w", dtype, shape, stored.reshape(-1).tolist()), "s": scale}
    if with_zero_points:
        constants["z"] = helper.make_tensor("z", dtype, grid, zero.reshape(-1).tolist())
    inputs = ["w", "s", "z"] if with_zero_points else ["w", "s"]
    nodes = [helper.make_node("DequantizeLinear", inputs, ["wf"], "dq", axis=axis, block_size=block)]
    if gemm:
        nodes.append(helper.make_node("Gemm", ["x", "wf", "bias"], ["y"], "m", transB=1, alpha=0.5, beta=2.0))
        constants["bias"] = bias
    else:
        nodes.append(helper.make_node("MatMul", ["x", "wf"], ["y"], "m"))
    model = model_of(nodes, {"x": (FLOAT, [rows, depth])}, {"y": FLOAT}, constants)
    weights = oracle.dequantize_blocks(stored, scale, zero if with_zero_points else None, block, axis)
    real = x.astype(np.float64) @ (weights.T if gemm else weights)
    if gemm:
        real = 0.5 * real + 2.0 * bias
    got = vaip_session(model, optimize=False).run(None, {"x": x})[0]
    np.testing.assert_allclose(got, real, rtol=1e-6, atol=1e-5)


def float_network(path: Path) -> None:
    rng = np.random.default_rng(3)
    constants = {
        "w1": floats(rng, (8, 3, 3, 3)),
        "b1": floats(rng, (8,)),
        "w2": floats(rng, (8 * 64, 32)),
        "w3": floats(rng, (32, 10)),
        "b3": floats(rng, (10,)),
        "flat": np.array([0, -1], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("Reshape", ["r", "flat"], ["f"], "flatten"),
        helper.make_node("MatMul", ["f", "w2"], ["h"], "hidden"),
        helper.make_node("MatMul", ["h", "w3"], ["o"], "out"),
        helper.make_node("Add", ["o", "b3"], ["y"], "add"),
    ]
    onnx.save(model_of(nodes, {"x": (FLOAT, [2, 3, 8, 8])}, {"y": FLOAT}, constants), path)


def test_models_of_quantize_dynamic(tmp_path: Path) -> None:
    """Every node that quantize_dynamic makes is taken; the model's own float operators stay, with a reason."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    float_network(tmp_path / "float.onnx")
    quantize_dynamic(tmp_path / "float.onnx", tmp_path / "dynamic.onnx", weight_type=QuantType.QUInt8, per_channel=True)
    model = onnx.load(tmp_path / "dynamic.onnx")
    session = vaip_session(model, fallback=True)
    claimed = claimed_nodes(session)
    assert claimed.count("MatMulInteger") == 2
    assert claimed.count("ConvInteger") == 1
    assert claimed.count("DynamicQuantizeLinear") == 3
    assert {n.op for n in vaip.reports()[-1].unclaimed} <= {"Relu", "Reshape"}
    x = floats(np.random.default_rng(4), (2, 3, 8, 8))
    got, expected = session.run(None, {"x": x})[0], cpu_session(model).run(None, {"x": x})[0]
    assert np.abs(got - expected).max() <= 1e-2 * np.abs(expected).max()


def test_weights_that_are_computed_are_a_reason() -> None:
    nodes = [helper.make_node("MatMulInteger", ["a", "b"], ["y"], "m")]
    model = model_of(nodes, {"a": (UINT8, [2, 3]), "b": (UINT8, [3, 4])}, {"y": INT32}, {})
    session = vaip_session(model, fallback=True)
    assert "weight `b` is not constant" in vaip.reports()[-1].unclaimed[0].reason
    assert claimed_nodes(session) == []
