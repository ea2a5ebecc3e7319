"""Evaluates a model by the numerics' definition: Q(op(DQ(x), DQ(w), ...)) with one rounding, at the Q.

A quantized layer is an anchor operator with a DequantizeLinear among its data inputs, optionally one activation, then
QuantizeLinear. Within a layer numbers are real; a tensor that a layer leaves as float is the real number in float32.
Written from the ONNX operator specification alone; it knows nothing of the execution provider.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from . import elementwise, indexing, linear, movement, normalization, pooling, qlinear
from .node import Node, window
from .quant import Array, Reals, Tensor, dequantize, from_real, quantize

_QUANTIZE = ("QuantizeLinear", "ExtendedQuantizeLinear", "VitisQuantizeLinear")
_DEQUANTIZE = ("DequantizeLinear", "ExtendedDequantizeLinear", "VitisDequantizeLinear")

# Operators that take integer tensors as well: the result is of integers with the same meaning.
_ON_INTEGERS = {
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "MaxPool", "Pad",
    "ReduceMax", "ReduceMin", "Reshape", "Resize", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose",
    "Unsqueeze",
}  # fmt: skip
# Operators that may end a layer between the anchor and Q.
_ACTIVATIONS = {*elementwise.UNARY, "Clip"} - {"Identity", "Floor", "Ceil", "Round", "Sign"}


def evaluate(
    model: onnx.ModelProto, inputs: Mapping[str, Array], observed: Mapping[str, Array] | None = None
) -> dict[str, Array]:
    """Every value of the model by name, as ONNX tensors.

    observed: outputs of QuantizeLinear that another implementation produced. They are computed here as ever, but what
    reads them reads the observed ones: each layer is judged on its own, its rounding not held against the next.
    """
    graph = model.graph
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    values = {t.name: Tensor(numpy_helper.to_array(t)) for t in graph.initializer}
    values.update({name: Tensor(np.asarray(array)) for name, array in inputs.items()})
    consumers = Counter(name for node in graph.node for name in node.input if name)
    readers = {name: node for node in graph.node for name in node.input if name}
    visible = {o.name for o in graph.output}
    computed: dict[str, Array] = {}
    in_layer: set[str] = set()  # float results of anchors, whose activation may still follow

    for proto in graph.node:
        node = Node(proto, [values[name] if name else None for name in proto.input], opset)
        if proto.op_type in _QUANTIZE:
            name = proto.output[0]
            values[name] = _quantize(node)
            if observed and name in observed:
                computed[name] = values[name].array
                values[name] = Tensor(observed[name])
            continue
        if proto.op_type in _DEQUANTIZE:
            values[proto.output[0]] = _dequantize(node)
            continue
        results = _compute(node)
        first = node.optional(0)
        if proto.op_type in _ON_INTEGERS and first is not None and first.array.dtype != np.float32:
            dtype = first.array.dtype
            results = [r if isinstance(r, Tensor) else Tensor(np.asarray(r).astype(dtype)) for r in results]
        is_anchor = any(t is not None and t.from_integers for t in node.inputs)
        is_activation = proto.op_type in _ACTIVATIONS and proto.input[0] in in_layer
        for name, result in zip(proto.output, results, strict=False):
            if isinstance(result, Tensor):
                values[name] = result
                continue
            alone = consumers[name] == 1 and name not in visible
            reader = readers[name].op_type if alone else ""
            continues = is_anchor and reader in _ACTIVATIONS and readers[name].input[0] == name
            ends = (is_anchor or is_activation) and reader in _QUANTIZE
            if continues:
                in_layer.add(name)
            values[name] = from_real(result, keep_exact=continues or ends)
    return {name: tensor.array for name, tensor in values.items()} | computed


def _default_axis(node: Node) -> int:
    return 0 if node.proto.domain in ("com.amd.quark", "com.vai.quantize") else 1


def _dequantize(node: Node) -> Tensor:
    x, scale, zero_point = node.inputs[0], node.inputs[1], node.optional(2)
    return dequantize(
        x,
        scale.array,
        None if zero_point is None else zero_point.array,
        node.attr("axis", _default_axis(node)),
        node.attr("block_size", 0),
    )


def _quantize(node: Node) -> Tensor:
    x, scale, zero_point = node.inputs[0], node.inputs[1], node.optional(2)
    elem_type = node.attr("output_dtype", 0) or TensorProto.UINT8
    if zero_point is not None:
        elem_type = helper.np_dtype_to_tensor_dtype(zero_point.array.dtype)
    return quantize(
        x,
        scale.array,
        None if zero_point is None else zero_point.array,
        node.attr("axis", _default_axis(node)),
        node.attr("block_size", 0),
        elem_type,
    )


def _compute(node: Node) -> list[Reals | Tensor]:
    """The node's outputs: real numbers, or tensors of other types as they are."""
    op = node.proto.op_type
    if op in elementwise.UNARY:
        return [elementwise.UNARY[op](node.real(0), node.attributes)]
    if op in indexing.INTEGER and all(t is not None and t.array.dtype.kind in "iu" for t in node.inputs):
        return [Tensor(indexing.INTEGER[op](node.plain(0), node.plain(1)))]
    if op in elementwise.BINARY:
        total = node.real(0)
        for i in range(1, len(node.inputs)):
            total = elementwise.BINARY[op](total, node.real(i))
        return [total]
    if op in elementwise.REDUCE:
        return [_reduce(node)]
    if op in qlinear.OPERATORS:
        return [qlinear.OPERATORS[op](node)]
    if op in indexing.COMPARE:
        return [Tensor(indexing.COMPARE[op](*_comparable(node)))]
    if op in indexing.LOGIC:
        return [Tensor(indexing.LOGIC[op](*(node.plain(i) for i in range(len(node.inputs)))))]
    if op in _OPERATORS:
        result = _OPERATORS[op](node)
        results = result if isinstance(result, list) else [result]
        dtype = node.elements().array.dtype if op in _MOVES else np.dtype(np.float32)
        if dtype.kind == "f":
            return results
        # Plain integers and booleans stay what they are.
        return [r if isinstance(r, Tensor) else Tensor(r.astype(dtype)) for r in results]
    raise NotImplementedError(f"the oracle has no {op} (node {node.proto.name!r})")


def _conv(node: Node) -> Reals:
    x, w = node.inputs[0], node.inputs[1]
    return linear.conv(x, w, node.optional(2), group=node.attr("group", 1), **window(node, x.array.ndim - 2))


def _gemm(node: Node) -> Reals:
    product = linear.matmul(
        node.inputs[0],
        node.inputs[1],
        transpose_a=bool(node.attr("transA", 0)),
        transpose_b=bool(node.attr("transB", 0)),
    )
    product = product * float(np.float32(node.attr("alpha", 1.0)))
    bias = node.optional(2)
    return product if bias is None else product + float(np.float32(node.attr("beta", 1.0))) * bias.real


def _pool(node: Node) -> Reals:
    if len(node.proto.output) > 1:
        raise NotImplementedError("MaxPool with Indices")
    kernel = node.attr("kernel_shape")
    return pooling.pool(
        node.real(0),
        "max" if node.proto.op_type == "MaxPool" else "average",
        kernel=kernel,
        ceil_mode=bool(node.attr("ceil_mode", 0)),
        count_include_pad=bool(node.attr("count_include_pad", 0)),
        **window(node, len(kernel)),
    )


def _global_pool(node: Node) -> Reals:
    x = node.real(0)
    op = "ReduceMean" if node.proto.op_type == "GlobalAveragePool" else "ReduceMax"
    return elementwise.REDUCE[op](x, tuple(range(2, x.ndim)), True)


def _reduce(node: Node) -> Reals:
    x = node.real(0)
    axes = node.integers(1, "axes")
    if not axes and node.attr("noop_with_empty_axes", 0):
        return x
    chosen = tuple(a % x.ndim for a in axes) if axes else tuple(range(x.ndim))
    return elementwise.REDUCE[node.proto.op_type](x, chosen, bool(node.attr("keepdims", 1)))


def _softmax(node: Node) -> Reals:
    old = node.opset < 13
    return elementwise.softmax(
        node.real(0), node.attr("axis", 1 if old else -1), log=node.proto.op_type == "LogSoftmax", flatten_to_2d=old
    )


def _clip(node: Node) -> Reals:
    bounds: list[float | None] = []
    for index, name in ((1, "min"), (2, "max")):
        tensor = node.optional(index)
        bounds.append(float(tensor.real) if tensor is not None else node.attr(name))
    return elementwise.clip(node.real(0), *bounds)


def _pad(node: Node) -> Reals:
    fill = node.optional(2)
    value = float(fill.real.reshape(-1)[0]) if fill is not None else float(np.float32(node.attr("value", 0.0)))
    axes = node.integers(3, "axes")
    return movement.pad(node.real(0), node.integers(1, "pads"), axes, node.text("mode", "constant"), value)


def _split(node: Node) -> list[Reals]:
    return movement.split(
        node.real(0), node.attr("axis", 0), node.integers(1, "split"), node.attr("num_outputs", len(node.proto.output))
    )


def _resize(node: Node) -> Reals:
    scales, sizes = node.optional(2), node.optional(3)
    if node.attr("antialias", 0) or node.attr("exclude_outside", 0) or node.text("mode", "nearest") == "cubic":
        raise NotImplementedError("Resize: antialias, exclude_outside, cubic")
    if node.text("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise NotImplementedError("Resize: keep_aspect_ratio_policy")
    return movement.resize(
        node.real(0),
        mode=node.text("mode", "nearest"),
        coordinate_mode=node.text("coordinate_transformation_mode", "half_pixel"),
        nearest_mode=node.text("nearest_mode", "round_prefer_floor"),
        scales=list(scales.array) if scales is not None and scales.array.size else None,
        sizes=list(sizes.array) if sizes is not None and sizes.array.size else None,
        axes=node.attr("axes"),
    )


def _constant(node: Node) -> Tensor:
    (name,) = node.attributes
    if name == "value":
        return Tensor(numpy_helper.to_array(node.attributes[name]))
    dtype = np.float32 if name.startswith("value_float") else np.int64
    return Tensor(np.array(node.attributes[name], dtype))


def _unsqueeze(node: Node) -> Reals:
    return np.expand_dims(node.real(0), tuple(node.integers(1, "axes")))


def _normalization(node: Node) -> Reals:
    x, op = node.inputs[0], node.proto.op_type
    epsilon = float(np.float32(node.attr("epsilon", 1e-5)))
    bias = node.optional(2)
    if op == "LpNormalization":
        return normalization.lp(x, node.attr("axis", -1), node.attr("p", 2))
    if op == "LayerNormalization":
        return normalization.layer(x, node.real(1), None if bias is None else bias.real, node.attr("axis", -1), epsilon)
    if op in ("RMSNormalization", "SimplifiedLayerNormalization"):
        return normalization.root_mean_square(x, node.real(1), node.attr("axis", -1), epsilon)
    if op == "BatchNormalization":
        return normalization.batch(x, [node.real(i) for i in range(1, 5)], epsilon)
    groups = node.attr("num_groups") if op == "GroupNormalization" else x.array.shape[1]
    return normalization.group(x, node.real(1), node.real(2), groups, epsilon)


def _conv_transpose(node: Node) -> Reals:
    x, w = node.inputs[0], node.inputs[1]
    rank = x.array.ndim - 2
    return linear.conv_transpose(
        x,
        w,
        node.optional(2),
        group=node.attr("group", 1),
        output_padding=node.attr("output_padding", [0] * rank),
        output_shape=node.attr("output_shape"),
        **window(node, rank),
    )


def _comparable(node: Node) -> list[Array]:
    """Both inputs as they are where they are plain, else as exact real numbers."""
    plain = all(t is not None and t.array.dtype.kind in "iub" for t in node.inputs)
    return [node.plain(i) if plain else node.real(i) for i in range(2)]


def _cast(node: Node) -> Tensor:
    to = helper.tensor_dtype_to_np_dtype(node.attr("to"))
    return Tensor(node.elements().array.astype(to))


def _arg(node: Node) -> Tensor:
    return Tensor(
        indexing.arg(
            node.real(0),
            node.attr("axis", 0),
            largest=node.proto.op_type == "ArgMax",
            keepdims=bool(node.attr("keepdims", 1)),
            last=bool(node.attr("select_last_index", 0)),
        )
    )


def _top_k(node: Node) -> list[Reals | Tensor]:
    (k,) = node.integers(1, "k")
    values, indices = indexing.top_k(node.real(0), k, node.attr("axis", -1), largest=bool(node.attr("largest", 1)))
    return [values, Tensor(indices)]


def _cumulative_sum(node: Node) -> Reals:
    (axis,) = node.integers(1, "axis")
    flags = {name: bool(node.attr(name, 0)) for name in ("exclusive", "reverse")}
    return indexing.cumulative_sum(node.real(0), axis, **flags)


# Results whose elements are their inputs', or sums of plain ones: they have the inputs' type.
_MOVES = {
    *("Concat", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Split", "Expand", "Tile"),
    *("DepthToSpace", "SpaceToDepth", "Gather", "GatherElements", "GatherND", "Where", "TopK", "CumSum"),
}

_OPERATORS: dict[str, Callable[[Node], Reals | Tensor | list[Reals]]] = {
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "Gemm": _gemm,
    "MatMul": lambda n: linear.matmul(n.inputs[0], n.inputs[1]),
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": _global_pool,
    "GlobalMaxPool": _global_pool,
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
    "Clip": _clip,
    "Concat": lambda n: np.concatenate([t.real for t in n.inputs], axis=n.attr("axis")),
    "Pad": _pad,
    "Shape": lambda n: Tensor(np.array(n.inputs[0].array.shape[n.attr("start", 0) : n.attr("end", None)], np.int64)),
    "Reshape": lambda n: movement.reshape(n.real(0), n.integers(1, "shape"), bool(n.attr("allowzero", 0))),
    "Flatten": lambda n: movement.flatten(n.real(0), n.attr("axis", 1)),
    "Squeeze": lambda n: movement.squeeze(n.real(0), n.integers(1, "axes")),
    "Unsqueeze": _unsqueeze,
    "Transpose": lambda n: np.transpose(n.real(0), n.attr("perm")),
    "Slice": lambda n: movement.slice_(
        n.real(0), n.integers(1, "starts"), n.integers(2, "ends"), n.integers(3, "axes"), n.integers(4, "steps")
    ),
    "Split": _split,
    "Resize": _resize,
    "Expand": lambda n: np.broadcast_to(n.real(0), np.broadcast_shapes(n.inputs[0].array.shape, n.integers(1, ""))),
    "Tile": lambda n: np.tile(n.real(0), n.integers(1, "")),
    "DepthToSpace": lambda n: indexing.depth_to_space(n.real(0), n.attr("blocksize"), n.text("mode", "DCR")),
    "SpaceToDepth": lambda n: indexing.space_to_depth(n.real(0), n.attr("blocksize")),
    "Gather": lambda n: indexing.gather(n.real(0), n.plain(1), n.attr("axis", 0)),
    "GatherElements": lambda n: indexing.gather_elements(n.real(0), n.plain(1), n.attr("axis", 0)),
    "GatherND": lambda n: indexing.gather_nd(n.real(0), n.plain(1), n.attr("batch_dims", 0)),
    "Where": lambda n: np.where(n.plain(0), n.real(1), n.real(2)),
    "BitShift": lambda n: Tensor(indexing.bit_shift(n.plain(0), n.plain(1), n.text("direction", ""))),
    "Mod": lambda n: Tensor(indexing.modulus(n.plain(0), n.plain(1), like_c=bool(n.attr("fmod", 0)))),
    "Cast": _cast,
    "ArgMax": _arg,
    "ArgMin": _arg,
    "TopK": _top_k,
    "CumSum": _cumulative_sum,
    "Dropout": lambda n: n.real(0),
    **dict.fromkeys(
        (
            "LayerNormalization",
            "RMSNormalization",
            "SimplifiedLayerNormalization",
            "InstanceNormalization",
            "GroupNormalization",
            "BatchNormalization",
            "LpNormalization",
        ),
        _normalization,
    ),
    "LRN": lambda n: elementwise.local_response_normalization(n.real(0), n.attributes),
    "Constant": _constant,
}
