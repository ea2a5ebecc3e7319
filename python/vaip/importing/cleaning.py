"""What every source's model goes through: fixed dimensions, opset, simplification, shapes, names of nodes."""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Mapping
from pathlib import Path

import onnx
from onnx import version_converter

from vaip import onnx_files
from vaip.importing.errors import ModelImportError
from vaip.onnx_files import opset_of

NEWEST_IR = 10  # what onnxruntime 1.18 and newer read


def fix_dimensions(model: onnx.ModelProto, dims: Mapping[str, int]) -> None:
    """Gives named dynamic dimensions of the inputs their size; what follows from them is inferred again."""
    graph = model.graph
    names = sorted({d.dim_param for v in graph.input for d in v.type.tensor_type.shape.dim if d.dim_param})
    for name in dims:
        if name not in names:
            raise ModelImportError(f"the model has no dynamic dimension '{name}'; it has: {', '.join(names) or 'none'}")
    for value in (*graph.input, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in dims:
                dim.dim_value = dims[dim.dim_param]
    if dims:
        del graph.value_info[:]


def converted(model: onnx.ModelProto, opset: int) -> onnx.ModelProto:
    """The model in another opset, where it is not in it already."""
    now = opset_of(model)
    if now == opset:
        return model
    if opset < 18 <= now:
        _drop_default_of_18(model)
    try:
        result = version_converter.convert_version(onnx_files.without_weights(model), opset)
        onnx_files.give_weights(result, model)
        return result
    except Exception as error:
        raise ModelImportError(
            f"the model cannot be converted from opset {now} to {opset}: {' '.join(str(error).split())[:300]}; "
            f"--opset {now} keeps its own"
        ) from error


def _drop_default_of_18(model: onnx.ModelProto) -> None:
    """The converter leaves a reduction the attribute that came with opset 18, even where it only says the default."""
    for node in model.graph.node:
        if node.op_type.startswith("Reduce"):
            kept = [a for a in node.attribute if not (a.name == "noop_with_empty_axes" and a.i == 0)]
            del node.attribute[:]
            node.attribute.extend(kept)


def simplified(model: onnx.ModelProto) -> tuple[onnx.ModelProto, str]:
    """Constants folded, no-ops and duplicates gone; and what did it: onnxslim, or onnxruntime where that is missing."""
    try:
        import onnxslim
    except ImportError:
        return _optimized(model), "onnxruntime"
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            # Not its fusions: they make operators for which quantizers have no rules.
            slim = onnxslim.slim(model, skip_fusion_patterns=["FusionGelu", "FusionLayerNorm"])
        except Exception as error:
            raise ModelImportError(f"onnxslim failed: {error}; --no-simplify goes without") from error
    return slim, "onnxslim"


def _optimized(model: onnx.ModelProto) -> onnx.ModelProto:
    """onnxruntime's basic optimizations: those that stay within ONNX's own operators."""
    import onnxruntime

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "optimized.onnx"
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 4
        if onnx_files.is_large(model):
            options.add_session_config_entry(
                "session.optimized_model_external_initializers_file_name", "optimized.data"
            )
        with onnx_files.session_source(model) as source:
            onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        return onnx.load(path)


def finished(model: onnx.ModelProto) -> onnx.ModelProto:
    """With shapes for every tensor, a name of its own for every node, and no IR newer than runtimes in use read."""
    inferred = onnx.shape_inference.infer_shapes(onnx_files.without_weights(model), data_prop=True)
    onnx_files.give_weights(inferred, model)
    model = inferred
    model.ir_version = min(model.ir_version, NEWEST_IR)
    taken = {node.name for node in model.graph.node}
    seen: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            name = f"{node.op_type}_{index}"
            while name in taken:
                name += "_"
            node.name = name
            taken.add(name)
        seen.add(node.name)
    return model
