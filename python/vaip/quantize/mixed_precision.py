"""Single layers of a quantized model at a higher precision, without quantizing it again.

The tools can be told a precision per tensor when they quantize. Here one quantized model, with whatever calibration and
finetuning has made of it, is the base of many mixed ones.

A layer at int16 reads and writes 16-bit activations and keeps its 8-bit weights, as AMD's A16W8. A layer at bfloat16
has float weights, reads what the layers before it compute unrounded, and writes float: VitisAIEP runs it in bfloat16
where the session option `enable_f32_to_bf16_conversion` is set, else the CPU runs it in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray

from vaip.quantize.errors import QuantizeError
from vaip.quantize.float_twin import FloatTwin
from vaip.quantize.quantized_graph import Layer, QuantizedGraph, Surgery

# Layers that move values: what they read and write keeps one precision.
MOVES = frozenset(
    (
        *("Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Pad", "Reshape", "Slice"),
        *("SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"),
    )
)
# These, and what picks values: on integers VitisAIEP keeps them integers, float neighbours or not.
_FOLLOWS = MOVES | {"Relu", "Clip"}
_STEPS = 256  # of 16 bit within one of 8 bit
_LARGEST_BIAS = 2**31 - 1

Ranges = Mapping[str, tuple[float, float]]


def raised(graph: QuantizedGraph, twin: FloatTwin, ranges: Ranges, precisions: Mapping[str, str]) -> onnx.ModelProto:
    """The quantized model with layers at other precisions: {name of a layer: "int16" or "bfloat16"}."""
    layers = {layer.name: layer for layer in graph.layers}
    for name in precisions:
        if name not in layers:
            raise QuantizeError(f"'{name}' is no quantized layer of the model")
    floating = _with_moves(graph, {name for name, precision in precisions.items() if precision == "bfloat16"})
    wide = [layers[name] for name, precision in precisions.items() if precision == "int16"]
    surgery = Surgery(graph)
    for name in floating:
        for constant in layers[name].constants:
            surgery.float_constant(constant, twin.constant(constant))
    unquantized = _float_activations(surgery, graph, floating)
    widened = {}
    for name in _wide_activations(graph, wide) - unquantized:
        if (parameters := _wide_parameters(graph, name, ranges.get(name))) is not None:
            widened[name] = parameters[0]
            surgery.requantized_activation(name, *parameters)
    for layer in wide:
        _widen_bias(surgery, graph, twin, layer, widened)
    return surgery.result()


def _with_moves(graph: QuantizedGraph, chosen: set[str]) -> set[str]:
    """Also the layers that only move what chosen ones write or read."""
    floating = set(chosen)
    writer = {layer.output: layer.name for layer in graph.layers}
    readers = {name: {layer.name for layer in graph.layers if name in layer.inputs} for name in graph.activations}
    while True:
        more = {
            layer.name
            for layer in graph.layers
            if layer.op in _FOLLOWS and layer.name not in floating and layer.inputs
            if all(writer.get(name) in floating for name in layer.inputs)
            or (layer.output is not None and readers[layer.output] & floating)
        }
        if not more:
            return floating
        floating |= more


def _float_activations(surgery: Surgery, graph: QuantizedGraph, floating: set[str]) -> set[str]:
    """Lets float layers read what is written before it is quantized; returns what nobody reads quantized any more."""
    unquantized = set()
    outputs = {value.name for value in graph.model.graph.output}
    for name, activation in graph.activations.items():
        readers = [layer for layer in graph.layers if name in layer.inputs]
        float_readers = [layer for layer in readers if layer.name in floating]
        written_float = any(layer.output == name and layer.name in floating for layer in graph.layers)
        at_the_edge = any(node.output[0] in outputs for node in activation.dequantize)
        if len(float_readers) == len(readers) and (written_float if at_the_edge else float_readers):
            surgery.float_activation(name)
            unquantized.add(name)
        else:
            for layer in float_readers:
                surgery.read_float(layer, name)
    return unquantized


def _wide_activations(graph: QuantizedGraph, layers: Iterable[Layer]) -> set[str]:
    wide = {name for layer in layers for name in (*layer.inputs, layer.output) if name is not None}
    moving = [{*layer.inputs, layer.output} - {None} for layer in graph.layers if layer.op in _FOLLOWS]
    grown = True
    while grown:
        before = len(wide)
        for tensors in moving:
            if tensors & wide:
                wide |= {name for name in tensors if name is not None}
        grown = len(wide) > before
    return wide


def _wide_parameters(
    graph: QuantizedGraph, name: str, observed: tuple[float, float] | None
) -> tuple[NDArray[np.float32], NDArray[np.int16]] | None:
    """Scale and zero point: 256 steps for each of 8 bits, times a power of two where calibration had cut the range."""
    scale, zero = graph.scale(name), graph.zero_point(name)
    if zero.dtype.itemsize != 1 or scale.size != 1:
        return None  # it has 16 bits already, or a scale per channel
    offset = int(zero.reshape(-1)[0]) - (128 if zero.dtype == np.uint8 else 0)
    step = float(scale.reshape(-1)[0])
    low, high = observed or (0.0, 0.0)
    saturates = offset == -128  # at zero, where a ReLU may have been
    reach = max(high / (127.5 - offset), 0.0 if saturates else low / (-128.5 - offset), step)
    growth = 2.0 ** math.ceil(math.log2(reach / step))
    wide_zero = -128 * _STEPS if saturates else round(offset * _STEPS / growth)
    return np.array(step / _STEPS * growth, np.float32), np.array(wide_zero, np.int16)


def _widen_bias(
    surgery: Surgery, graph: QuantizedGraph, twin: FloatTwin, layer: Layer, widened: Mapping[str, NDArray[np.float32]]
) -> None:
    """32 bits, in the products' own steps: where the quantizer's bias has 8 bits it costs more than the activations."""
    main = next(node for node in layer.nodes if layer.name in (node.name, node.output[0]))
    if main.op_type not in ("Conv", "ConvTranspose", "Gemm") or len(main.input) < 3:
        return
    activation, weight, bias = graph.activation_behind(main.input[0]), main.input[1], main.input[2]
    if activation is None or activation not in widened or weight not in graph.constants or bias not in graph.constants:
        return
    value = twin.constant(bias).astype(np.float64)
    step = widened[activation].astype(np.float64) * graph.scale(weight).astype(np.float64).reshape(-1)
    step = step if step.size > 1 else step.reshape(())
    excess = np.max(np.abs(value) / step, initial=0.0) / _LARGEST_BIAS
    if excess > 1:
        step = step * 2.0 ** math.ceil(math.log2(excess))
    quantized = np.rint(value / step).astype(np.int32)
    surgery.requantized_constant(bias, quantized, step.astype(np.float32), axis=0 if step.ndim else None)
