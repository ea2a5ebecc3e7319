"""What is looked at before a quantizer starts: errors here cost a second, later they cost the whole calibration."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from vaip.files import unwritable
from vaip.onnx_files import opset_of
from vaip.quantize.errors import QuantizeError
from vaip.quantize.recipe import Recipe, Subgraph
from vaip.quantize.signature import model_inputs

MINIMUM_OPSET = 11  # below it, Q/DQ, Clip's and Pad's inputs are not what quantizers expect
QUANTIZED_OPS = ("DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "MatMulNBits")
_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE, TensorProto.BFLOAT16)


def read_model(path: str | os.PathLike[str]) -> onnx.ModelProto:
    try:
        return onnx.load(path)
    except FileNotFoundError as error:
        raise QuantizeError(f"{os.fspath(path)}: no such file: {error}") from error
    except Exception as error:  # protobuf's own classes
        raise QuantizeError(f"{os.fspath(path)}: cannot be read as an ONNX model: {error}") from error


def fix_dimensions(model: onnx.ModelProto, dims: Mapping[str, int]) -> None:
    """Gives named dynamic dimensions their size, wherever the graph declares them."""
    graph = model.graph
    declared = [
        dim
        for value in (*graph.input, *graph.output, *graph.value_info)
        for dim in value.type.tensor_type.shape.dim
        if dim.dim_param
    ]
    names = sorted(
        {dim.dim_param for value in graph.input for dim in value.type.tensor_type.shape.dim if dim.dim_param}
    )
    for name in dims:
        if name not in names:
            raise QuantizeError(f"the model has no dynamic dimension '{name}'; it has: {', '.join(names) or 'none'}")
    for dim in declared:
        if dim.dim_param in dims:
            dim.dim_value = dims[dim.dim_param]


def check_model(model: onnx.ModelProto, recipe: Recipe) -> None:
    _check_opset(model)
    _check_not_quantized(model)
    _check_weights(model)
    _check_nodes(model, recipe)
    if _needs_static_shapes(recipe):
        _check_static(model, recipe)


def check_on_npu(recipe: Recipe) -> None:
    """What is to be evaluated on VitisAIEP has to be something that it runs."""
    if recipe.quark_config is None and not recipe.base.on_npu:
        raise QuantizeError(
            f"{recipe.preset} cannot be evaluated: VitisAIEP runs integers and bfloat16, neither float16 nor numbers "
            "in blocks; take BF16 or A16W8"
        )


def check_writable(output: Path) -> None:
    if reason := unwritable(output):
        raise QuantizeError(f"{output}: {reason}")


def _check_opset(model: onnx.ModelProto) -> None:
    version = opset_of(model)
    if 0 < version < MINIMUM_OPSET:
        raise QuantizeError(
            f"the model has opset {version}; quantizers need {MINIMUM_OPSET} or newer: "
            "`vaip import model.onnx -o newer.onnx --opset 17`"
        )


def _check_not_quantized(model: onnx.ModelProto) -> None:
    for node in model.graph.node:
        if "Quantize" in node.op_type or node.op_type in QUANTIZED_OPS:
            raise QuantizeError(
                f"the model is quantized already: node '{node.name}' is a {node.op_type}; give the float model that it "
                "was made of"
            )


def _check_weights(model: onnx.ModelProto) -> None:
    for name, tensor in _constants(model):
        if tensor.data_type in _FLOATS:
            array = numpy_helper.to_array(tensor)
            if np.isnan(array).any():
                users = [node.name or node.op_type for node in model.graph.node if name in node.input]
                used = f", an input of {', '.join(users[:3])}" if users else ""
                raise QuantizeError(f"weight '{name}'{used}, has NaN: the model is broken, export it again")


def _constants(model: onnx.ModelProto) -> Iterator[tuple[str, TensorProto]]:
    for tensor in model.graph.initializer:
        yield tensor.name, tensor
    for node in model.graph.node:
        if node.op_type == "Constant":
            for attribute in node.attribute:
                if attribute.name == "value":
                    yield node.output[0], attribute.t


def _check_nodes(model: onnx.ModelProto, recipe: Recipe) -> None:
    """Nodes that the recipe names are there: a quantizer passes over names that it does not know."""
    names = {node.name for node in model.graph.node}
    asked = list(recipe.precisions)
    for item in recipe.exclude:
        if isinstance(item, Subgraph):
            asked += [*item.start, *item.end]
        elif not item.startswith("^"):
            asked.append(item)
    for name in asked:
        if name not in names:
            raise QuantizeError(f"the model has no node '{name}'; `vaip partition` and netron show the names")


def _needs_static_shapes(recipe: Recipe) -> bool:
    """What Quark writes for the NPU's CNN compiler scales what pooling gives by a factor that depends on the size."""
    if recipe.quark_config is None:
        return recipe.base.static_shapes
    config = getattr(recipe.quark_config, "global_quant_config", recipe.quark_config)
    return bool(getattr(config, "enable_npu_cnn", False))


def _check_static(model: onnx.ModelProto, recipe: Recipe) -> None:
    for value in model_inputs(model):
        dynamic = [d for d in (value.shape or ())[1:] if not isinstance(d, int)]
        if value.shape is None or dynamic:
            names = [d for d in dynamic if isinstance(d, str)]
            hint = f": fix it with --dim {names[0]}=SIZE" if names else ": export it with fixed shapes"
            raise QuantizeError(
                f"{recipe.describe()} needs static shapes but for the batch, input {value.shown()} is not{hint}"
            )
