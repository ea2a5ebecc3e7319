"""A small builder of ONNX graphs: one method per layer, static shapes, seeded random weights.

A layer that has batch normalization is written with the normalization folded, as it is deployed: the initializer that
takes the place of its scale and shift is named `<layer>.shift` (a layer's own bias is `<layer>.bias`), and
normalization.py gives it, and the weight, values that keep every channel alive.

What multiplies in convolutions and matrix products is nearly all of a network's weights. A graph that is only to be
timed gets these as int8 right away (`quantized_weights`); it is a network after quantization.py has taken them over.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, ValueInfoProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
MICROSOFT = "com.microsoft"  # onnxruntime's own operators
SHIFT = ".shift"

Pair = int | tuple[int, int]


@dataclass(frozen=True)
class Tensor:
    name: str
    shape: tuple[int, ...]

    @property
    def channels(self) -> int:
        return self.shape[1]


def make_divisible(value: float, divisor: int = 8) -> int:
    """A channel count rounded to a multiple of `divisor`, never down by more than 10 % (MobileNet's rule)."""
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


def _pair(value: Pair) -> tuple[int, int]:
    return value if isinstance(value, tuple) else (value, value)


def _value_info(tensor: Tensor) -> ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.shape)


class GraphBuilder:
    """Nodes are named `<scope>/<operator>_<n>`; a node's output has its name, its parameters extend it."""

    def __init__(self, name: str, seed: int = 0, *, quantized_weights: bool = False) -> None:
        self.name = name
        self._quantized_weights = quantized_weights
        self._random = np.random.default_rng(seed)
        opsets = [helper.make_opsetid("", OPSET)]
        self._model = ModelProto(ir_version=IR_VERSION, producer_name="vaip.networks", opset_import=opsets)
        self._model.graph.name = name
        self._values: list[Tensor] = []
        self._count: Counter[str] = Counter()
        self._scope: list[str] = []

    @contextmanager
    def scope(self, name: object) -> Iterator[None]:
        self._scope.append(str(name))
        try:
            yield
        finally:
            self._scope.pop()

    def input(self, *shape: int) -> Tensor:
        self._model.graph.input.append(_value_info(Tensor("input", shape)))
        return Tensor("input", shape)

    def model(self, *outputs: Tensor) -> ModelProto:
        graph = self._model.graph
        graph.output.extend(_value_info(tensor) for tensor in outputs)
        graph.value_info.extend(_value_info(tensor) for tensor in self._values if tensor not in outputs)
        if any(node.domain == MICROSOFT for node in graph.node):
            self._model.opset_import.append(helper.make_opsetid(MICROSOFT, 1))
        return self._model

    # The three that every layer below is made of.

    def node(
        self, op_type: str, inputs: Sequence[Tensor | str], shape: Sequence[int], *, name: str = "", **attributes: Any
    ) -> Tensor:
        name = name or self.unique_name(op_type)
        names = [tensor if isinstance(tensor, str) else tensor.name for tensor in inputs]
        self._model.graph.node.append(helper.make_node(op_type, names, [name], name=name, **attributes))
        self._values.append(Tensor(name, tuple(shape)))
        return self._values[-1]

    def constant(self, name: str, values: NDArray[Any]) -> str:
        self._model.graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    def weight(self, name: str, shape: Sequence[int], deviation: float, mean: float = 0.0) -> str:
        values = self._random.standard_normal(shape, np.float32)
        values *= np.float32(deviation)
        values += np.float32(mean)
        return self.constant(name, values)

    def multiplier(self, name: str, shape: Sequence[int], deviation: float) -> str:
        """The weights of a convolution or matrix product."""
        if not self._quantized_weights:
            return self.weight(name, shape, deviation)
        return self.constant(name, self._random.integers(-127, 127, shape, np.int8, endpoint=True))

    def unique_name(self, op_type: str) -> str:
        self._count[op_type] += 1
        return "/".join([*self._scope, f"{op_type}_{self._count[op_type]}"])

    # Layers with weights.

    def conv(
        self,
        x: Tensor,
        channels: int,
        kernel: Pair = 1,
        stride: int = 1,
        *,
        padding: Pair | None = None,
        groups: int = 1,
        normalized: bool = True,
        bias: bool = True,
    ) -> Tensor:
        """`padding` is by default half the kernel; `normalized`: has batch normalization and no bias of its own."""
        kernel = _pair(kernel)
        pads = _pair(padding) if padding is not None else (kernel[0] // 2, kernel[1] // 2)
        name = self.unique_name("Conv")
        fan_in = x.channels // groups * kernel[0] * kernel[1]
        shape = (channels, x.channels // groups, *kernel)
        parameters = [self.multiplier(f"{name}.weight", shape, math.sqrt(2.0 / fan_in))]  # He et al.
        if normalized or bias:
            parameters.append(self.weight(name + (SHIFT if normalized else ".bias"), (channels,), 0.1))
        spatial = [(x.shape[2 + i] + 2 * pads[i] - kernel[i]) // stride + 1 for i in range(2)]
        return self.node(
            "Conv",
            [x, *parameters],
            (x.shape[0], channels, *spatial),
            name=name,
            kernel_shape=kernel,
            strides=(stride, stride),
            pads=(*pads, *pads),
            group=groups,
        )

    def linear(self, x: Tensor, features: int) -> Tensor:
        """A fully connected layer on a matrix."""
        name = self.unique_name("Gemm")
        weight = self.multiplier(f"{name}.weight", (features, x.shape[1]), 1.0 / math.sqrt(x.shape[1]))
        bias = self.weight(f"{name}.bias", (features,), 0.1)
        return self.node("Gemm", [x, weight, bias], (x.shape[0], features), name=name, transB=1)

    def linear_last_axis(self, x: Tensor, features: int) -> Tensor:
        """A fully connected layer on the last of more than two axes, which PyTorch exports as MatMul and Add."""
        name = self.unique_name("MatMul")
        shape = (*x.shape[:-1], features)
        weight = self.multiplier(f"{name}.weight", (x.shape[-1], features), math.sqrt(2.0 / x.shape[-1]))
        bias = self.weight(f"{name}.bias", (features,), 0.1)
        return self.node("Add", [self.node("MatMul", [x, weight], shape, name=name), bias], shape)

    def batch_normalization(self, x: Tensor) -> Tensor:
        """One that follows no convolution, so that it stays a node."""
        name = self.unique_name("BatchNormalization")
        sizes = (x.channels,)
        scale = self.weight(f"{name}.scale", sizes, 0.1, mean=1.0)
        shift = self.weight(f"{name}.bias", sizes, 0.1)
        mean = self.constant(f"{name}.mean", np.zeros(sizes, np.float32))
        variance = self.constant(f"{name}.variance", np.ones(sizes, np.float32))
        return self.node("BatchNormalization", [x, scale, shift, mean, variance], x.shape, name=name, epsilon=1e-5)

    def layer_normalization(self, x: Tensor) -> Tensor:
        """Over the last axis."""
        name = self.unique_name("LayerNormalization")
        scale = self.weight(f"{name}.weight", x.shape[-1:], 0.1, mean=1.0)
        bias = self.weight(f"{name}.bias", x.shape[-1:], 0.1)
        return self.node("LayerNormalization", [x, scale, bias], x.shape, name=name, axis=-1, epsilon=1e-6)

    # Activations.

    def relu(self, x: Tensor) -> Tensor:
        return self.node("Relu", [x], x.shape)

    def relu6(self, x: Tensor) -> Tensor:
        name = self.unique_name("Clip")
        bounds = [self.constant(f"{name}.{k}", np.array(v, np.float32)) for k, v in (("min", 0.0), ("max", 6.0))]
        return self.node("Clip", [x, *bounds], x.shape, name=name)

    def sigmoid(self, x: Tensor) -> Tensor:
        return self.node("Sigmoid", [x], x.shape)

    def silu(self, x: Tensor) -> Tensor:
        return self.mul(x, self.sigmoid(x))

    def hard_sigmoid(self, x: Tensor) -> Tensor:
        return self.node("HardSigmoid", [x], x.shape, alpha=1.0 / 6.0, beta=0.5)

    def hard_swish(self, x: Tensor) -> Tensor:
        return self.node("HardSwish", [x], x.shape)

    def gelu(self, x: Tensor) -> Tensor:
        return self.node("Gelu", [x], x.shape, domain=MICROSOFT)

    # Arithmetic, pooling, data movement.

    def add(self, a: Tensor, b: Tensor) -> Tensor:
        return self.node("Add", [a, b], np.broadcast_shapes(a.shape, b.shape))

    def sub(self, a: Tensor, b: Tensor) -> Tensor:
        return self.node("Sub", [a, b], np.broadcast_shapes(a.shape, b.shape))

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        return self.node("Mul", [a, b], np.broadcast_shapes(a.shape, b.shape))

    def max_pool(self, x: Tensor, kernel: int, stride: int, padding: int = 0, *, ceil: bool = False) -> Tensor:
        def size(length: int) -> int:
            rest = length + 2 * padding - kernel
            out = (-(-rest // stride) if ceil else rest // stride) + 1
            # The last window of a rounded-up size starts inside the input or its leading padding.
            return out - 1 if ceil and (out - 1) * stride >= length + padding else out

        shape = (*x.shape[:2], *(size(n) for n in x.shape[2:]))
        window: dict[str, Any] = {"kernel_shape": (kernel,) * 2, "strides": (stride,) * 2, "pads": (padding,) * 4}
        return self.node("MaxPool", [x], shape, ceil_mode=int(ceil), **window)

    def average_pool(self, x: Tensor, kernel: int, stride: int, padding: int = 0) -> Tensor:
        shape = (*x.shape[:2], *((n + 2 * padding - kernel) // stride + 1 for n in x.shape[2:]))
        window: dict[str, Any] = {"kernel_shape": (kernel,) * 2, "strides": (stride,) * 2, "pads": (padding,) * 4}
        return self.node("AveragePool", [x], shape, count_include_pad=1, **window)

    def global_average_pool(self, x: Tensor) -> Tensor:
        return self.node("GlobalAveragePool", [x], (*x.shape[:2], 1, 1))

    def flatten(self, x: Tensor) -> Tensor:
        return self.node("Flatten", [x], (x.shape[0], math.prod(x.shape[1:])), axis=1)

    def concat(self, tensors: Sequence[Tensor], axis: int = 1) -> Tensor:
        shape = list(tensors[0].shape)
        shape[axis] = sum(tensor.shape[axis] for tensor in tensors)
        return self.node("Concat", tensors, shape, axis=axis)

    def split(self, x: Tensor, sizes: Sequence[int]) -> list[Tensor]:
        """Along the channels."""
        name = self.unique_name("Split")
        lengths = self.constant(f"{name}.sizes", np.array(sizes, np.int64))
        parts = [Tensor(f"{name}_{i}", (x.shape[0], size, *x.shape[2:])) for i, size in enumerate(sizes)]
        names = [part.name for part in parts]
        self._model.graph.node.append(helper.make_node("Split", [x.name, lengths], names, name=name, axis=1))
        self._values.extend(parts)
        return parts

    def reshape(self, x: Tensor, *shape: int) -> Tensor:
        name = self.unique_name("Reshape")
        return self.node("Reshape", [x, self.constant(f"{name}.shape", np.array(shape, np.int64))], shape, name=name)

    def transpose(self, x: Tensor, *order: int) -> Tensor:
        return self.node("Transpose", [x], [x.shape[axis] for axis in order], perm=order)

    def upsample(self, x: Tensor, factor: int = 2) -> Tensor:
        """Nearest neighbour."""
        name = self.unique_name("Resize")
        scales = self.constant(f"{name}.scales", np.array([1, 1, factor, factor], np.float32))
        shape = (*x.shape[:2], *(n * factor for n in x.shape[2:]))
        nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
        return self.node("Resize", [x, "", scales], shape, name=name, **nearest)

    def softmax(self, x: Tensor, axis: int) -> Tensor:
        return self.node("Softmax", [x], x.shape, axis=axis)

    def classifier(self, x: Tensor, classes: int = 1000) -> Tensor:
        """Global average, then a fully connected layer."""
        return self.linear(self.flatten(self.global_average_pool(x)), classes)
