"""A small transformer encoder with dynamic axes, written as exporters write it: every target shape is computed."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

VOCABULARY, POSITIONS = 50, 32
FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


class EncoderBuilder:
    """Nodes and seeded weights of one encoder; `finish` makes the model."""

    def __init__(self, hidden: int = 32, heads: int = 4, seed: int = 0) -> None:
        self.hidden, self.heads = hidden, heads
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def op(self, op_type: str, *inputs: str, **attributes: object) -> str:
        name = f"{op_type.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, list(inputs), [name], name, **attributes))
        return name

    def constant(self, value: np.ndarray) -> str:
        name = f"c_{len(self.constants)}"
        self.constants[name] = numpy_helper.from_array(value, name)
        return name

    def ints(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def weight(self, *shape: int, spread: float | None = None) -> str:
        spread = spread if spread is not None else 1 / math.sqrt(shape[0])
        return self.constant((self.rng.standard_normal(shape) * spread).astype(np.float32))

    def dimension(self, value: str, axis: int) -> str:
        """One dimension as a vector of one element, through Shape, Gather and Unsqueeze."""
        size = self.op("Gather", self.op("Shape", value), self.constant(np.array(axis, np.int64)))
        return self.op("Unsqueeze", size, self.ints(0))

    def reshape(self, value: str, like: str, *rest: int) -> str:
        """[batch, sequence, *rest], the first two as `like` has them."""
        target = self.op("Concat", self.dimension(like, 0), self.dimension(like, 1), self.ints(*rest), axis=0)
        return self.op("Reshape", value, target)

    def linear(self, value: str, inputs: int, outputs: int) -> str:
        product = self.op("MatMul", value, self.weight(inputs, outputs))
        return self.op("Add", product, self.weight(outputs, spread=0.1))

    def norm(self, value: str) -> str:
        scale = self.constant(self.rng.uniform(0.8, 1.2, self.hidden).astype(np.float32))
        return self.op("LayerNormalization", value, scale, self.weight(self.hidden, spread=0.1), axis=-1)

    def split_heads(self, value: str, like: str, perm: list[int]) -> str:
        shaped = self.reshape(value, like, self.heads, self.hidden // self.heads)
        return self.op("Transpose", shaped, perm=perm)

    def attention(self, hidden: str, mask: str) -> str:
        query, key, value = (self.linear(hidden, self.hidden, self.hidden) for _ in range(3))
        scale = self.constant(np.array(1 / math.sqrt(self.hidden // self.heads), np.float32))
        scores = self.op(
            "MatMul",
            self.op("Mul", self.split_heads(query, hidden, [0, 2, 1, 3]), scale),
            self.split_heads(key, hidden, [0, 2, 3, 1]),
        )
        weights = self.op("Softmax", self.op("Add", scores, mask), axis=-1)
        mixed = self.op("MatMul", weights, self.split_heads(value, hidden, [0, 2, 1, 3]))
        joined = self.reshape(self.op("Transpose", mixed, perm=[0, 2, 1, 3]), hidden, -1)
        return self.linear(joined, self.hidden, self.hidden)

    def gelu(self, value: str) -> str:
        error = self.op("Erf", self.op("Div", value, self.constant(np.array(math.sqrt(2), np.float32))))
        half = self.op("Mul", self.op("Add", error, self.constant(np.array(1, np.float32))), value)
        return self.op("Mul", half, self.constant(np.array(0.5, np.float32)))

    def embedding(self) -> str:
        words = self.op("Gather", self.weight(VOCABULARY, self.hidden, spread=1), "input_ids")
        positions = self.constant(np.arange(POSITIONS, dtype=np.int64)[None])
        used = self.op("Slice", positions, self.ints(0), self.dimension("input_ids", 1), self.ints(1))
        return self.op("Add", words, self.op("Gather", self.weight(POSITIONS, self.hidden, spread=1), used))

    def mask(self) -> str:
        """[batch, 1, sequence, sequence]: 0 where a token counts, a large negative number elsewhere."""
        wide = self.op("Cast", self.op("Unsqueeze", "attention_mask", self.ints(1, 2)), to=BOOL)
        one, size = self.ints(1), self.dimension("attention_mask", 1)
        target = self.op("Concat", self.dimension("attention_mask", 0), one, size, size, axis=0)
        zero, least = (self.constant(np.array(x, np.float32)) for x in (0, -1e4))
        return self.op("Where", self.op("Expand", wide, target), zero, least)

    def product_mask(self) -> str:
        """[batch, 1, 1, sequence], as the transformers library computed it for years: (1 - mask) * the least float."""
        counted = self.op("Cast", self.op("Unsqueeze", "attention_mask", self.ints(1, 2)), to=FLOAT)
        rest = self.op("Sub", self.constant(np.array(1, np.float32)), counted)
        return self.op("Mul", rest, self.constant(np.array(np.finfo(np.float32).min)))

    def pooled(self, hidden: str) -> str:
        """The mean over the tokens that count, as sentence-transformers has it."""
        wide = self.op("Expand", self.op("Unsqueeze", "attention_mask", self.ints(-1)), self.op("Shape", hidden))
        counted = self.op("Cast", wide, to=FLOAT)
        total = self.op("ReduceSum", self.op("Mul", hidden, counted), self.ints(1), keepdims=0)
        count = self.op("ReduceSum", counted, self.ints(1), keepdims=0)
        return self.op("Div", total, count)

    def finish(self, output: str) -> onnx.ModelProto:
        axes = ["batch", "sequence"]
        self.nodes.append(helper.make_node("Identity", [output], ["y"], "last"))
        graph = helper.make_graph(
            self.nodes,
            "encoder",
            [helper.make_tensor_value_info(name, INT64, axes) for name in ("input_ids", "attention_mask")],
            [helper.make_tensor_value_info("y", FLOAT, ["batch", self.hidden])],
            list(self.constants.values()),
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def small_encoder(
    layers: int = 2,
    hidden: int = 32,
    heads: int = 4,
    seed: int = 0,
    added: Callable[[EncoderBuilder], str] = EncoderBuilder.mask,
) -> onnx.ModelProto:
    b = EncoderBuilder(hidden, heads, seed)
    state, mask = b.norm(b.embedding()), added(b)
    for _ in range(layers):
        state = b.norm(b.op("Add", b.attention(state, mask), state))
        inner = b.gelu(b.linear(state, hidden, 2 * hidden))
        state = b.norm(b.op("Add", b.linear(inner, 2 * hidden, hidden), state))
    return b.finish(b.pooled(state))


def tokens(batch: int, length: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Sentences of different lengths, padded to `length`; the first fills it."""
    rng = np.random.default_rng(seed)
    lengths = np.r_[length, rng.integers(1, length + 1, batch - 1)]
    mask = (np.arange(length) < lengths[:, None]).astype(np.int64)
    return {"input_ids": rng.integers(0, VOCABULARY, (batch, length)) * mask, "attention_mask": mask}
