"""Float networks for quantizers whose operator is a product or a normalization: convolutions, matrices, attention."""

from __future__ import annotations

import numpy as np
from float_network import FloatNetwork, head, image, tokens
from onnx import TensorProto


def conv_1d(n: FloatNetwork) -> None:
    x = n.op("Conv", n.input(2, 5, 20), n.weights(8, 5, 3), n.weights(8), pads=[1, 1])
    n.op("Conv", n.op("Relu", x), n.weights(4, 4, 3), group=2, strides=[2])


def conv_3d(n: FloatNetwork) -> None:
    n.op("Relu", n.op("Conv", n.input(1, 3, 5, 6, 7), n.weights(6, 3, 3, 2, 1), n.weights(6)))


def depthwise(n: FloatNetwork) -> None:
    x = n.op("Relu", n.conv(image(n), 8, 8, group=8, strides=[2, 2]))
    head(n, n.op("Clip", n.conv(x, 8, 8, 1), n.constant(0.0), n.constant(6.0)))


def conv_padded_same(n: FloatNetwork) -> None:
    n.op("Conv", n.input(1, 4, 9, 9), n.weights(6, 4, 2, 3), auto_pad="SAME_UPPER", strides=[2, 2])


def conv_of_two_weights_alike(n: FloatNetwork) -> None:
    """Two convolutions share their weights, not their biases."""
    x, w = image(n), n.weights(8, 8, 3, 3)
    y = n.op("Relu", n.op("Conv", x, w, n.weights(8), pads=[1] * 4))
    n.op("Conv", y, w, n.weights(8, spread=3.0), pads=[1] * 4)


def conv_with_tiny_weights(n: FloatNetwork) -> None:
    """The scale of the bias would be so small that onnxruntime's quantizer enlarges the weights' scale."""
    w = n.constant(n.rng.normal(0, 1e-7, (6, 3, 1, 1)))
    n.op("Relu", n.op("Conv", n.input(1, 3, 6, 6), w, n.weights(6)))


def conv_with_dead_channels(n: FloatNetwork) -> None:
    w = n.rng.normal(0, 0.3, (6, 3, 3, 3))
    w[[1, 4]] = 0.0
    head(n, n.op("Relu", n.op("Conv", n.input(1, 3, 8, 8), n.constant(w), n.weights(6))), 6)


def conv_transpose(n: FloatNetwork) -> None:
    x = n.op("ConvTranspose", image(n), n.weights(8, 6, 2, 2), n.weights(6), strides=[2, 2])
    head(n, n.op("Relu", x), 6)


def batch_norm(n: FloatNetwork) -> None:
    spread = n.constant(n.rng.uniform(0.2, 2.0, 8))
    x = n.op("BatchNormalization", n.op("Relu", image(n)), n.weights(8, middle=1), n.weights(8), n.weights(8), spread)
    head(n, x)


def gemm(n: FloatNetwork) -> None:
    x = n.op("Gemm", n.input(5, 12), n.weights(16, 12), n.weights(16), transB=1)
    x = n.op("Gemm", n.op("Relu", x), n.weights(16, 16), n.weights(16), alpha=0.5, beta=2.0)
    n.op("Gemm", n.op("Transpose", x), n.weights(16, 7), transA=1)


def gemm_with_a_matrix_of_biases(n: FloatNetwork) -> None:
    x = n.op("Gemm", n.input(5, 12), n.weights(12, 16), n.weights(5, 16))
    n.op("Gemm", n.op("Relu", x), n.weights(16, 4), n.constant(0.25))


def instance_norm(n: FloatNetwork) -> None:
    head(n, n.op("Relu", n.op("InstanceNormalization", image(n), n.weights(8, middle=1), n.weights(8))))


def group_norm(n: FloatNetwork) -> None:
    n.opset = 21
    head(n, n.op("GroupNormalization", image(n), n.weights(8, middle=1), n.weights(8), num_groups=4))


def layer_norm(n: FloatNetwork) -> None:
    n.dense(n.op("LayerNormalization", tokens(n), n.weights(16, middle=1), n.weights(16)), 16, 8)


def layer_norm_without_bias(n: FloatNetwork) -> None:
    n.dense(n.op("LayerNormalization", tokens(n), n.weights(16, middle=1), axis=2), 16, 8)


def layer_norm_written_out(n: FloatNetwork) -> None:
    x = tokens(n)
    centred = n.op("Sub", x, n.op("ReduceMean", x, axes=[-1]))
    variance = n.op("ReduceMean", n.op("Pow", centred, n.constant(2.0)), axes=[-1])
    normalised = n.op("Div", centred, n.op("Sqrt", n.op("Add", variance, n.constant(1e-5))))
    n.dense(n.op("Add", n.op("Mul", normalised, n.weights(16, middle=1)), n.weights(16)), 16, 8)


def skip_layer_norm(n: FloatNetwork) -> None:
    x = tokens(n)
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
    x = tokens(n)

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
    x = tokens(n)
    n.op("MatMul", n.op("Softmax", n.op("MatMul", x, n.op("Transpose", x, perm=[0, 2, 1]))), n.dense(x, 16, 16))


def matmul_with_a_constant_before_it(n: FloatNetwork) -> None:
    n.op("MatMul", n.weights(4, 6), tokens(n))


def matmul_with_a_stack_of_weights(n: FloatNetwork) -> None:
    n.op("MatMul", n.input(2, 5, 12), n.weights(2, 12, 7))


def matmul_with_a_vector(n: FloatNetwork) -> None:
    n.op("MatMul", tokens(n), n.weights(16))


def matmul_with_bias(n: FloatNetwork) -> None:
    n.op("Relu", n.op("Add", n.weights(16), n.dense(tokens(n), 16, 16)))


def lstm(n: FloatNetwork) -> None:
    n.node("LSTM", [n.input(5, 2, 12), n.weights(1, 32, 12), n.weights(1, 32, 8), n.weights(1, 64)], 3, hidden_size=8)
