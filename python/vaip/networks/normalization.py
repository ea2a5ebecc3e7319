"""One run of the float network on a random image: settles the folded normalizations and gives every tensor's range.

A trained network keeps its activations within a normal range because each batch normalization has the mean and variance
of what it meets; random weights without that die out or explode within some ten layers. So the normalizations are put
back for one run, as InstanceNormalization (which takes the statistics of the very image), and folded with those.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from vaip.networks.graph import SHIFT
from vaip.registration import import_onnxruntime

EPSILON = 1e-5
# Least variance that a channel is scaled up from, as a part of its layer's: a channel that this image leaves (almost)
# constant must not drown the others when the next image does not.
LEAST_VARIANCE = 0.1
Ranges = dict[str, float]


def settle(model: ModelProto, seed: int = 0) -> Ranges:
    """Folds the normalizations into the model's weights, in place. Returns the largest magnitude of each tensor."""
    graph = model.graph
    tensors = [value.name for value in (*graph.input, *graph.value_info, *graph.output)]
    normalized = {node.name: node for node in graph.node if _is_normalized(node)}
    observed = _observe(_instrumented(model, tensors), tensors, list(normalized), _image(model, seed))
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    for name, node in normalized.items():
        mean = observed[f"{name}:mean"]
        variance = np.maximum(observed[f"{name}:square"] - mean * mean, 0.0)
        variance = np.maximum(variance, LEAST_VARIANCE * variance.mean())
        if node.op_type == "BatchNormalization":
            _replace(initializers[node.input[3]], mean)
            _replace(initializers[node.input[4]], variance)
            continue
        scale = (1.0 / np.sqrt(variance + EPSILON)).astype(np.float32)
        weight, shift = initializers[node.input[1]], initializers[node.input[2]]
        _replace(weight, numpy_helper.to_array(weight) * scale.reshape(-1, 1, 1, 1))
        _replace(shift, numpy_helper.to_array(shift) - mean * scale)
    return {name: float(max(observed[f"{name}:max"], -observed[f"{name}:min"])) for name in tensors}


def _is_normalized(node: NodeProto) -> bool:
    if node.op_type == "BatchNormalization":
        return True
    return node.op_type == "Conv" and len(node.input) == 3 and node.input[2].endswith(SHIFT)


def _image(model: ModelProto, seed: int) -> NDArray[np.float32]:
    shape = [dimension.dim_value for dimension in model.graph.input[0].type.tensor_type.shape.dim]
    return np.random.default_rng(seed).standard_normal(shape, np.float32)


def _instrumented(model: ModelProto, tensors: list[str]) -> ModelProto:
    graph = GraphProto(name=model.graph.name, input=model.graph.input, initializer=model.graph.initializer)
    for node in model.graph.node:
        graph.node.extend(_with_statistics(node, graph) if _is_normalized(node) else [node])
    for name in tensors:
        for statistic in ("Max", "Min"):
            output = f"{name}:{statistic.lower()}"
            graph.node.append(helper.make_node(f"Reduce{statistic}", [name], [output], keepdims=0))
    names = {output for node in graph.node for output in node.output if ":" in output}
    graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in sorted(names))
    return helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)


def _with_statistics(node: NodeProto, graph: GraphProto) -> Iterator[NodeProto]:
    """The node with its normalization taken from the image, and the mean and mean square of what is normalized."""
    if node.op_type == "BatchNormalization":
        source, scale, shift = node.input[:3]
    else:
        channels = next(t.dims[0] for t in graph.initializer if t.name == node.input[2])
        source, scale, shift = f"{node.output[0]}/raw", f"{node.name}/ones", node.input[2]
        graph.initializer.append(numpy_helper.from_array(np.ones(channels, np.float32), scale))
        raw = NodeProto()
        raw.CopyFrom(node)
        raw.output[0] = source
        del raw.input[2:]
        yield raw
    yield helper.make_node("InstanceNormalization", [source, scale, shift], node.output, epsilon=EPSILON)
    square = f"{node.name}/square"
    yield helper.make_node("Mul", [source, source], [square])
    for values, statistic in ((source, "mean"), (square, "square")):
        output = f"{node.name}:{statistic}"
        yield helper.make_node("ReduceMean", [values], [output], axes=[0, 2, 3], keepdims=0)


def _observe(
    model: ModelProto, tensors: list[str], normalized: list[str], image: NDArray[np.float32]
) -> dict[str, NDArray[np.float32]]:
    ort = import_onnxruntime()
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    wanted = [f"{name}:{statistic}" for name in tensors for statistic in ("max", "min")]
    wanted += [f"{name}:{statistic}" for name in normalized for statistic in ("mean", "square")]
    return dict(zip(wanted, session.run(wanted, {model.graph.input[0].name: image}), strict=True))


def _replace(tensor: onnx.TensorProto, values: NDArray[np.float32]) -> None:
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(values, np.float32), tensor.name))
