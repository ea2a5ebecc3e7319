"""A node as the oracle's operators read it."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import NodeProto, helper

from .quant import Array, Reals, Tensor


class Node:
    """A node with its inputs' values, and typed access to attributes."""

    def __init__(self, proto: NodeProto, inputs: list[Tensor | None], opset: int) -> None:
        self.proto, self.inputs, self.opset = proto, inputs, opset
        self.attributes: dict[str, Any] = {a.name: helper.get_attribute_value(a) for a in proto.attribute}

    def attr(self, name: str, default: Any = None) -> Any:
        return self.attributes.get(name, default)

    def text(self, name: str, default: str) -> str:
        value = self.attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def optional(self, index: int) -> Tensor | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def real(self, index: int) -> Reals:
        tensor = self.inputs[index]
        assert tensor is not None
        return tensor.real

    def plain(self, index: int) -> Array:
        """An input of integers or booleans that stand for themselves."""
        tensor = self.inputs[index]
        assert tensor is not None
        assert tensor.array.dtype.kind in "iub"
        return tensor.array

    def elements(self) -> Tensor:
        """The first tensor whose elements the node moves."""
        tensor = self.inputs[1 if self.proto.op_type == "Where" else 0]
        assert tensor is not None
        return tensor

    def integers(self, index: int, attribute: str) -> list[int] | None:
        """A list of integers that older opsets have as an attribute and newer ones as an input."""
        tensor = self.optional(index)
        if tensor is not None:
            return [int(v) for v in np.atleast_1d(tensor.array)]
        value = self.attributes.get(attribute)
        return None if value is None else [int(v) for v in np.atleast_1d(value)]


def window(node: Node, rank: int) -> dict[str, Any]:
    return {
        "strides": node.attr("strides", [1] * rank),
        "dilations": node.attr("dilations", [1] * rank),
        "pads": node.attr("pads", [0] * 2 * rank),
        "auto_pad": node.text("auto_pad", "NOTSET"),
    }
