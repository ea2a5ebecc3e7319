"""Float models on VitisAIEP: which layers run in bfloat16, how near they come to float64, what reports say of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.numpy_helper
import pytest
import vaip
from ep_models import CPU, convolution, session_of
from models import ModelBuilder, Style
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator
from oracle import evaluate
from sessions import claimed_nodes, cpu_session, vaip_session

Array = np.ndarray
ELEMENT_TYPES = {
    np.dtype(np.float32): TensorProto.FLOAT,
    np.dtype(np.float16): TensorProto.FLOAT16,
    np.dtype(np.int32): TensorProto.INT32,
}


def to_bf16(x: Array) -> Array:
    """The nearest bfloat16 numbers, ties to even, as float64."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)).view(np.float32).astype(np.float64)


class FloatModel:
    """A model of one or a few nodes with random weights; `kept` are the biases that are not rounded."""

    def __init__(self, dtype: Any = np.float32, opset: int = 20) -> None:
        self.dtype = np.dtype(dtype)
        self.opset = opset
        self.random = np.random.default_rng(7)
        self.nodes: list[onnx.NodeProto] = []
        self.inputs: dict[str, Array] = {}
        self.weights: dict[str, Array] = {}
        self.kept: set[str] = set()

    def input(self, shape: list[int], low: float | None = None) -> str:
        name = f"x{len(self.inputs)}"
        x = self.random.standard_normal(shape) if low is None else self.random.uniform(low, low + 2, shape)
        self.inputs[name] = x.astype(self.dtype)
        return name

    def mask(self, shape: list[int]) -> str:
        """Of integers; the first key is always seen."""
        name = self.indices(shape, 2)
        self.inputs[name][..., 0] = 1
        return name

    def indices(self, shape: list[int], below: int) -> str:
        name = f"x{len(self.inputs)}"
        self.inputs[name] = self.random.integers(0, below, shape).astype(np.int32)
        return name

    def weight(self, shape: list[int], *, kept: bool = False) -> str:
        name = f"w{len(self.weights)}"
        self.weights[name] = self.random.standard_normal(shape).astype(self.dtype)
        if kept:
            self.kept.add(name)
        return name

    def op(self, op_type: str, inputs: list[str], domain: str = "", **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op_type, inputs, [name], name=f"n_{name}", domain=domain or None, **attributes)
        )
        return name

    def build(self, output: str, *, double: bool = False) -> onnx.ModelProto:
        """With `double`, the float64 model of the rounded weights: the oracle's."""

        def element_type(dtype: Any) -> int:
            return TensorProto.DOUBLE if double else ELEMENT_TYPES[np.dtype(dtype)]

        def stored(name: str, value: Array) -> Array:
            if not double:
                return value
            return value.astype(np.float64) if name in self.kept else to_bf16(value)

        graph = helper.make_graph(
            self.nodes,
            "float",
            [helper.make_tensor_value_info(name, element_type(x.dtype), x.shape) for name, x in self.inputs.items()],
            [helper.make_tensor_value_info(output, element_type(self.dtype), None)],
            [onnx.numpy_helper.from_array(stored(name, value), name) for name, value in self.weights.items()],
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=9)

    def expected(self, output: str) -> Array:
        evaluator = ReferenceEvaluator(self.build(output, double=True))
        return evaluator.run(None, {name: to_bf16(x) for name, x in self.inputs.items()})[0]

    def computed(self, output: str, **options: str) -> Array:
        """Asked for, as a model without weights is not converted by itself."""
        session = vaip_session(self.build(output), {"enable_f32_to_bf16_conversion": "1", **options})
        return session.run(None, self.inputs)[0]


def conv(m: FloatModel) -> str:
    bias = m.weight([12], kept=True)
    return m.op("Conv", [m.input([2, 6, 13, 11]), m.weight([12, 6, 3, 3]), bias], pads=[1, 1, 1, 1], strides=[2, 1])


def depthwise(m: FloatModel) -> str:
    return m.op("Conv", [m.input([1, 24, 9, 9]), m.weight([24, 1, 3, 3])], group=24)


def transposed(m: FloatModel) -> str:
    return m.op("ConvTranspose", [m.input([1, 8, 5, 6]), m.weight([8, 4, 2, 2])], strides=[2, 2])


def gemm(m: FloatModel) -> str:
    return m.op("Gemm", [m.input([7, 33]), m.weight([19, 33]), m.weight([19], kept=True)], transB=1)


def projection(m: FloatModel) -> str:
    return m.op("MatMul", [m.input([2, 5, 32]), m.weight([32, 24])])


def scores(m: FloatModel) -> str:
    return m.op("MatMul", [m.input([2, 3, 9, 16]), m.input([2, 3, 16, 11])])


def add(m: FloatModel) -> str:
    return m.op("Add", [m.input([2, 5, 8]), m.input([5, 1])])


def divide(m: FloatModel) -> str:
    return m.op("Div", [m.input([2, 5, 8]), m.input([2, 5, 8], low=1.0)])


def softmax(m: FloatModel) -> str:
    return m.op("Softmax", [m.input([2, 4, 33])], axis=-1)


def layer_norm(m: FloatModel) -> str:
    return m.op(
        "LayerNormalization", [m.input([2, 5, 48]), m.weight([48], kept=True), m.weight([48], kept=True)], epsilon=1e-5
    )


def instance_norm(m: FloatModel) -> str:
    return m.op("InstanceNormalization", [m.input([2, 6, 7, 8]), m.weight([6], kept=True), m.weight([6], kept=True)])


def gelu(m: FloatModel) -> str:
    return m.op("Gelu", [m.input([3, 50])])


def reduce_mean(m: FloatModel) -> str:
    return m.op("GlobalAveragePool", [m.input([2, 6, 7, 8])])


def max_pool(m: FloatModel) -> str:
    return m.op("MaxPool", [m.input([1, 4, 9, 9])], kernel_shape=[3, 3], strides=[2, 2])


PRODUCTS = [conv, depthwise, transposed, gemm, projection, scores]
OTHERS = [add, divide, softmax, layer_norm, instance_norm, gelu, reduce_mean, max_pool]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("layer", PRODUCTS)
def test_products_are_within_the_bound_of_their_terms(layer: Any, dtype: Any) -> None:
    m = FloatModel(dtype)
    out = layer(m)
    expected, result = m.expected(out), m.computed(out)
    magnitude = FloatModel(dtype)  # the same product of absolute values: what an error is measured against
    layer(magnitude)
    magnitude.inputs = {name: np.abs(x) for name, x in m.inputs.items()}
    magnitude.weights = {name: np.abs(w) for name, w in m.weights.items()}
    assert result.dtype == dtype
    assert np.all(np.abs(result - expected) <= 2.0**-8 * magnitude.expected(out))


@pytest.mark.parametrize("layer", OTHERS)
def test_other_layers_are_rounded_once(layer: Any) -> None:
    m = FloatModel()
    out = layer(m)
    expected, result = m.expected(out), m.computed(out)
    np.testing.assert_array_equal(result, to_bf16(result), "the result is a bfloat16 number")
    # half a step of 8 bits, and what float32 loses on the way
    assert np.all(np.abs(result - expected) <= np.abs(expected) * (2.0**-8 + 1e-5) + 1e-6)


def small_network(m: FloatModel) -> str:
    x = m.op("Relu", [conv(m)])
    x = m.op("Flatten", [m.op("GlobalAveragePool", [x])])
    return m.op("Softmax", [m.op("Gemm", [x, m.weight([12, 10]), m.weight([10], kept=True)])])


def test_the_option_decides_which_layers_are_claimed() -> None:
    m = FloatModel()
    model = m.build(small_network(m))
    claimed = {
        choice: claimed_nodes(vaip_session(model, options, fallback=True))
        for choice, options in {
            "absent": {},
            "true": {"enable_f32_to_bf16_conversion": "true"},
            "false": {"enable_f32_to_bf16_conversion": "false"},
        }.items()
    }
    assert len(claimed["absent"]) == len(claimed["true"]) == len(model.graph.node)
    assert claimed["false"] == []


def test_the_report_says_that_the_model_was_converted() -> None:
    m = FloatModel()
    model = m.build(small_network(m))
    report = vaip.simulate(model)
    assert report.bf16_conversion
    assert {layer.dtype for layer in report.layers} == {"bfloat16", "float"}
    assert [layer.op for layer in report.layers if layer.dtype == "float"] == ["Cast"]  # to the model's output
    assert "float layers converted to BF16" in str(report)
    off = vaip.simulate(model, options={"enable_f32_to_bf16_conversion": "false"})
    assert not off.bf16_conversion
    assert off.nodes.ipu == 0


def test_a_dynamic_batch_is_compiled_per_shape() -> None:
    m = FloatModel()
    out = small_network(m)
    model = m.build(out)
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    session = vaip_session(model)
    for batch in (1, 3, 2):
        x = m.random.standard_normal([batch, 6, 13, 11]).astype(np.float32)
        m.inputs = {"x0": x}
        np.testing.assert_allclose(session.run(None, m.inputs)[0], m.expected(out), atol=0.02)
    cluster = vaip.reports()[-1].clusters[0]
    assert cluster.programs == 3
    assert cluster.compile_ms > 0


def test_a_context_keeps_the_conversion(tmp_path: Path) -> None:
    """It was claimed with float layers, whatever the option says when it is loaded."""
    m = FloatModel()
    model = m.build(small_network(m))
    path = tmp_path / "float_ctx.onnx"
    config = {"ep.context_enable": "1", "ep.context_embed_mode": "1", "ep.context_file_path": str(path)}
    expected = session_of(model, ["VitisAIEP", CPU], config).run(None, m.inputs)[0]
    for choice in ("true", "false"):
        loaded = session_of(str(path), [("VitisAIEP", {"enable_f32_to_bf16_conversion": choice}), CPU])
        assert claimed_nodes(loaded) == ["EPContext"]
        np.testing.assert_array_equal(loaded.run(None, m.inputs)[0], expected)


def island() -> ModelBuilder:
    """A quantized convolution, a float Gelu behind it that nothing quantizes, and a quantized pool."""
    builder = ModelBuilder(Style(power_of_two=True, float_edges=True, opset=20), seed=5)
    convolved = builder.dq(convolution(builder))
    gelu = builder.op("Gelu", [builder.op("Abs", [convolved])])
    builder.output(builder.q(builder.op("GlobalAveragePool", [builder.dq(builder.q(gelu))])))
    return builder


def test_quantized_models_stay_as_they_are_unless_asked() -> None:
    builder = island()
    model, feeds = builder.build(), builder.feeds()
    exact = evaluate(model, feeds)[model.graph.output[0].name]
    absent = vaip_session(model, fallback=True).run(None, feeds)[0]
    np.testing.assert_array_equal(absent, exact)
    forced = {"enable_f32_to_bf16_conversion": "true"}
    result = vaip_session(model, forced).run(None, feeds)[0]
    assert np.max(np.abs(result - exact)) <= 2.0**-6 * np.max(np.abs(exact))
    types = {layer.op: layer.dtype for layer in vaip.simulate(model, options=forced).layers}
    assert types["Abs"] == "bfloat16"


# ---- operators that onnxruntime fuses, against its own kernels ----

MICROSOFT = "com.microsoft"


def attention(m: FloatModel, mask: list[int], **attributes: Any) -> str:
    inputs = [m.input([2, 6, 16]), m.weight([16, 48]), m.weight([48], kept=True), m.mask(mask)]
    return m.op("Attention", inputs, MICROSOFT, num_heads=4, **attributes)


def multi_head_attention(m: FloatModel) -> str:
    q, k, v = m.input([2, 6, 16]), m.input([2, 9, 16]), m.input([2, 9, 16])
    return m.op("MultiHeadAttention", [q, k, v, m.weight([48])], MICROSOFT, num_heads=2)


def skip_layer_norm(m: FloatModel) -> str:
    inputs = [m.input([2, 5, 16]), m.input([2, 5, 16]), m.weight([16]), m.weight([16]), m.weight([16])]
    return m.op("SkipLayerNormalization", inputs, MICROSOFT, epsilon=1e-5)


def skip_rms_norm(m: FloatModel) -> str:
    inputs = [m.input([2, 5, 16]), m.input([2, 5, 16]), m.weight([16])]
    return m.op("SkipSimplifiedLayerNormalization", inputs, MICROSOFT, epsilon=1e-5)


def embeddings(m: FloatModel) -> str:
    ids, segments = m.indices([2, 6], 30), m.indices([2, 6], 2)
    tables = [m.weight([30, 16]), m.weight([12, 16]), m.weight([2, 16])]
    inputs = [ids, segments, *tables, m.weight([16]), m.weight([16])]
    name = m.op("EmbedLayerNormalization", inputs, MICROSOFT, epsilon=1e-5)
    m.nodes[-1].output.append("mask_index")
    return name


FUSED = {
    "attention": lambda m: attention(m, [2, 6]),
    "attention_mask_per_query": lambda m: attention(m, [2, 6, 6]),
    "attention_causal": lambda m: attention(m, [2, 6], unidirectional=1),
    "multi_head_attention": multi_head_attention,
    "skip_layer_norm": skip_layer_norm,
    "skip_rms_norm": skip_rms_norm,
    "embeddings": embeddings,
    "bias_gelu": lambda m: m.op("BiasGelu", [m.input([3, 16]), m.weight([16])], MICROSOFT),
    "fast_gelu": lambda m: m.op("FastGelu", [m.input([3, 16]), m.weight([16])], MICROSOFT),
    "quick_gelu": lambda m: m.op("QuickGelu", [m.input([3, 16])], MICROSOFT),
    "fused_matmul": lambda m: m.op(
        "FusedMatMul", [m.input([2, 5, 16]), m.weight([8, 16])], MICROSOFT, transB=1, alpha=0.125
    ),
    "fused_gemm": lambda m: m.op(
        "FusedGemm", [m.input([5, 16]), m.weight([16, 8]), m.weight([8], kept=True)], MICROSOFT, activation="Relu"
    ),
    "fused_conv": lambda m: m.op(
        "FusedConv",
        [m.input([1, 4, 7, 7]), m.weight([6, 4, 3, 3]), m.weight([6], kept=True)],
        MICROSOFT,
        activation="LeakyRelu",
        activation_params=[0.25],
    ),
}


@pytest.mark.parametrize("fused", FUSED.values(), ids=FUSED.keys())
def test_fused_operators_compute_what_onnxruntime_does(fused: Any) -> None:
    m = FloatModel()
    out = fused(m)
    for name, weight in m.weights.items():
        if name not in m.kept:
            m.weights[name] = to_bf16(weight).astype(np.float32)
    m.inputs = {n: to_bf16(x).astype(np.float32) if x.dtype == np.float32 else x for n, x in m.inputs.items()}
    model = m.build(out)
    expected = cpu_session(model).run(None, m.inputs)[0]
    result = vaip_session(model, {"enable_f32_to_bf16_conversion": "1"}).run(None, m.inputs)[0]
    assert np.max(np.abs(result - expected)) <= 2.0**-6 * np.max(np.abs(expected))
