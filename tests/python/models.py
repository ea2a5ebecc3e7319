"""Builders of quantized ONNX models: layers in QDQ form over edges that know their shape and quantization.

A builder runs the oracle on sample data as it goes, so that each layer's output is quantized to the range that it has
(as a calibrating quantizer would), with the kind of zero point that was asked for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from oracle import evaluate

RANGES = {
    "uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767),
    "uint4": (0, 15), "int4": (-8, 7),
}  # fmt: skip
_ELEM = {name: getattr(TensorProto, name.upper()) for name in RANGES}
# Domain -> its names of QuantizeLinear and DequantizeLinear.
QDQ_NAMES = {
    "": ("QuantizeLinear", "DequantizeLinear"),
    "com.microsoft": ("QuantizeLinear", "DequantizeLinear"),
    "com.amd.quark": ("ExtendedQuantizeLinear", "ExtendedDequantizeLinear"),
    "com.vai.quantize": ("VitisQuantizeLinear", "VitisDequantizeLinear"),
}
QUANTIZE = {names[0] for names in QDQ_NAMES.values()}
ZERO_POINTS = ("asymmetric", "symmetric", "lowest", "highest")


@dataclass(frozen=True)
class Quant:
    scale: float
    zero_point: int
    dtype: str = "uint8"


@dataclass(frozen=True)
class Edge:
    """A quantized tensor between layers."""

    name: str
    quant: Quant
    shape: tuple[int, ...]


@dataclass(frozen=True)
class PlainEdge:
    """A tensor of integers or booleans that a model returns as they are."""

    name: str
    shape: tuple[int, ...]


def scale_of(edge: Edge | PlainEdge) -> float | None:
    return edge.quant.scale if isinstance(edge, Edge) else None


@dataclass
class Style:
    """What all layers of a model share, and the defaults of what they may vary."""

    opset: int = 17
    qdq_domain: str = ""  # one of QDQ_NAMES
    power_of_two: bool = False
    dtype: str = "uint8"
    zero_point: str = "asymmetric"
    float_edges: bool = False  # the graph's inputs and outputs are float32, with Q and DQ at the edges
    dynamic_batch: bool = False
    weight_dtypes: tuple[str, ...] = ("int8", "uint8")
    # Factors of what is usual: of the graph's inputs, of its constants, and of the output scales that calibration finds
    # (far below 1 everything saturates, far above it everything is rounded to a step or two).
    input_magnitude: float = 1.0
    constant_magnitude: float = 1.0
    calibration_error: float = 1.0


@dataclass
class ModelBuilder:
    style: Style = field(default_factory=Style)
    seed: int = 0

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, onnx.TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.samples: dict[str, np.ndarray] = {}
        self._layers: dict[str, onnx.NodeProto] = {}  # the producer of each value, for evaluating samples
        self._count = 0

    # ---- graph ----
    def name(self, stem: str) -> str:
        self._count += 1
        return f"{stem}_{self._count}"

    def constant(self, array: Any, dtype: str = "float32", stem: str = "c") -> str:
        name = self.name(stem)
        if dtype in ("int4", "uint4"):  # which numpy itself does not have
            values = np.asarray(array, "int8")
            self.initializers[name] = helper.make_tensor(name, _ELEM[dtype], values.shape, values.reshape(-1).tolist())
        else:
            values = np.asarray(array, dtype)
            self.initializers[name] = numpy_helper.from_array(values, name)
        self.samples[name] = values
        return name

    def node(
        self, op: str, inputs: Sequence[str], *, outputs: int = 1, domain: str = "", **attributes: Any
    ) -> list[str]:
        names = [self.name(op.lower()) for _ in range(outputs)]
        attributes = {k: v for k, v in attributes.items() if v is not None}
        node = helper.make_node(op, list(inputs), names, name=self.name(op), domain=domain, **attributes)
        self.nodes.append(node)
        for name in names:
            self._layers[name] = node
        return names

    def op(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        return self.node(op, inputs, **attributes)[0]

    # ---- samples and quantization ----
    def sample(self, name: str) -> np.ndarray:
        """The value on the sample data, by the oracle; evaluates what leads to it on first use."""
        if name not in self.samples:
            pending: list[onnx.NodeProto] = []
            stack = [name]
            while stack:
                current = stack.pop()
                if current in self.samples or not current:
                    continue
                node = self._layers[current]
                pending.append(node)
                stack.extend(node.input)
            chosen = {id(n) for n in pending}
            graph = helper.make_graph([n for n in self.nodes if id(n) in chosen], "part", [], [])
            self.samples.update(evaluate(helper.make_model(graph, opset_imports=self._opsets()), self.samples))
        return self.samples[name]

    def calibrate(self, name: str, dtype: str | None = None, zero_point: str | None = None) -> Quant:
        """Parameters for the float value's range, a little too small or too large as in real life."""
        values = self.sample(name)
        error = self.style.calibration_error
        low, high = float(values.min(initial=0.0)) * error, float(values.max(initial=0.0)) * error
        return self.quant_for(low, high, dtype, zero_point)

    def quant_for(self, low: float, high: float, dtype: str | None = None, zero_point: str | None = None) -> Quant:
        dtype, kind = dtype or self.style.dtype, zero_point or self.style.zero_point
        lowest, highest = RANGES[dtype]
        low, high = min(low, 0.0), max(high, 0.0)
        spread = float(self.rng.uniform(0.7, 1.3))
        if kind == "asymmetric":
            scale = (high - low) / (highest - lowest)
        elif kind == "symmetric":
            scale = max(-low, high) / ((highest - lowest) / 2)
        else:  # one sign is cut off entirely, as where Relu was folded into Q
            scale = (high if kind == "lowest" else -low) / (highest - lowest)
        scale = scale * spread if scale > 0 else 1.0 / 64
        if self.style.power_of_two:
            scale = 2.0 ** math.ceil(math.log2(scale))
        scale = float(np.float32(scale))
        zero = {
            "asymmetric": round(lowest - low / scale),
            "symmetric": (lowest + highest + 1) // 2,
            "lowest": lowest,
            "highest": highest,
        }[kind]
        return Quant(scale, int(np.clip(zero, lowest, highest)), dtype)

    def dq(self, edge: Edge) -> str:
        q = edge.quant
        scale = self.constant(q.scale, stem="scale")
        zero = self.constant(q.zero_point, q.dtype, "zero_point")
        return self.dq_node([edge.name, scale, zero])

    def dq_node(self, inputs: Sequence[str], axis: int | None = None) -> str:
        return self.op(QDQ_NAMES[self.style.qdq_domain][1], inputs, domain=self.style.qdq_domain, axis=axis)

    def q(self, name: str, quant: Quant | None = None) -> Edge:
        shape = self.sample(name).shape
        quant = quant or self.calibrate(name)
        scale = self.constant(quant.scale, stem="scale")
        zero = self.constant(quant.zero_point, quant.dtype, "zero_point")
        op = QDQ_NAMES[self.style.qdq_domain][0]
        return Edge(self.op(op, [name, scale, zero], domain=self.style.qdq_domain), quant, shape)

    # ---- edges of the graph ----
    def plain_input(self, values: np.ndarray) -> str:
        """An input of integers or booleans that stand for themselves (masks, indices)."""
        name = self.name("input")
        declared: list[Any] = ["batch", *values.shape[1:]] if self.style.dynamic_batch else list(values.shape)
        elem_type = helper.np_dtype_to_tensor_dtype(values.dtype)
        self.inputs.append(helper.make_tensor_value_info(name, elem_type, declared))
        self.samples[name] = values
        return name

    def input(self, shape: Sequence[int], quant: Quant | None = None) -> Edge:
        if quant is None:
            low, high = self.rng.uniform(0.5, 4, 2) * self.style.input_magnitude
            quant = self.quant_for(-float(low), float(high))
        name = self.name("input")
        declared: list[Any] = ["batch", *shape[1:]] if self.style.dynamic_batch else list(shape)
        low, high = RANGES[quant.dtype]
        ints = self.rng.integers(low, high + 1, shape).astype(quant.dtype)
        if not self.style.float_edges:
            self.inputs.append(helper.make_tensor_value_info(name, _ELEM[quant.dtype], declared))
            self.samples[name] = ints
            return Edge(name, quant, tuple(shape))
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, declared))
        reals = (ints.astype(np.float64) - quant.zero_point + self.rng.uniform(-0.5, 0.5, shape)) * quant.scale * 1.05
        self.samples[name] = reals.astype(np.float32)
        return self.q(name, quant)

    def output(self, edge: Edge) -> None:
        if self.style.float_edges:
            self.float_output(self.dq(edge))
            return
        self._declare(edge.name, _ELEM[edge.quant.dtype], edge.shape)

    def float_output(self, name: str) -> None:
        self._declare(name, TensorProto.FLOAT, self.sample(name).shape)

    def plain_output(self, edge: PlainEdge) -> None:
        self._declare(edge.name, helper.np_dtype_to_tensor_dtype(self.sample(edge.name).dtype), edge.shape)

    def _declare(self, name: str, elem_type: int, shape: tuple[int, ...]) -> None:
        declared: list[Any] = ["batch", *shape[1:]] if self.style.dynamic_batch else list(shape)
        self.outputs.append(helper.make_tensor_value_info(name, elem_type, declared))

    def _opsets(self) -> list[onnx.OperatorSetIdProto]:
        others = [domain for domain in QDQ_NAMES if domain]
        used = {node.domain for node in self.nodes}
        return [
            helper.make_opsetid("", self.style.opset),
            *(helper.make_opsetid(domain, 1) for domain in others if domain == "com.microsoft" or domain in used),
        ]

    def build(self) -> onnx.ModelProto:
        graph = helper.make_graph(
            self.nodes, "quantized", self.inputs, self.outputs, initializer=list(self.initializers.values())
        )
        model = helper.make_model(graph, opset_imports=self._opsets(), ir_version=8)
        onnx.checker.check_model(model)
        return model

    def feeds(self) -> dict[str, np.ndarray]:
        return {i.name: self.samples[i.name] for i in self.inputs}

    # ---- constants of layers ----
    def quantized_constant(
        self,
        shape: Sequence[int],
        *,
        dtype: str = "int8",
        axis: int | None = None,
        symmetric: bool = True,
        magnitude: float = 1.0,
        nonnegative: bool = False,
    ) -> tuple[str, np.ndarray]:
        """A DQ over random integers, per tensor or per index of `axis`; its name and its scales."""
        low, high = RANGES[dtype]
        ints = self.rng.integers(low, high + 1, shape)
        channels = 1 if axis is None else shape[axis]
        scales = magnitude * self.style.constant_magnitude / 64 * self.rng.uniform(0.5, 2.0, channels)
        if self.style.power_of_two:
            scales = 2.0 ** np.round(np.log2(scales))
        scales = scales.astype(np.float32)
        middle = (low + high + 1) // 2
        zeros = np.full(channels, middle) if symmetric else self.rng.integers(low, high + 1, channels)
        if nonnegative:
            zeros = np.full(channels, low)
        per_tensor = axis is None
        inputs = [
            self.constant(ints, dtype, "weights"),
            self.constant(scales[0] if per_tensor else scales, stem="scale"),
            self.constant(zeros[0] if per_tensor else zeros, dtype, "zero_point"),
        ]
        name = self.dq_node(inputs, None if per_tensor else axis)
        return name, scales

    def bias(self, kind: str, channels: int, product_scales: np.ndarray, accumulator: float) -> str | None:
        """kind: none, int32 (DQ with the accumulator's scale) or float32. accumulator: its usual size, in steps."""
        if kind == "none":
            return None
        steps = self.rng.normal(0.0, accumulator, channels)
        if kind == "float32":
            # On the accumulator's grid: onnxruntime's level-1 optimizations round a float bias to it anyway.
            return self.constant(np.rint(steps) * np.broadcast_to(product_scales, channels))
        scales = product_scales.astype(np.float32)
        per_channel = scales.size > 1
        inputs = [self.constant(np.rint(steps), "int32", "bias"), self.constant(scales if per_channel else scales[0])]
        if self.style.qdq_domain not in ("", "com.microsoft"):  # AMD's have no default for the zero point
            inputs.append(self.constant(np.zeros(scales.shape if per_channel else ()), "int32", "zero_point"))
        # com.microsoft's axis defaults to 1, which a bias does not have.
        return self.dq_node(inputs, 0 if per_channel else None)

    # ---- layers: DQ, operator, optional activation, Q ----
    def activation(self, name: str, kind: str | None) -> str:
        """The float value through an activation; kind: an operator's name, "Relu6", or None."""
        if kind is None:
            return name
        if kind in ("Relu6", "Clip"):
            low, high = (0.0, 6.0) if kind == "Relu6" else (-1.5, 2.25)
            return self.op("Clip", [name, self.constant(low), self.constant(high)])
        if kind == "PRelu":
            rank = self.sample(name).ndim
            slope = self.quantized_constant([self.sample(name).shape[1], *[1] * (rank - 2)], dtype="int8")[0]
            return self.op(kind, [name, slope])
        attributes = {
            "LeakyRelu": {"alpha": 0.1015625 if self.style.power_of_two else 0.1},
            "Elu": {"alpha": 0.75},
            "Celu": {"alpha": 0.75},
            "Shrink": {"lambd": 0.75, "bias": 0.25},
            "ThresholdedRelu": {"alpha": 0.3},
            "HardSigmoid": {"alpha": 1 / 6, "beta": 0.5},
        }
        domain = "com.microsoft" if kind == "QuickGelu" else ""
        return self.op(kind, [name], domain=domain, **attributes.get(kind, {}))

    def finish(self, name: str, activation: str | None = None, *, separate: bool = False, **quant: Any) -> Edge:
        """Q behind the operator and its activation; `separate` puts a Q/DQ pair between the two."""
        if separate and activation:
            name = self.dq(self.q(name))
        name = self.activation(name, activation)
        # The known range of a bounded function: far out on its tail a calibrated scale would be of float32's noise.
        bounds = {"Sigmoid": (0.0, 1.0), "HardSigmoid": (0.0, 1.0), "Tanh": (-1.0, 1.0)}.get(activation or "")
        return self.q(name, self.quant_for(*bounds, **quant) if bounds else self.calibrate(name, **quant))

    def conv(self, x: Edge, filters: int, kernel: Sequence[int], *, group: int = 1, **options: Any) -> str:
        """filters: of all groups together."""
        return self._convolution("Conv", x, [filters, x.shape[1] // group, *kernel], group, **options)

    def conv_transpose(self, x: Edge, filters: int, kernel: Sequence[int], *, group: int = 1, **options: Any) -> str:
        """filters: per group."""
        return self._convolution("ConvTranspose", x, [x.shape[1], filters, *kernel], group, **options)

    def _convolution(
        self,
        op: str,
        x: Edge,
        shape: Sequence[int],
        group: int,
        *,
        per_channel: bool = False,
        weight_dtype: str = "int8",
        symmetric: bool = True,
        bias: str = "int32",
        **attributes: Any,
    ) -> str:
        kernel, transposed = shape[2:], op == "ConvTranspose"
        axis = 1 if transposed else 0
        w, scales = self.quantized_constant(
            shape, dtype=weight_dtype, axis=axis if per_channel else None, symmetric=symmetric
        )
        if transposed and per_channel:  # the groups share the scales of their filters
            scales = np.tile(scales, group)
        channels = shape[1] * group if transposed else shape[0]
        taps = x.shape[1] // group * math.prod(kernel)
        b = self.bias(bias, channels, scales * np.float32(x.quant.scale), 3000.0 * math.sqrt(taps))
        inputs = [self.dq(x), w] + ([] if b is None else [b])
        return self.op(op, inputs, group=group, kernel_shape=list(kernel), **attributes)

    def gemm(
        self,
        x: Edge,
        columns: int,
        *,
        trans_a: bool = False,
        trans_b: bool = False,
        per_channel: bool = False,
        weight_dtype: str = "int8",
        symmetric: bool = True,
        bias: str = "int32",
        alpha: float | None = None,
        beta: float | None = None,
    ) -> str:
        inner = x.shape[0] if trans_a else x.shape[1]
        axis = (0 if trans_b else 1) if per_channel else None
        shape = [columns, inner] if trans_b else [inner, columns]
        w, scales = self.quantized_constant(shape, dtype=weight_dtype, axis=axis, symmetric=symmetric)
        b = self.bias(bias, columns, scales * np.float32(x.quant.scale), 3000.0 * math.sqrt(inner))
        inputs = [self.dq(x), w] + ([] if b is None else [b])
        flags = {"transA": int(trans_a) or None, "transB": int(trans_b) or None}
        return self.op("Gemm", inputs, alpha=alpha, beta=beta, **flags)

    def matmul(
        self, x: Edge, columns: int, *, per_channel: bool = False, weight_dtype: str = "int8", symmetric: bool = True
    ) -> str:
        axis = 1 if per_channel else None
        w, _ = self.quantized_constant([x.shape[-1], columns], dtype=weight_dtype, axis=axis, symmetric=symmetric)
        return self.op("MatMul", [self.dq(x), w])

    def softmax(self, x: Edge, axis: int) -> str:
        return self.op("Softmax", [self.dq(x)], axis=axis)

    def clip(self, x: Edge, low: float | None, high: float | None) -> str:
        bounds = ["" if v is None else self.constant(v) for v in (low, high)]
        return self.op("Clip", [self.dq(x), *bounds])

    def reduce(self, op: str, x: Edge, axes: Sequence[int], keepdims: bool) -> str:
        if self.style.opset >= 18:
            return self.op(op, [self.dq(x), self.constant(axes, "int64")], keepdims=int(keepdims))
        return self.op(op, [self.dq(x)], axes=list(axes), keepdims=int(keepdims))

    def pad(self, x: Edge, pads: Sequence[int], mode: str, value: float | None = None) -> str:
        inputs = [self.dq(x), self.constant(pads, "int64")]
        if value is not None:
            inputs.append(self.constant(value))
        return self.op("Pad", inputs, mode=mode)

    def squeeze_or_unsqueeze(self, op: str, x: Edge, axes: Sequence[int]) -> str:
        if self.style.opset >= 13:
            return self.op(op, [self.dq(x), self.constant(axes, "int64")])
        return self.op(op, [self.dq(x)], axes=list(axes))

    def slice(
        self, x: Edge, starts: Sequence[int], ends: Sequence[int], axes: Sequence[int], steps: Sequence[int]
    ) -> str:
        return self.op("Slice", [self.dq(x), *(self.constant(v, "int64") for v in (starts, ends, axes, steps))])

    def plain(self, name: str) -> PlainEdge:
        return PlainEdge(name, self.sample(name).shape)

    def top_k(self, x: Edge, k: int, axis: int, *, largest: bool) -> list[str]:
        inputs = [self.dq(x), self.constant([k], "int64")]
        return self.node("TopK", inputs, outputs=2, axis=axis, largest=int(largest))

    def split(self, x: Edge, axis: int, sizes: Sequence[int]) -> list[str]:
        if self.style.opset >= 13:
            return self.node("Split", [self.dq(x), self.constant(sizes, "int64")], outputs=len(sizes), axis=axis)
        return self.node("Split", [self.dq(x)], outputs=len(sizes), axis=axis, split=list(sizes))

    def resize(
        self,
        x: Edge,
        *,
        mode: str,
        coordinates: str,
        nearest: str | None,
        scales: Sequence[float] | None = None,
        sizes: Sequence[int] | None = None,
    ) -> str:
        inputs = [self.dq(x), "" if self.style.opset >= 13 else self.constant([], "float32")]
        if scales is not None:
            inputs.append(self.constant(scales))
        else:
            inputs += ["" if self.style.opset >= 13 else self.constant([], "float32"), self.constant(sizes, "int64")]
        attributes = {"coordinate_transformation_mode": coordinates, "nearest_mode": nearest}
        return self.op("Resize", inputs, mode=mode, **attributes)


def expose_quantized(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy of the model with every QuantizeLinear's result among its outputs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    zero_points = {t.name: t.data_type for t in model.graph.initializer}
    visible = {o.name for o in model.graph.output}
    for node in model.graph.node:
        if node.op_type in QUANTIZE and node.output[0] not in visible:
            elem_type = zero_points[node.input[2]] if len(node.input) > 2 else TensorProto.UINT8
            copy.graph.output.append(helper.make_tensor_value_info(node.output[0], elem_type, None))
    return copy
