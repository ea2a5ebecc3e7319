"""Small float networks for quantizers: one per operator that onnxruntime's and AMD's quantizers have a rule for.

Each has the operator between layers that compute, as quantizers and VitisAIEP find it in real models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, ValueInfoProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader

Arrays = dict[str, np.ndarray]


class FloatNetwork:
    """A graph in the making; values are named by the operator that gives them."""

    def __init__(self, opset: int = 17) -> None:
        self.rng = np.random.default_rng(0)
        self.opset = opset
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self.inputs: dict[str, tuple[tuple[int, ...], Callable[[np.random.Generator], np.ndarray]]] = {}
        self.outputs: list[str] = []

    def input(self, *shape: int, below: int | None = None) -> str:
        """Normal numbers, or int64 indices from 0 on."""
        name = f"input{len(self.inputs)}"
        if below is None:
            self.inputs[name] = (shape, lambda rng: rng.normal(size=shape).astype(np.float32))
        else:
            self.inputs[name] = (shape, lambda rng: rng.integers(0, below, shape))
        return name

    def constant(self, values: Any, dtype: str = "float32") -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(values, dtype), f"c{len(self.initializers)}"))
        return self.initializers[-1].name

    def weights(self, *shape: int, spread: float = 0.3, middle: float = 0.0) -> str:
        return self.constant(self.rng.normal(middle, spread, shape))

    def node(self, op: str, inputs: list[str], count: int = 1, **attributes: Any) -> list[str]:
        names = [f"{op.lower()}{len(self.nodes)}_{i}" for i in range(count)]
        self.nodes.append(helper.make_node(op, inputs, names, name=f"{op}{len(self.nodes)}", **attributes))
        return names

    def op(self, op: str, *inputs: str, **attributes: Any) -> str:
        return self.node(op, list(inputs), **attributes)[0]

    def microsoft(self, op: str, *inputs: str, count: int = 1, **attributes: Any) -> str:
        return self.node(op, list(inputs), count, domain="com.microsoft", **attributes)[0]

    def conv(self, x: str, fan_in: int, filters: int, kernel: int = 3, **attributes: Any) -> str:
        w = self.weights(filters, fan_in // attributes.get("group", 1), kernel, kernel)
        return self.op("Conv", x, w, self.weights(filters), pads=[kernel // 2] * 4, **attributes)

    def dense(self, x: str, fan_in: int, columns: int) -> str:
        return self.op("MatMul", x, self.weights(fan_in, columns))

    def build(self) -> ModelProto:
        integers = {name for node in self.nodes if node.op_type in ("ArgMax", "ArgMin") for name in node.output}
        integers |= {name for name, values in self.feeds(0).items() if values.dtype.kind == "i"}

        def value(name: str, shape: tuple[int, ...] | None) -> ValueInfoProto:
            elem_type = TensorProto.INT64 if name in integers else TensorProto.FLOAT
            return helper.make_tensor_value_info(name, elem_type, shape)

        opsets = [helper.make_opsetid("", self.opset)]
        if any(node.domain for node in self.nodes):
            opsets.append(helper.make_opsetid("com.microsoft", 1))
        graph = helper.make_graph(
            self.nodes,
            "network",
            [value(name, shape) for name, (shape, _) in self.inputs.items()],
            [value(name, None) for name in self.outputs or self.nodes[-1].output[:1]],
            self.initializers,
        )
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def feeds(self, seed: int) -> Arrays:
        rng = np.random.default_rng(seed)
        return {name: give(rng) for name, (_, give) in self.inputs.items()}


def _image(n: FloatNetwork, channels: int = 8, size: int = 8) -> str:
    """A first convolution."""
    return n.conv(n.input(2, 3, size, size), 3, channels)


def _tokens(n: FloatNetwork, width: int = 16) -> str:
    """A first product."""
    return n.dense(n.input(2, 6, 12), 12, width)


def _head(n: FloatNetwork, x: str, channels: int = 8) -> None:
    """A last convolution."""
    n.conv(x, channels, 4, 1)


def argmax(n: FloatNetwork) -> None:
    n.op("ArgMax", _image(n), axis=1, keepdims=0)


def _activation(op: str, **attributes: Any) -> Callable[[FloatNetwork], None]:
    def network(n: FloatNetwork) -> None:
        _head(n, n.op(op, _image(n), **attributes))

    return network


def clip(n: FloatNetwork) -> None:
    x = n.op("Clip", _image(n), n.constant(0.0), n.constant(6.0))
    x = n.op("Clip", n.conv(x, 8, 8), n.constant(-0.5), n.constant(2.0))
    _head(n, n.op("Clip", n.conv(x, 8, 8), "", n.constant(1.0)))


def prelu(n: FloatNetwork) -> None:
    _head(n, n.op("PRelu", _image(n), n.weights(8, 1, 1)))


def two_relus(n: FloatNetwork) -> None:
    """Of one tensor that another layer reads too."""
    x = _image(n)
    _head(n, n.op("Add", n.op("Relu", x), n.op("Relu", n.conv(x, 8, 8))))


def relu_of_the_input(n: FloatNetwork) -> None:
    _head(n, n.op("Relu", n.input(1, 8, 4, 4)))


def swish(n: FloatNetwork) -> None:
    x = _image(n)
    _head(n, n.op("Mul", x, n.op("Sigmoid", x)))


def swish_of_hard_sigmoid(n: FloatNetwork) -> None:
    x = _image(n)
    _head(n, n.op("Mul", x, n.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)))


def hard_swish_by_clip(n: FloatNetwork) -> None:
    x = _image(n)
    bounds = [n.constant(0.0), n.constant(6.0)]
    gate = n.op("Div", n.op("Clip", n.op("Add", x, n.constant(3.0)), *bounds), n.constant(6.0))
    _head(n, n.op("Mul", x, gate))


def gelu(n: FloatNetwork) -> None:
    n.opset = 20
    n.dense(n.op("Gelu", _tokens(n)), 16, 8)


def gelu_written_out(n: FloatNetwork) -> None:
    x = _tokens(n)
    erf = n.op("Erf", n.op("Div", x, n.constant(np.sqrt(2.0))))
    n.dense(n.op("Mul", n.op("Mul", x, n.op("Add", erf, n.constant(1.0))), n.constant(0.5)), 16, 8)


def bias_gelu(n: FloatNetwork) -> None:
    n.dense(n.microsoft("BiasGelu", _tokens(n), n.weights(16)), 16, 8)


def fast_gelu(n: FloatNetwork) -> None:
    n.dense(n.microsoft("FastGelu", _tokens(n), n.weights(16)), 16, 8)


def concat(n: FloatNetwork) -> None:
    x = _image(n)
    joined = n.op("Concat", x, n.weights(2, 3, 8, 8), n.op("Relu", n.conv(x, 8, 5)), axis=1)
    _head(n, joined, 16)


def concat_of_inputs(n: FloatNetwork) -> None:
    _head(n, n.op("Concat", n.input(1, 3, 5, 5), n.input(1, 5, 5, 5), axis=-3))


def concat_of_itself(n: FloatNetwork) -> None:
    x = _image(n)
    _head(n, n.op("Concat", x, x, axis=1), 16)


def conv_1d(n: FloatNetwork) -> None:
    x = n.op("Conv", n.input(2, 5, 20), n.weights(8, 5, 3), n.weights(8), pads=[1, 1])
    n.op("Conv", n.op("Relu", x), n.weights(4, 4, 3), group=2, strides=[2])


def conv_3d(n: FloatNetwork) -> None:
    n.op("Relu", n.op("Conv", n.input(1, 3, 5, 6, 7), n.weights(6, 3, 3, 2, 1), n.weights(6)))


def depthwise(n: FloatNetwork) -> None:
    x = n.op("Relu", n.conv(_image(n), 8, 8, group=8, strides=[2, 2]))
    _head(n, n.op("Clip", n.conv(x, 8, 8, 1), n.constant(0.0), n.constant(6.0)))


def conv_padded_same(n: FloatNetwork) -> None:
    n.op("Conv", n.input(1, 4, 9, 9), n.weights(6, 4, 2, 3), auto_pad="SAME_UPPER", strides=[2, 2])


def conv_of_two_weights_alike(n: FloatNetwork) -> None:
    """Two convolutions share their weights, not their biases."""
    x, w = _image(n), n.weights(8, 8, 3, 3)
    y = n.op("Relu", n.op("Conv", x, w, n.weights(8), pads=[1] * 4))
    n.op("Conv", y, w, n.weights(8, spread=3.0), pads=[1] * 4)


def conv_with_tiny_weights(n: FloatNetwork) -> None:
    """The scale of the bias would be so small that onnxruntime's quantizer enlarges the weights' scale."""
    w = n.constant(n.rng.normal(0, 1e-7, (6, 3, 1, 1)))
    n.op("Relu", n.op("Conv", n.input(1, 3, 6, 6), w, n.weights(6)))


def conv_with_dead_channels(n: FloatNetwork) -> None:
    w = n.rng.normal(0, 0.3, (6, 3, 3, 3))
    w[[1, 4]] = 0.0
    _head(n, n.op("Relu", n.op("Conv", n.input(1, 3, 8, 8), n.constant(w), n.weights(6))), 6)


def conv_transpose(n: FloatNetwork) -> None:
    x = n.op("ConvTranspose", _image(n), n.weights(8, 6, 2, 2), n.weights(6), strides=[2, 2])
    _head(n, n.op("Relu", x), 6)


def batch_norm(n: FloatNetwork) -> None:
    spread = n.constant(n.rng.uniform(0.2, 2.0, 8))
    x = n.op("BatchNormalization", n.op("Relu", _image(n)), n.weights(8, middle=1), n.weights(8), n.weights(8), spread)
    _head(n, x)


def gather(n: FloatNetwork) -> None:
    rows = n.op("Gather", n.weights(30, 12), n.input(2, 6, below=30))
    x = n.op("Relu", n.dense(rows, 12, 16))
    n.dense(n.op("Gather", x, n.constant([0, 5, -1], "int64"), axis=1), 16, 8)


def gather_one(n: FloatNetwork) -> None:
    n.op("Gemm", n.op("Gather", _tokens(n), n.constant(0, "int64"), axis=1), n.weights(16, 5), n.weights(5))


def gather_elements(n: FloatNetwork) -> None:
    n.dense(n.op("GatherElements", _tokens(n), n.constant(n.rng.integers(0, 6, (2, 3, 16)), "int64"), axis=1), 16, 8)


def global_average_pool(n: FloatNetwork) -> None:
    n.op("Gemm", n.op("Flatten", n.op("GlobalAveragePool", n.op("Relu", _image(n)))), n.weights(8, 5), n.weights(5))


def global_max_pool(n: FloatNetwork) -> None:
    _head(n, n.op("GlobalMaxPool", _image(n)))


def gemm(n: FloatNetwork) -> None:
    x = n.op("Gemm", n.input(5, 12), n.weights(16, 12), n.weights(16), transB=1)
    x = n.op("Gemm", n.op("Relu", x), n.weights(16, 16), n.weights(16), alpha=0.5, beta=2.0)
    n.op("Gemm", n.op("Transpose", x), n.weights(16, 7), transA=1)


def gemm_with_a_matrix_of_biases(n: FloatNetwork) -> None:
    x = n.op("Gemm", n.input(5, 12), n.weights(12, 16), n.weights(5, 16))
    n.op("Gemm", n.op("Relu", x), n.weights(16, 4), n.constant(0.25))


def instance_norm(n: FloatNetwork) -> None:
    _head(n, n.op("Relu", n.op("InstanceNormalization", _image(n), n.weights(8, middle=1), n.weights(8))))


def group_norm(n: FloatNetwork) -> None:
    n.opset = 21
    _head(n, n.op("GroupNormalization", _image(n), n.weights(8, middle=1), n.weights(8), num_groups=4))


def layer_norm(n: FloatNetwork) -> None:
    n.dense(n.op("LayerNormalization", _tokens(n), n.weights(16, middle=1), n.weights(16)), 16, 8)


def layer_norm_without_bias(n: FloatNetwork) -> None:
    n.dense(n.op("LayerNormalization", _tokens(n), n.weights(16, middle=1), axis=2), 16, 8)


def layer_norm_written_out(n: FloatNetwork) -> None:
    x = _tokens(n)
    centred = n.op("Sub", x, n.op("ReduceMean", x, axes=[-1]))
    variance = n.op("ReduceMean", n.op("Pow", centred, n.constant(2.0)), axes=[-1])
    normalised = n.op("Div", centred, n.op("Sqrt", n.op("Add", variance, n.constant(1e-5))))
    n.dense(n.op("Add", n.op("Mul", normalised, n.weights(16, middle=1)), n.weights(16)), 16, 8)


def skip_layer_norm(n: FloatNetwork) -> None:
    x = _tokens(n)
    y = n.dense(x, 16, 16)
    x = n.microsoft("SkipLayerNormalization", x, y, n.weights(16, middle=1), n.weights(16), epsilon=1e-5)
    n.dense(x, 16, 8)


def embedding_layer_norm(n: FloatNetwork) -> None:
    ids, mask = n.input(2, 6, below=30), n.constant(np.ones((2, 6)), "int32")
    ids = n.op("Cast", ids, to=TensorProto.INT32)
    tables = [n.weights(30, 16), n.weights(8, 16), n.weights(2, 16)]
    segments = n.constant(n.rng.integers(0, 2, (2, 6)), "int32")
    parameters = [n.weights(16, middle=1), n.weights(16)]
    n.dense(n.microsoft("EmbedLayerNormalization", ids, segments, *tables, *parameters, mask, count=2), 16, 8)


def attention(n: FloatNetwork) -> None:
    x = n.microsoft("Attention", n.input(2, 6, 16), n.weights(16, 48), n.weights(48), num_heads=4)
    n.dense(x, 16, 8)


def attention_written_out(n: FloatNetwork) -> None:
    x = _tokens(n)

    def heads(perm: list[int]) -> str:
        projected = n.op("Add", n.dense(x, 16, 16), n.weights(16))
        return n.op("Transpose", n.op("Reshape", projected, n.constant([0, 0, 4, 4], "int64")), perm=perm)

    q, k, v = heads([0, 2, 1, 3]), heads([0, 2, 3, 1]), heads([0, 2, 1, 3])
    scores = n.op("Div", n.op("MatMul", q, k), n.constant(2.0))
    mask = n.constant(np.triu(np.full((6, 6), -10000.0), 1))
    mixed = n.op("MatMul", n.op("Softmax", n.op("Add", scores, mask), axis=-1), v)
    joined = n.op("Reshape", n.op("Transpose", mixed, perm=[0, 2, 1, 3]), n.constant([0, 0, 16], "int64"))
    n.op("Add", x, n.op("Add", n.dense(joined, 16, 16), n.weights(16)))


def matmul_of_activations(n: FloatNetwork) -> None:
    x = _tokens(n)
    n.op("MatMul", n.op("Softmax", n.op("MatMul", x, n.op("Transpose", x, perm=[0, 2, 1]))), n.dense(x, 16, 16))


def matmul_with_a_constant_before_it(n: FloatNetwork) -> None:
    n.op("MatMul", n.weights(4, 6), _tokens(n))


def matmul_with_a_stack_of_weights(n: FloatNetwork) -> None:
    n.op("MatMul", n.input(2, 5, 12), n.weights(2, 12, 7))


def matmul_with_a_vector(n: FloatNetwork) -> None:
    n.op("MatMul", _tokens(n), n.weights(16))


def matmul_with_bias(n: FloatNetwork) -> None:
    n.op("Relu", n.op("Add", n.weights(16), n.dense(_tokens(n), 16, 16)))


def max_pool(n: FloatNetwork) -> None:
    x = n.op("MaxPool", _image(n), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=1)
    _head(n, n.op("MaxPool", x, kernel_shape=[2, 2], dilations=[2, 2]))


def average_pool(n: FloatNetwork) -> None:
    x = n.op("AveragePool", _image(n), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, count_include_pad=1)
    _head(n, n.op("AveragePool", x, kernel_shape=[2, 2], auto_pad="SAME_LOWER"))


def _pad(mode: str, *value: float) -> Callable[[FloatNetwork], None]:
    def network(n: FloatNetwork) -> None:
        pads = n.constant([0, 0, 1, 2, 0, 0, 3, 1], "int64")
        _head(n, n.op("Pad", _image(n), pads, *(n.constant(v) for v in value), mode=mode))

    return network


def _reduce(op: str) -> Callable[[FloatNetwork], None]:
    def network(n: FloatNetwork) -> None:
        n.opset = 18
        x = n.op(op, _image(n), n.constant([-1], "int64"), keepdims=1)
        n.op("Gemm", n.op(op, x, n.constant([2, 3], "int64"), keepdims=0), n.weights(8, 5))

    return network


def reshape(n: FloatNetwork) -> None:
    n.op("Gemm", n.op("Reshape", _image(n), n.constant([2, -1], "int64")), n.weights(512, 5), n.weights(5))


def reshape_to_a_computed_shape(n: FloatNetwork) -> None:
    x = _image(n)
    size = n.op("Slice", n.op("Shape", x), n.constant([0], "int64"), n.constant([1], "int64"))
    n.dense(n.op("Reshape", x, n.op("Concat", size, n.constant([-1], "int64"), axis=0)), 512, 5)


def _resize(**attributes: Any) -> Callable[[FloatNetwork], None]:
    def network(n: FloatNetwork) -> None:
        _head(n, n.op("Resize", _image(n), "", n.constant([1, 1, 2, 2]), **attributes))

    return network


def resize_to_sizes(n: FloatNetwork) -> None:
    _head(n, n.op("Resize", _image(n), "", "", n.constant([2, 8, 11, 5], "int64"), mode="linear"))


def _softmax(axis: int) -> Callable[[FloatNetwork], None]:
    def network(n: FloatNetwork) -> None:
        n.op("Softmax", _image(n), axis=axis)

    return network


def log_softmax(n: FloatNetwork) -> None:
    n.op("LogSoftmax", _tokens(n), axis=-1)


def split(n: FloatNetwork) -> None:
    left, middle, right = n.node("Split", [_image(n), n.constant([2, 2, 4], "int64")], 3, axis=1)
    n.op("Concat", n.op("Mul", left, middle), n.conv(right, 4, 4), axis=1)


def squeeze_and_unsqueeze(n: FloatNetwork) -> None:
    pooled = n.op("GlobalAveragePool", _image(n))
    flat = n.op("Squeeze", pooled, n.constant([2, 3], "int64"))
    n.op("Conv", n.op("Unsqueeze", flat, n.constant([2], "int64")), n.weights(4, 8, 1))


def squeeze_and_excite(n: FloatNetwork) -> None:
    x = _image(n)
    gate = n.op("Relu", n.conv(n.op("ReduceMean", x, axes=[2, 3]), 8, 4, 1))
    _head(n, n.op("Mul", x, n.op("HardSigmoid", n.conv(gate, 4, 8, 1))))


def transpose(n: FloatNetwork) -> None:
    x = n.op("Transpose", _image(n), perm=[0, 2, 3, 1])
    x = n.op("LayerNormalization", x, n.weights(8, middle=1), n.weights(8))
    _head(n, n.op("Transpose", x, perm=[0, 3, 1, 2]))


def where(n: FloatNetwork) -> None:
    x = _tokens(n)
    n.dense(n.op("Where", n.constant(n.rng.integers(0, 2, (6, 16)), "bool"), x, n.constant(-2.0)), 16, 8)


def where_of_two_tensors(n: FloatNetwork) -> None:
    x = _tokens(n)
    y = n.dense(x, 16, 16)
    n.dense(n.op("Where", n.op("Greater", x, n.constant(0.0)), x, y), 16, 8)


def slice_(n: FloatNetwork) -> None:
    bounds = [n.constant(v, "int64") for v in ([1, -1], [7, -9], [2, 3], [2, -1])]
    _head(n, n.op("Slice", _image(n), *bounds))


def depth_to_space(n: FloatNetwork) -> None:
    x = n.op("DepthToSpace", _image(n), blocksize=2, mode="CRD")
    n.conv(n.op("SpaceToDepth", n.conv(x, 2, 4), blocksize=2), 16, 8)


def expand_and_tile(n: FloatNetwork) -> None:
    x = n.op("GlobalAveragePool", _image(n))
    x = n.op("Expand", x, n.constant([2, 8, 3, 3], "int64"))
    _head(n, n.op("Tile", x, n.constant([1, 1, 2, 1], "int64")))


def top_k(n: FloatNetwork) -> None:
    values, indices = n.node("TopK", [n.op("Gemm", n.input(4, 12), n.weights(12, 20)), n.constant([5], "int64")], 2)
    n.outputs = [values, n.op("Cast", indices, to=TensorProto.FLOAT)]


def arithmetic(n: FloatNetwork) -> None:
    x = _image(n)
    y = n.op("Sub", n.op("Mul", x, n.weights(8, 1, 1)), n.op("Add", x, n.constant(0.5)))
    n.op("Min", n.op("Max", y, x), n.op("Div", n.op("Relu", x), n.constant(3.0)))


def roots_and_powers(n: FloatNetwork) -> None:
    x = n.op("Add", n.op("Pow", _tokens(n), n.constant(2.0)), n.constant(0.1))
    n.dense(n.op("Div", n.op("Sqrt", x), n.op("Exp", n.op("Neg", n.op("Abs", n.op("Log", x))))), 16, 8)


def sum_of_three(n: FloatNetwork) -> None:
    x = _image(n)
    _head(n, n.op("Sum", x, n.conv(x, 8, 8), n.weights(8, 1, 1)))


def residual_with_the_activation_behind(n: FloatNetwork) -> None:
    x = n.op("Relu", _image(n))
    y = n.conv(n.op("Relu", n.conv(x, 8, 8)), 8, 8)
    _head(n, n.op("Relu", n.op("Add", y, x)))


def outputs_in_the_middle(n: FloatNetwork) -> None:
    x = _image(n)
    y = n.op("Relu", x)
    n.outputs = [x, y, n.conv(y, 8, 4)]


def lstm(n: FloatNetwork) -> None:
    n.node("LSTM", [n.input(5, 2, 12), n.weights(1, 32, 12), n.weights(1, 32, 8), n.weights(1, 64)], 3, hidden_size=8)


def cumulative_sum(n: FloatNetwork) -> None:
    n.dense(n.op("CumSum", _tokens(n), n.constant(1, "int64")), 16, 8)


def lp_normalization(n: FloatNetwork) -> None:
    n.dense(n.op("LpNormalization", _tokens(n), axis=-1, p=2), 16, 8)


NETWORKS: dict[str, Callable[[FloatNetwork], None]] = {
    **{
        f.__name__.rstrip("_"): f
        for f in (
            argmax, clip, prelu, two_relus, relu_of_the_input, swish, swish_of_hard_sigmoid, hard_swish_by_clip, gelu,
            gelu_written_out, bias_gelu, fast_gelu, concat, concat_of_inputs, concat_of_itself, conv_1d, conv_3d,
            depthwise, conv_padded_same, conv_of_two_weights_alike, conv_with_tiny_weights, conv_with_dead_channels,
            conv_transpose, batch_norm, gather, gather_one, gather_elements, global_average_pool, global_max_pool, gemm,
            gemm_with_a_matrix_of_biases, instance_norm, group_norm, layer_norm, layer_norm_without_bias,
            layer_norm_written_out, skip_layer_norm, embedding_layer_norm, attention, attention_written_out,
            matmul_of_activations, matmul_with_a_constant_before_it, matmul_with_a_stack_of_weights,
            matmul_with_a_vector, matmul_with_bias, max_pool, average_pool, reshape, reshape_to_a_computed_shape,
            resize_to_sizes, log_softmax, split, squeeze_and_unsqueeze, squeeze_and_excite, transpose, where,
            where_of_two_tensors, slice_, depth_to_space, expand_and_tile, top_k, arithmetic, roots_and_powers,
            sum_of_three, residual_with_the_activation_behind, outputs_in_the_middle, lstm, cumulative_sum,
            lp_normalization,
        )
    },
    **{f"pad_{mode}": _pad(mode) for mode in ("constant", "reflect", "edge")},
    "pad_with_a_value": _pad("constant", 1.5),
    **{f"softmax_{axis}": _softmax(axis) for axis in (1, -1)},
    **{op: _reduce(op) for op in ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceSumSquare")},
    "resize_nearest": _resize(mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"),
    "resize_half_pixel": _resize(mode="nearest"),
    "resize_linear": _resize(mode="linear"),
    "resize_cubic": _resize(mode="cubic"),
    **{op: _activation(op) for op in ("Relu", "Sigmoid", "Tanh", "HardSwish", "Softplus", "Mish", "Selu", "Softsign")},
    "LeakyRelu": _activation("LeakyRelu", alpha=0.2),
    "Elu": _activation("Elu", alpha=0.7),
}  # fmt: skip


def network(name: str) -> FloatNetwork:
    n = FloatNetwork()
    if name == "Mish":
        n.opset = 18
    NETWORKS[name](n)
    return n


# What VitisAIEP leaves, because it has no such layer, or because the quantizer left it or its neighbours float.
LEFT = {
    "relu_of_the_input": {"Relu"},
    "bias_gelu": {"BiasGelu", "MatMul"},
    "fast_gelu": {"FastGelu", "MatMul"},
    "skip_layer_norm": {"SkipLayerNormalization", "MatMul"},
    "embedding_layer_norm": {"EmbedLayerNormalization", "Cast", "MatMul"},
    "attention": {"Attention", "MatMul"},
    "lstm": {"LSTM"},
    "resize_cubic": {"Resize"},
    # preprocessing writes the operator out, with shapes that are computed
    "group_norm": {"Shape", "Reshape", "Cast", "Div", "Concat", "ReduceMean", "Sub"},
}


class Feeds(CalibrationDataReader):  # type: ignore[misc]
    """Calibration inputs."""

    def __init__(self, feeds: list[Arrays]) -> None:
        self.remaining = feeds

    def get_next(self) -> Arrays | None:
        return self.remaining.pop() if self.remaining else None
