"""Small float networks for quantizers: one per operator that onnxruntime's and AMD's quantizers have a rule for.

Each has the operator between layers that compute, as quantizers and VitisAIEP find it in real models.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from float_network import FloatNetwork, head, image, tokens
from onnx import TensorProto
from quantizer_products import (
    attention,
    attention_written_out,
    batch_norm,
    conv_1d,
    conv_3d,
    conv_of_two_weights_alike,
    conv_padded_same,
    conv_transpose,
    conv_with_dead_channels,
    conv_with_tiny_weights,
    depthwise,
    embedding_layer_norm,
    gemm,
    gemm_with_a_matrix_of_biases,
    group_norm,
    instance_norm,
    layer_norm,
    layer_norm_without_bias,
    layer_norm_written_out,
    lstm,
    matmul_of_activations,
    matmul_with_a_constant_before_it,
    matmul_with_a_stack_of_weights,
    matmul_with_a_vector,
    matmul_with_bias,
    skip_layer_norm,
)


def argmax(n: FloatNetwork) -> None:
    n.op("ArgMax", image(n), axis=1, keepdims=0)


def _activation(op: str, **attributes: Any) -> Callable[[FloatNetwork], None]:
    def network(n: FloatNetwork) -> None:
        head(n, n.op(op, image(n), **attributes))

    return network


def clip(n: FloatNetwork) -> None:
    x = n.op("Clip", image(n), n.constant(0.0), n.constant(6.0))
    x = n.op("Clip", n.conv(x, 8, 8), n.constant(-0.5), n.constant(2.0))
    head(n, n.op("Clip", n.conv(x, 8, 8), "", n.constant(1.0)))


def prelu(n: FloatNetwork) -> None:
    head(n, n.op("PRelu", image(n), n.weights(8, 1, 1)))


def two_relus(n: FloatNetwork) -> None:
    """Of one tensor that another layer reads too."""
    x = image(n)
    head(n, n.op("Add", n.op("Relu", x), n.op("Relu", n.conv(x, 8, 8))))


def relu_of_the_input(n: FloatNetwork) -> None:
    head(n, n.op("Relu", n.input(1, 8, 4, 4)))


def swish(n: FloatNetwork) -> None:
    x = image(n)
    head(n, n.op("Mul", x, n.op("Sigmoid", x)))


def swish_of_hard_sigmoid(n: FloatNetwork) -> None:
    x = image(n)
    head(n, n.op("Mul", x, n.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)))


def hard_swish_by_clip(n: FloatNetwork) -> None:
    x = image(n)
    bounds = [n.constant(0.0), n.constant(6.0)]
    gate = n.op("Div", n.op("Clip", n.op("Add", x, n.constant(3.0)), *bounds), n.constant(6.0))
    head(n, n.op("Mul", x, gate))


def gelu(n: FloatNetwork) -> None:
    n.opset = 20
    n.dense(n.op("Gelu", tokens(n)), 16, 8)


def gelu_written_out(n: FloatNetwork) -> None:
    x = tokens(n)
    erf = n.op("Erf", n.op("Div", x, n.constant(np.sqrt(2.0))))
    n.dense(n.op("Mul", n.op("Mul", x, n.op("Add", erf, n.constant(1.0))), n.constant(0.5)), 16, 8)


def bias_gelu(n: FloatNetwork) -> None:
    n.dense(n.microsoft("BiasGelu", tokens(n), n.weights(16)), 16, 8)


def fast_gelu(n: FloatNetwork) -> None:
    n.dense(n.microsoft("FastGelu", tokens(n), n.weights(16)), 16, 8)


def concat(n: FloatNetwork) -> None:
    x = image(n)
    joined = n.op("Concat", x, n.weights(2, 3, 8, 8), n.op("Relu", n.conv(x, 8, 5)), axis=1)
    head(n, joined, 16)


def concat_of_inputs(n: FloatNetwork) -> None:
    head(n, n.op("Concat", n.input(1, 3, 5, 5), n.input(1, 5, 5, 5), axis=-3))


def concat_of_itself(n: FloatNetwork) -> None:
    x = image(n)
    head(n, n.op("Concat", x, x, axis=1), 16)


def gather(n: FloatNetwork) -> None:
    rows = n.op("Gather", n.weights(30, 12), n.input(2, 6, below=30))
    x = n.op("Relu", n.dense(rows, 12, 16))
    n.dense(n.op("Gather", x, n.constant([0, 5, -1], "int64"), axis=1), 16, 8)


def gather_one(n: FloatNetwork) -> None:
    n.op("Gemm", n.op("Gather", tokens(n), n.constant(0, "int64"), axis=1), n.weights(16, 5), n.weights(5))


def gather_elements(n: FloatNetwork) -> None:
    n.dense(n.op("GatherElements", tokens(n), n.constant(n.rng.integers(0, 6, (2, 3, 16)), "int64"), axis=1), 16, 8)


def global_average_pool(n: FloatNetwork) -> None:
    n.op("Gemm", n.op("Flatten", n.op("GlobalAveragePool", n.op("Relu", image(n)))), n.weights(8, 5), n.weights(5))


def global_max_pool(n: FloatNetwork) -> None:
    head(n, n.op("GlobalMaxPool", image(n)))


def max_pool(n: FloatNetwork) -> None:
    x = n.op("MaxPool", image(n), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, ceil_mode=1)
    head(n, n.op("MaxPool", x, kernel_shape=[2, 2], dilations=[2, 2]))


def average_pool(n: FloatNetwork) -> None:
    x = n.op("AveragePool", image(n), kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4, count_include_pad=1)
    head(n, n.op("AveragePool", x, kernel_shape=[2, 2], auto_pad="SAME_LOWER"))


def _pad(mode: str, *value: float) -> Callable[[FloatNetwork], None]:
    def network(n: FloatNetwork) -> None:
        pads = n.constant([0, 0, 1, 2, 0, 0, 3, 1], "int64")
        head(n, n.op("Pad", image(n), pads, *(n.constant(v) for v in value), mode=mode))

    return network


def _reduce(op: str) -> Callable[[FloatNetwork], None]:
    def network(n: FloatNetwork) -> None:
        n.opset = 18
        x = n.op(op, image(n), n.constant([-1], "int64"), keepdims=1)
        n.op("Gemm", n.op(op, x, n.constant([2, 3], "int64"), keepdims=0), n.weights(8, 5))

    return network


def reshape(n: FloatNetwork) -> None:
    n.op("Gemm", n.op("Reshape", image(n), n.constant([2, -1], "int64")), n.weights(512, 5), n.weights(5))


def reshape_to_a_computed_shape(n: FloatNetwork) -> None:
    x = image(n)
    size = n.op("Slice", n.op("Shape", x), n.constant([0], "int64"), n.constant([1], "int64"))
    n.dense(n.op("Reshape", x, n.op("Concat", size, n.constant([-1], "int64"), axis=0)), 512, 5)


def _resize(**attributes: Any) -> Callable[[FloatNetwork], None]:
    def network(n: FloatNetwork) -> None:
        head(n, n.op("Resize", image(n), "", n.constant([1, 1, 2, 2]), **attributes))

    return network


def resize_to_sizes(n: FloatNetwork) -> None:
    head(n, n.op("Resize", image(n), "", "", n.constant([2, 8, 11, 5], "int64"), mode="linear"))


def _softmax(axis: int) -> Callable[[FloatNetwork], None]:
    def network(n: FloatNetwork) -> None:
        n.op("Softmax", image(n), axis=axis)

    return network


def log_softmax(n: FloatNetwork) -> None:
    n.op("LogSoftmax", tokens(n), axis=-1)


def split(n: FloatNetwork) -> None:
    left, middle, right = n.node("Split", [image(n), n.constant([2, 2, 4], "int64")], 3, axis=1)
    n.op("Concat", n.op("Mul", left, middle), n.conv(right, 4, 4), axis=1)


def squeeze_and_unsqueeze(n: FloatNetwork) -> None:
    pooled = n.op("GlobalAveragePool", image(n))
    flat = n.op("Squeeze", pooled, n.constant([2, 3], "int64"))
    n.op("Conv", n.op("Unsqueeze", flat, n.constant([2], "int64")), n.weights(4, 8, 1))


def squeeze_and_excite(n: FloatNetwork) -> None:
    x = image(n)
    gate = n.op("Relu", n.conv(n.op("ReduceMean", x, axes=[2, 3]), 8, 4, 1))
    head(n, n.op("Mul", x, n.op("HardSigmoid", n.conv(gate, 4, 8, 1))))


def transpose(n: FloatNetwork) -> None:
    x = n.op("Transpose", image(n), perm=[0, 2, 3, 1])
    x = n.op("LayerNormalization", x, n.weights(8, middle=1), n.weights(8))
    head(n, n.op("Transpose", x, perm=[0, 3, 1, 2]))


def where(n: FloatNetwork) -> None:
    x = tokens(n)
    n.dense(n.op("Where", n.constant(n.rng.integers(0, 2, (6, 16)), "bool"), x, n.constant(-2.0)), 16, 8)


def where_of_two_tensors(n: FloatNetwork) -> None:
    x = tokens(n)
    y = n.dense(x, 16, 16)
    n.dense(n.op("Where", n.op("Greater", x, n.constant(0.0)), x, y), 16, 8)


def slice_(n: FloatNetwork) -> None:
    bounds = [n.constant(v, "int64") for v in ([1, -1], [7, -9], [2, 3], [2, -1])]
    head(n, n.op("Slice", image(n), *bounds))


def depth_to_space(n: FloatNetwork) -> None:
    x = n.op("DepthToSpace", image(n), blocksize=2, mode="CRD")
    n.conv(n.op("SpaceToDepth", n.conv(x, 2, 4), blocksize=2), 16, 8)


def expand_and_tile(n: FloatNetwork) -> None:
    x = n.op("GlobalAveragePool", image(n))
    x = n.op("Expand", x, n.constant([2, 8, 3, 3], "int64"))
    head(n, n.op("Tile", x, n.constant([1, 1, 2, 1], "int64")))


def top_k(n: FloatNetwork) -> None:
    values, indices = n.node("TopK", [n.op("Gemm", n.input(4, 12), n.weights(12, 20)), n.constant([5], "int64")], 2)
    n.outputs = [values, n.op("Cast", indices, to=TensorProto.FLOAT)]


def arithmetic(n: FloatNetwork) -> None:
    x = image(n)
    y = n.op("Sub", n.op("Mul", x, n.weights(8, 1, 1)), n.op("Add", x, n.constant(0.5)))
    n.op("Min", n.op("Max", y, x), n.op("Div", n.op("Relu", x), n.constant(3.0)))


def roots_and_powers(n: FloatNetwork) -> None:
    x = n.op("Add", n.op("Pow", tokens(n), n.constant(2.0)), n.constant(0.1))
    n.dense(n.op("Div", n.op("Sqrt", x), n.op("Exp", n.op("Neg", n.op("Abs", n.op("Log", x))))), 16, 8)


def sum_of_three(n: FloatNetwork) -> None:
    x = image(n)
    head(n, n.op("Sum", x, n.conv(x, 8, 8), n.weights(8, 1, 1)))


def residual_with_the_activation_behind(n: FloatNetwork) -> None:
    x = n.op("Relu", image(n))
    y = n.conv(n.op("Relu", n.conv(x, 8, 8)), 8, 8)
    head(n, n.op("Relu", n.op("Add", y, x)))


def outputs_in_the_middle(n: FloatNetwork) -> None:
    x = image(n)
    y = n.op("Relu", x)
    n.outputs = [x, y, n.conv(y, 8, 4)]


def cumulative_sum(n: FloatNetwork) -> None:
    n.dense(n.op("CumSum", tokens(n), n.constant(1, "int64")), 16, 8)


def lp_normalization(n: FloatNetwork) -> None:
    n.dense(n.op("LpNormalization", tokens(n), axis=-1, p=2), 16, 8)


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
