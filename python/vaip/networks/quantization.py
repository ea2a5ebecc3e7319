"""QDQ models as AMD Quark writes them: XINT8 (power-of-two scales) and A8W8 (float scales), symmetric int8 per tensor.

Every activation has one QuantizeLinear/DequantizeLinear pair, read by all its consumers, except where the NPU applies
an activation function within the layer before it (Conv and Relu have none between them). Tensors that a layer only
moves or selects share a scale, as Quark's alignment of Concat, pools and Slice makes them. A node that is excluded, and
what lies between excluded nodes, stays float.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from vaip.networks.normalization import Ranges

Scheme = Literal["xint8", "a8w8"]

# Layers with an activation function of their own, and the functions (Quark's get_annotate_tensors).
WITH_ACTIVATION = {"Conv", "Add", "MaxPool", "AveragePool", "GlobalAveragePool", "MatMul", "Gemm"}
ACTIVATIONS = {"Relu", "Clip"}
# Output and inputs have one scale.
MOVEMENT = {
    "AveragePool",
    "Concat",
    "Flatten",
    "GlobalAveragePool",
    "MaxPool",
    "Reshape",
    "Resize",
    "Slice",
    "Transpose",
}
# Their float constants are parameters of the operator, not data.
PARAMETERS_STAY = {"Clip", "Resize"}
LARGEST = 127
# Of activations without a calibration: makes their scale a power of two, and so that of weights drawn as int8.
UNCALIBRATED_RANGE = LARGEST / 128
# HardSigmoid on the NPU has 7 fractional bits or more (Quark's adjust_hard_sigmoid).
HARD_SIGMOID_POSITION = 7


def quantize(
    model: ModelProto, ranges: Ranges, scheme: Scheme, excluded: Callable[[NodeProto], bool] = lambda _: False
) -> ModelProto:
    return _Quantizer(model, ranges, scheme, excluded).run()


class _Quantizer:
    def __init__(
        self, model: ModelProto, ranges: Ranges, scheme: Scheme, excluded: Callable[[NodeProto], bool]
    ) -> None:
        self._model = model
        self._scheme = scheme
        self._excluded = {node.name for node in model.graph.node if excluded(node)}
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._paired = self._choose_pairs()
        self._scales = self._choose_scales(ranges)
        self._nodes: list[NodeProto] = []
        self._initializers: list[TensorProto] = []
        self._dequantized: dict[str, str] = {}  # an activation or constant -> the DequantizeLinear's output
        self._constant_scales: dict[str, np.float32] = {}

    def run(self) -> ModelProto:
        graph = self._model.graph
        outputs = {value.name for value in graph.output}
        for value in graph.input:
            if value.name in self._paired:
                self._emit_pair(value.name, value.name, f"{value.name}_dequantized")
        for original in graph.node:
            node = NodeProto()
            node.CopyFrom(original)
            if node.name in self._excluded:
                node.input[:] = [self._dequantized.get(name, name) for name in node.input]
            else:
                node.input[:] = [self._operand(original, i) for i in range(len(node.input))]
            for i, name in enumerate(node.output):
                if name in outputs and name in self._paired:
                    node.output[i] = f"{name}_float"
            self._nodes.append(node)
            for name, written in zip(original.output, node.output, strict=True):
                if name in self._paired:
                    self._emit_pair(name, written, name if name in outputs else f"{name}_dequantized")
        return self._finish()

    def _choose_pairs(self) -> set[str]:
        graph = self._model.graph
        readers = Counter(name for node in graph.node for name in set(node.input))
        readers.update(value.name for value in graph.output)
        producers = {name: node for node in graph.node for name in node.output}
        within: set[str] = set()
        paired: set[str] = set()
        for node in graph.node:
            producer = producers.get(node.input[0])
            fused = node.op_type in ACTIVATIONS and producer is not None and producer.op_type in WITH_ACTIVATION
            if fused and readers[node.input[0]] == 1:
                within.add(node.input[0])
            if node.name not in self._excluded:
                paired.update(name for name in (*node.input, *node.output) if name and name not in self._constants)
        return paired - within

    def _choose_scales(self, ranges: Ranges) -> dict[str, np.float32]:
        groups = {name: {name} for name in self._paired}
        for node in self._model.graph.node:
            if node.op_type in MOVEMENT and node.name not in self._excluded:
                members = [name for name in (*node.input, *node.output) if name in self._paired]
                merged = set().union(*(groups[name] for name in members))
                groups.update(dict.fromkeys(merged, merged))
        gates = {node.output[0] for node in self._model.graph.node if node.op_type in ("Sigmoid", "HardSigmoid")}
        scales = {}
        for name, group in groups.items():
            scale = self._scale(max(ranges[member] for member in group))
            if self._scheme == "xint8" and name in gates:
                scale = min(scale, np.float32(2.0**-HARD_SIGMOID_POSITION))
            scales[name] = scale
        return scales

    def _scale(self, magnitude: float) -> np.float32:
        scale = max(magnitude, 1e-6) / LARGEST
        return np.float32(np.exp2(np.rint(np.log2(scale))) if self._scheme == "xint8" else scale)

    def _operand(self, node: NodeProto, position: int) -> str:
        name: str = node.input[position]
        constant = self._constants.get(name)
        if constant is None:
            return self._dequantized.get(name, name)
        if node.op_type in PARAMETERS_STAY or constant.data_type not in (TensorProto.FLOAT, TensorProto.INT8):
            return name
        if name not in self._dequantized:
            values = numpy_helper.to_array(constant)
            if constant.data_type == TensorProto.INT8:  # drawn so
                self._emit_constant(name, values, self._scale(UNCALIBRATED_RANGE))
            else:
                self._emit_constant(name, *self._quantized(node, position, values))
        return self._dequantized[name]

    def _quantized(
        self, node: NodeProto, position: int, values: NDArray[np.float32]
    ) -> tuple[NDArray[np.integer], np.float32]:
        """Integers and their scale."""
        accumulated = self._scheme == "a8w8" and position == 2 and node.op_type in ("Conv", "Gemm")
        limits = np.iinfo(np.int32) if accumulated else np.iinfo(np.int8)
        if accumulated:
            scale = self._scales[node.input[0]] * self._constant_scales[node.input[1]]
        else:
            scale = self._scale(float(np.abs(values).max()))
        steps = np.rint(values.astype(np.float64) / scale)
        return np.clip(steps, limits.min, limits.max).astype(limits.dtype), scale

    def _emit_constant(self, name: str, integers: NDArray[np.integer], scale: np.float32) -> None:
        self._constant_scales[name] = scale
        quantized = self._constant(f"{name}_quantized", integers)
        parameters = self._parameters(name, scale, integers.dtype)
        self._nodes.append(self._dequantize(quantized, parameters, f"{name}_dequantized"))
        self._dequantized[name] = f"{name}_dequantized"

    def _emit_pair(self, name: str, source: str, result: str) -> None:
        quantized = f"{name}_quantized"
        parameters = self._parameters(name, self._scales[name], np.dtype(np.int8))
        self._nodes.append(
            helper.make_node("QuantizeLinear", [source, *parameters], [quantized], name=f"{name}_QuantizeLinear")
        )
        self._nodes.append(self._dequantize(quantized, parameters, result))
        self._dequantized[name] = result

    def _dequantize(self, quantized: str, parameters: list[str], result: str) -> NodeProto:
        name = quantized.removesuffix("_quantized") + "_DequantizeLinear"
        return helper.make_node("DequantizeLinear", [quantized, *parameters], [result], name=name)

    def _parameters(self, name: str, scale: np.float32, dtype: np.dtype) -> list[str]:
        scale_name = self._constant(f"{name}_scale", np.array(scale, np.float32))
        return [scale_name, self._constant(f"{name}_zero_point", np.array(0, dtype))]

    def _constant(self, name: str, values: NDArray[np.generic]) -> str:
        self._initializers.append(numpy_helper.from_array(values, name))
        return name

    def _finish(self) -> ModelProto:
        source = self._model.graph
        read = {name for node in self._nodes for name in node.input}
        kept = [tensor for tensor in source.initializer if tensor.name in read]
        return ModelProto(
            ir_version=self._model.ir_version,
            producer_name=self._model.producer_name,
            opset_import=self._model.opset_import,
            graph=GraphProto(
                name=source.name,
                input=source.input,
                output=source.output,
                node=self._nodes,
                initializer=[*kept, *self._initializers],
            ),
        )
