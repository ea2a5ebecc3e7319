"""A quantized model as layers and quantized tensors: what sensitivity and mixed precision take apart.

A tensor is quantized by a QuantizeLinear and the DequantizeLinear nodes behind it (of any domain), or, a constant, by a
DequantizeLinear alone. A layer is what lies between them: an operator with its activation, as far as values stay float.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

QUANTIZE = frozenset(("QuantizeLinear", "ExtendedQuantizeLinear", "VitisQuantizeLinear"))
DEQUANTIZE = frozenset(("DequantizeLinear", "ExtendedDequantizeLinear", "VitisDequantizeLinear"))
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


@dataclass
class Activation:
    """A quantized activation, named as the float tensor that its QuantizeLinear reads."""

    name: str
    quantize: onnx.NodeProto
    dequantize: list[onnx.NodeProto] = field(default_factory=list)


@dataclass
class Constant:
    """A quantized constant, named as its dequantized tensor: weights or a bias."""

    name: str
    dequantize: onnx.NodeProto
    quantize: onnx.NodeProto | None = None  # where the quantizer left the constant itself float


@dataclass(frozen=True)
class Layer:
    name: str  # of its main node
    op: str
    nodes: tuple[onnx.NodeProto, ...] = field(repr=False)
    inputs: tuple[str, ...]  # activations that it reads
    output: str | None  # the activation that it writes; None where it is not quantized, or several are
    constants: tuple[str, ...]


class QuantizedGraph:
    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.initializers = {tensor.name: tensor for tensor in model.graph.initializer}
        self.producers = {name: node for node in model.graph.node for name in node.output if name}
        self.activations: dict[str, Activation] = {}
        self.constants: dict[str, Constant] = {}
        self._read_tensors()
        self.layers = self._read_layers()

    def value(self, name: str) -> NDArray[Any]:
        """Of a constant, or of a scale or zero point."""
        tensor = self.initializers.get(name)
        if tensor is None and (node := self.producers.get(name)) is not None and node.op_type == "Constant":
            tensor = node.attribute[0].t
        if tensor is None:
            raise KeyError(f"'{name}' is not a constant of the model")
        return numpy_helper.to_array(tensor)

    def scale(self, name: str) -> NDArray[Any]:
        """Of a quantized activation or constant."""
        node = self.activations[name].quantize if name in self.activations else self.constants[name].dequantize
        return self.value(node.input[1])

    def zero_point(self, name: str) -> NDArray[Any]:
        """Of a quantized activation."""
        node = self.activations[name].quantize
        return self.value(node.input[2]) if len(node.input) > 2 else np.zeros((), np.uint8)

    def has_folded_relu(self, name: str) -> bool:
        """Whether saturation at zero may stand for a ReLU that the quantizer took away."""
        producer = self.producers.get(name)
        zero = self.zero_point(name)
        return (
            producer is not None
            and producer.op_type not in _NEVER_NEGATIVE
            and zero.dtype.kind in "iu"
            and bool(np.all(zero == np.iinfo(zero.dtype).min))
        )

    def activation_behind(self, dequantized: str) -> str | None:
        """The quantized activation that a dequantized tensor is a version of."""
        node = self.producers.get(dequantized)
        if node is None or node.op_type not in DEQUANTIZE:
            return None
        quantize = self.producers.get(node.input[0])
        return quantize.input[0] if quantize is not None and quantize.input[0] in self.activations else None

    def _is_constant(self, name: str) -> bool:
        node = self.producers.get(name)
        return name in self.initializers or (node is not None and node.op_type == "Constant")

    def _read_tensors(self) -> None:
        by_quantized: dict[str, Activation] = {}
        for node in self.model.graph.node:
            if node.op_type in QUANTIZE and not self._is_constant(node.input[0]):
                activation = Activation(node.input[0], node)
                self.activations[activation.name] = by_quantized[node.output[0]] = activation
        for node in self.model.graph.node:
            if node.op_type not in DEQUANTIZE:
                continue
            quantize = self.producers.get(node.input[0])
            if node.input[0] in by_quantized:
                by_quantized[node.input[0]].dequantize.append(node)
            elif self._is_constant(node.input[0]):
                self.constants[node.output[0]] = Constant(node.output[0], node)
            elif quantize is not None and quantize.op_type in QUANTIZE:
                self.constants[node.output[0]] = Constant(node.output[0], node, quantize)

    def _read_layers(self) -> list[Layer]:
        """Nodes that float activations join, in the model's order."""
        inner = [
            node
            for node in self.model.graph.node
            if node.op_type not in QUANTIZE | DEQUANTIZE and node.op_type != "Constant"
        ]
        group = {id(node): index for index, node in enumerate(inner)}
        members = {index: [node] for index, node in enumerate(inner)}
        for node in inner:
            for name in node.input:
                producer = self.producers.get(name)
                if producer is None or id(producer) not in group:
                    continue
                into, other = sorted((group[id(node)], group[id(producer)]))
                if into != other:
                    for moved in members[other]:
                        group[id(moved)] = into
                    members[into] += members.pop(other)
        return [layer for nodes in members.values() if (layer := self._layer(nodes)) is not None]

    def _layer(self, nodes: list[onnx.NodeProto]) -> Layer | None:
        read = list(dict.fromkeys(name for node in nodes for name in node.input))
        inputs = [name for tensor in read if (name := self.activation_behind(tensor)) is not None]
        constants = [name for name in read if name in self.constants]
        written = [name for node in nodes for name in node.output if name in self.activations]
        if not (inputs or constants or written):
            return None
        main = min(nodes, key=lambda node: PRODUCTS.index(node.op_type) if node.op_type in PRODUCTS else len(PRODUCTS))
        return Layer(
            name=main.name or main.output[0],
            op=main.op_type,
            nodes=tuple(nodes),
            inputs=tuple(dict.fromkeys(inputs)),
            output=written[0] if len(written) == 1 else None,
            constants=tuple(constants),
        )


# What cannot have had its ReLU folded away: it is one, or gives no negative number.
_NEVER_NEGATIVE = frozenset(("Relu", "Clip", "Sigmoid", "HardSigmoid", "Softmax"))


class Surgery:
    """Changes to a copy of a quantized model, applied together by result()."""

    def __init__(self, graph: QuantizedGraph) -> None:
        self._graph = graph
        self._replaced: dict[str, str] = {}  # tensors by what is read in their place
        self._read_float: dict[tuple[int, str], str] = {}  # (node, dequantized tensor): the float one
        self._dropped: set[int] = set()  # ids of nodes
        self._nodes: list[onnx.NodeProto] = []
        self._tensors: list[onnx.TensorProto] = []
        self._opsets: set[str] = set()

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self._tensors.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def float_activation(self, name: str) -> None:
        """Takes Q and DQ out."""
        activation = self._graph.activations[name]
        self._drop(activation.quantize, *activation.dequantize)
        for node in activation.dequantize:
            self._read_instead(node.output[0], self._unrounded(name))

    def float_constant(self, name: str, value: NDArray[Any]) -> None:
        constant = self._graph.constants[name]
        self._drop(constant.dequantize, *([constant.quantize] if constant.quantize is not None else []))
        self.constant(name, value)

    def requantized_activation(self, name: str, scale: NDArray[Any], zero_point: NDArray[Any]) -> None:
        activation = self._graph.activations[name]
        self._drop(activation.quantize, *activation.dequantize)
        parameters = self._parameters(name, scale, zero_point)
        quantized = f"{name}/{zero_point.dtype.name}"
        self._add("QuantizeLinear", [name, *parameters], quantized)
        for node in activation.dequantize:
            self._add("DequantizeLinear", [quantized, *parameters], node.output[0])

    def read_float(self, layer: Layer, name: str) -> None:
        """Has this layer alone read the activation before it is quantized."""
        dequantized = {node.output[0] for node in self._graph.activations[name].dequantize}
        self._read_float |= {
            (id(node), tensor): self._unrounded(name) for node in layer.nodes for tensor in dequantized
        }

    def requantized_constant(
        self, name: str, quantized: NDArray[Any], scale: NDArray[Any], axis: int | None = None
    ) -> None:
        constant = self._graph.constants[name]
        self._drop(constant.dequantize, *([constant.quantize] if constant.quantize is not None else []))
        stored = self.constant(f"{name}/{quantized.dtype.name}", quantized)
        parameters = self._parameters(name, scale, np.zeros(scale.shape, quantized.dtype))
        self._add("DequantizeLinear", [stored, *parameters], name, **({} if axis is None else {"axis": axis}))

    def result(self) -> onnx.ModelProto:
        model = onnx.ModelProto()
        model.CopyFrom(self._graph.model)
        kept = []
        for node, old in zip(model.graph.node, self._graph.model.graph.node, strict=True):
            if id(old) in self._dropped:
                continue
            for index, name in enumerate(node.input):
                node.input[index] = self._read_float.get((id(old), name), self._replaced.get(name, name))
            kept.append(node)
        nodes = _sorted([*kept, *self._nodes])
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        added = {tensor.name for tensor in self._tensors}
        read = {name for node in nodes for name in _names_read(node)} | {value.name for value in model.graph.output}
        tensors = [t for t in model.graph.initializer if t.name in read and t.name not in added]
        del model.graph.initializer[:]
        model.graph.initializer.extend([*tensors, *(t for t in self._tensors if t.name in read)])
        del model.graph.value_info[:]
        for domain in self._opsets - {opset.domain for opset in model.opset_import}:
            model.opset_import.append(helper.make_opsetid(domain, 1))
        return model

    def _parameters(self, name: str, scale: NDArray[Any], zero_point: NDArray[Any]) -> list[str]:
        prefix = f"{name}/{zero_point.dtype.name}"
        return [self.constant(f"{prefix}_scale", scale), self.constant(f"{prefix}_zero_point", zero_point)]

    def _add(self, op: str, inputs: list[str], output: str, **attributes: Any) -> None:
        # ai.onnx has 16 bit from opset 21 on; onnxruntime's own domain has them for every opset.
        node = helper.make_node(op, inputs, [output], name=f"{output}/{op}", domain="com.microsoft", **attributes)
        self._nodes.append(node)
        self._opsets.add("com.microsoft")

    def _unrounded(self, name: str) -> str:
        """The activation without its rounding, but with the ReLU that a quantizer left to its saturation."""
        if not self._graph.has_folded_relu(name):
            return name
        rectified = f"{name}/Relu"
        if rectified not in {node.output[0] for node in self._nodes}:
            self._nodes.append(helper.make_node("Relu", [name], [rectified], name=rectified))
        return rectified

    def _drop(self, *nodes: onnx.NodeProto) -> None:
        self._dropped.update(id(node) for node in nodes)

    def _read_instead(self, name: str, other: str) -> None:
        if name in {value.name for value in self._graph.model.graph.output}:
            self._nodes.append(helper.make_node("Identity", [other], [name], name=f"{name}/Identity"))
        self._replaced[name] = other


def _names_read(node: onnx.NodeProto) -> Iterator[str]:
    """By the node itself and by its bodies, where it has some."""
    yield from node.input
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            for inner in body.node:
                yield from _names_read(inner)


def _sorted(nodes: list[onnx.NodeProto]) -> list[onnx.NodeProto]:
    """In an order in which every tensor is written before it is read."""
    writer = {name: index for index, node in enumerate(nodes) for name in node.output if name}
    waiting: dict[int, int] = {}
    readers: dict[int, list[int]] = defaultdict(list)
    for index, node in enumerate(nodes):
        before = {writer[name] for name in _names_read(node) if name in writer} - {index}
        waiting[index] = len(before)
        for other in before:
            readers[other].append(index)
    ready = [index for index in range(len(nodes)) if not waiting[index]]
    ordered = []
    for index in ready:  # grows while it is read
        ordered.append(nodes[index])
        for reader in readers[index]:
            waiting[reader] -= 1
            if not waiting[reader]:
                ready.append(reader)
    return ordered
