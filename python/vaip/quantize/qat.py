"""Quantization-aware training of PyTorch modules with Brevitas (extra `qat`): where nothing else suffices.

    prepare(module, data)    a module that rounds as the NPU will, calibrated, its weights free to adapt
    train it as ever         by the user's own code
    export(module, ...)      the ONNX model with Q/DQ

train_quantized() does all three, with the float ONNX model to name and shape the inputs and outputs.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from vaip.files import written_whole
from vaip.importing.pytorch import quiet_exporter
from vaip.inputs import Arrays
from vaip.quantize import preflight
from vaip.quantize.calibration import CalibrationData
from vaip.quantize.errors import QuantizeError, missing
from vaip.quantize.signature import model_inputs

Progress = Callable[[str, int, int], None]
PRESETS = {
    "XINT8": "8 bit, a power-of-two scale per tensor",
    "A8W8": "8 bit, a float scale per tensor",
}
OPSET = 17
EQUALIZATION_STEPS = 20


@dataclass(frozen=True)
class TrainedModel:
    path: Path
    preset: str
    seconds: float  # of the training


def train_quantized(
    module: Any,
    train: Callable[[Any], Any],
    float_model: Path,
    output: Path,
    calibration: CalibrationData,
    *,
    preset: str = "XINT8",
    equalize: bool = True,
    seed: int = 0,
    untrained: Path | None = None,
    progress: Progress | None = None,
) -> TrainedModel:
    """Trains `module` with `train(module)`, its arithmetic quantized, and exports it to `output`.

    `float_model` is the module's ONNX model: its inputs, in the order of forward()'s arguments, and its outputs.
    `untrained` is where the module goes as it is before the training, to tell what that has brought.
    """
    report: Progress = progress or (lambda step, done, total: None)
    preflight.check_writable(output)
    declared = preflight.read_model(float_model)
    calibration.check(model_inputs(declared))
    names = [value.name for value in model_inputs(declared)]
    torch = _torch()
    torch.manual_seed(seed)
    report("quantizing the module", 0, 0)
    quantized = prepare(module, calibration.batches, names, preset=preset, equalize=equalize)
    if untrained is not None:
        export(quantized, calibration.batches[0], untrained, declared)
    report("training", 0, 0)
    start = time.perf_counter()
    quantized.train()
    train(quantized)
    seconds = time.perf_counter() - start
    report("exporting", 0, 0)
    export(quantized.eval(), calibration.batches[0], output, declared)
    return TrainedModel(output, preset, seconds)


def prepare(
    module: Any, batches: Sequence[Arrays], names: Sequence[str], *, preset: str = "XINT8", equalize: bool = True
) -> Any:
    """A copy of a float module with quantized weights and activations, its scales calibrated on `batches`."""
    torch = _torch()
    if not isinstance(module, torch.nn.Module):
        raise QuantizeError(f"quantization-aware training needs a torch.nn.Module, not {type(module).__name__}")
    with quiet_exporter():
        compute, activations, identities = _layer_maps(preset)
        from brevitas.graph.calibrate import calibration_mode
        from brevitas.graph.quantize import quantize
        from brevitas.graph.target.flexml import preprocess_for_flexml_quantize

        examples = _tensors(batches[0], names)
        try:
            traced = preprocess_for_flexml_quantize(
                copy.deepcopy(module).eval(), *examples, equalize_iters=EQUALIZATION_STEPS if equalize else 0
            )
            quantized = quantize(
                traced, quant_identity_map=identities, compute_layer_map=compute, quant_act_map=activations
            )
        except Exception as error:
            raise QuantizeError(
                f"Brevitas cannot quantize {type(module).__name__}: {' '.join(str(error).split())[:400]}; modules "
                "whose forward() branches on values cannot be traced"
            ) from error
        quantized.eval()
        with torch.no_grad(), calibration_mode(quantized):
            for batch in batches:
                quantized(*_tensors(batch, names))
    return quantized


def export(module: Any, example: Arrays, output: Path, declared: onnx.ModelProto) -> None:
    """The trained module as an ONNX model with Q/DQ, its inputs and outputs named as those of `declared`."""
    try:
        import onnxoptimizer  # noqa: F401 (Brevitas' export needs it)
        from brevitas.export import export_onnx_qcdq
    except ImportError as error:
        raise missing("qat", error) from error
    names = [value.name for value in model_inputs(declared)]
    with written_whole(output) as temporary, quiet_exporter():
        export_onnx_qcdq(
            module,
            args=_tensors(example, names),
            export_path=str(temporary),
            opset_version=OPSET,
            input_names=names,
            output_names=[value.name for value in declared.graph.output],
            dynamic_axes=_dynamic_axes(declared),
            dynamo=False,
        )
        model = onnx.load(temporary)
        _fold_clips(model.graph)
        onnx.save(model, temporary)


def _fold_clips(graph: onnx.GraphProto) -> None:
    """Brevitas clips its integer weights in the graph, to -127..127; what is constant can be so in the file."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in list(graph.node):
        if node.op_type == "Clip" and all(name in constants for name in node.input):
            value, low, high = (numpy_helper.to_array(constants[name]) for name in node.input)
            folded = numpy_helper.from_array(np.clip(value, low, high), node.output[0])
            graph.initializer.append(folded)
            graph.node.remove(node)
    read = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in read]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def _layer_maps(preset: str) -> tuple[Mapping[Any, Any], Mapping[Any, Any], Mapping[str, Any]]:
    """What Brevitas makes of each kind of layer: by product, by activation function, and where neither is."""
    if preset.upper() not in PRESETS:
        raise QuantizeError(f"quantization-aware training has the presets {' and '.join(PRESETS)}, not '{preset}'")
    try:
        import brevitas.nn as qnn
        from brevitas import quant
    except ImportError as error:
        raise missing("qat", error) from error
    from torch import nn

    scale = "FixedPoint" if preset.upper() == "XINT8" else "Float"
    weight = getattr(quant, f"Int8WeightPerTensor{scale}")
    signed, unsigned = (getattr(quant, f"{sign}8ActPerTensor{scale}") for sign in ("Int", "Uint"))
    product = {"weight_quant": weight, "bias_quant": quant.Int32Bias, "return_quant_tensor": True}
    kinds = ("Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Linear")
    compute = {getattr(nn, kind): (getattr(qnn, f"Quant{kind}"), product) for kind in kinds}
    rectified = {"act_quant": unsigned, "return_quant_tensor": True}
    activations = {
        nn.ReLU: (qnn.QuantReLU, rectified),
        nn.ReLU6: (qnn.QuantReLU, rectified),
        nn.Sigmoid: (qnn.QuantSigmoid, rectified),
    }
    identities = {
        "signed": (qnn.QuantIdentity, {"act_quant": signed, "return_quant_tensor": True}),
        "unsigned": (qnn.QuantIdentity, rectified),
    }
    return compute, activations, identities


def _tensors(batch: Arrays, names: Sequence[str]) -> tuple[Any, ...]:
    torch = _torch()
    return tuple(torch.from_numpy(batch[name]) for name in names)


def _dynamic_axes(model: onnx.ModelProto) -> dict[str, dict[int, str]]:
    return {
        value.name: axes
        for value in (*model.graph.input, *model.graph.output)
        if (axes := {i: dim.dim_param for i, dim in enumerate(value.type.tensor_type.shape.dim) if dim.dim_param})
    }


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise missing("qat", error) from error
    return torch
