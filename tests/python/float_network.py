"""Small float networks in the making, with inputs to calibrate them on."""

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


def image(n: FloatNetwork, channels: int = 8, size: int = 8) -> str:
    """A first convolution."""
    return n.conv(n.input(2, 3, size, size), 3, channels)


def tokens(n: FloatNetwork, width: int = 16) -> str:
    """A first product."""
    return n.dense(n.input(2, 6, 12), 12, width)


def head(n: FloatNetwork, x: str, channels: int = 8) -> None:
    """A last convolution."""
    n.conv(x, channels, 4, 1)


class Feeds(CalibrationDataReader):  # type: ignore[misc]
    """Calibration inputs."""

    def __init__(self, feeds: list[Arrays]) -> None:
        self.remaining = feeds

    def get_next(self) -> Arrays | None:
        return self.remaining.pop() if self.remaining else None
